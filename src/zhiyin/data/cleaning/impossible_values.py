"""Numbers that are none."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from zhiyin.data.cleaning.base import Rule, TableKind
from zhiyin.data.columns import Columns
from zhiyin.data.reading.collecting import Collector

__all__ = ["ImpossibleValues"]


class ImpossibleValues(Rule):
    """Events whose time, value or quantity is not finite."""

    tables: ClassVar[tuple[TableKind, ...]] = ("events",)
    default: ClassVar[bool] = True

    def apply(self, frame: pl.DataFrame, collector: Collector) -> None:
        for name in (Columns.TIMESTAMP, Columns.VALUE, Columns.QUANTITY):
            if name in frame.columns:
                collector.reject(
                    ~frame[name].cast(pl.Float64).is_finite(),
                    name,
                    kind=f"{name} is not finite",
                    expected="a finite number",
                    remedy="Fill in the true number, or leave it empty.",
                )
