"""The same event twice."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np
import polars as pl

from zhiyin.data.cleaning.base import Rule, TableKind
from zhiyin.data.columns import Columns
from zhiyin.data.reading.collecting import Collector

__all__ = ["Duplicates"]

SAME: Final = (
    Columns.USER_ID,
    Columns.ITEM_ID,
    Columns.TIMESTAMP,
    Columns.EVENT,
    Columns.SESSION_ID,
    Columns.TEXT,
)


class Duplicates(Rule):
    """Rows whose user, item, time, type, session and text all equal an earlier row's.

    Rows without a time are no duplicates of each other: without it a repeated purchase cannot be
    told from a copy.
    """

    tables: ClassVar[tuple[TableKind, ...]] = ("events", "texts")
    default: ClassVar[bool] = True

    def apply(self, frame: pl.DataFrame, collector: Collector) -> None:
        if Columns.TIMESTAMP not in frame.columns:
            return
        keys = frame.select(name for name in SAME if name in frame.columns)
        # Hashes first: a table of whole rows would take several times the memory of the events.
        hashes = keys.hash_rows()
        timed = frame[Columns.TIMESTAMP].is_not_null()
        doubtful = (hashes.is_duplicated() & timed).arg_true()
        del hashes
        first = keys[doubtful].select(pl.struct(pl.all()).is_first_distinct()).to_series().to_numpy()
        repeated = np.zeros(frame.height, bool)
        repeated[doubtful.to_numpy()[~first]] = True
        collector.reject(
            repeated,
            Columns.ITEM_ID if Columns.ITEM_ID in frame.columns else Columns.USER_ID,
            kind="duplicate event",
            expected="user, item, time, type and session not all as in an earlier row",
            remedy="Nothing to do: the first was kept.",
        )
