"""Events and items -> ``Dataset``; splits; knows no model, prompt or network."""

from __future__ import annotations

from zhiyin.data.bundled import load_bundled
from zhiyin.data.catalogue import Catalogue
from zhiyin.data.columns import Columns
from zhiyin.data.dataset import Dataset
from zhiyin.data.description import DataDescription
from zhiyin.data.inference import Schema, infer_schema
from zhiyin.data.reading import Problem, ProblemReport, Query
from zhiyin.data.splits import (
    Split,
    Task,
    cut_by_time,
    held_out_task,
    leave_last_basket_out,
    leave_last_out,
    split_at,
    split_by_time,
    split_cold_items,
    split_cold_users,
    split_users_by_time,
)

__all__ = [
    "Catalogue",
    "Columns",
    "DataDescription",
    "Dataset",
    "Problem",
    "ProblemReport",
    "Query",
    "Schema",
    "Split",
    "Task",
    "cut_by_time",
    "held_out_task",
    "infer_schema",
    "leave_last_basket_out",
    "leave_last_out",
    "load_bundled",
    "split_at",
    "split_by_time",
    "split_cold_items",
    "split_cold_users",
    "split_users_by_time",
]
