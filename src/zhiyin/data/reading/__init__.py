"""Files and queries -> tables and a report; knows no dataset, model or network.

Formats by suffix: ``.csv``, ``.tsv``, ``.jsonl`` (each also ``.gz``) and ``.parquet``; databases by
``Query``. Every row ends either in the table or in ``report.rejected_rows``, with its line number and
the reason. Ids stay the strings of the file: "0012" is not "12" and "1e5" is not a number.
"""

from __future__ import annotations

from zhiyin.data.reading.headers import EVENTS, ITEMS, TEXTS, TRIPLES, USERS, Layout
from zhiyin.data.reading.problems import Problem, ProblemReport, RejectedRowsError
from zhiyin.data.reading.sql import Query
from zhiyin.data.reading.tables import Place, TableReader, read_events, read_items, read_texts, read_users
from zhiyin.data.reading.vectors import read_vectors

__all__ = [
    "EVENTS",
    "ITEMS",
    "TEXTS",
    "TRIPLES",
    "USERS",
    "Layout",
    "Place",
    "Problem",
    "ProblemReport",
    "Query",
    "RejectedRowsError",
    "TableReader",
    "read_events",
    "read_items",
    "read_texts",
    "read_users",
    "read_vectors",
]
