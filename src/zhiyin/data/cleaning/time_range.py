"""Events from impossible times."""

from __future__ import annotations

import time
from typing import ClassVar

import polars as pl
from pydantic import Field

from zhiyin.config import Config as Parameters
from zhiyin.data.cleaning.base import Rule, TableKind
from zhiyin.data.columns import Columns
from zhiyin.data.reading.collecting import Collector

__all__ = ["TimeRange"]

DAY = 86_400.0


class TimeRange(Rule):
    """Rows from before the system existed, or from the future."""

    class Config(Parameters):
        """``earliest``, ``latest``: seconds since 1970, both included; None: tomorrow by the clock."""

        earliest: float = 788_918_400.0  # 1995-01-01
        latest: float | None = Field(default=None)

    tables: ClassVar[tuple[TableKind, ...]] = ("events", "texts")
    config: Config  # type: ignore[assignment]

    def apply(self, frame: pl.DataFrame, collector: Collector) -> None:
        if Columns.TIMESTAMP not in frame.columns:
            return
        times = frame[Columns.TIMESTAMP]
        latest = time.time() + DAY if self.config.latest is None else self.config.latest
        for wrong, kind in (
            (times < self.config.earliest, "time is too early"),
            (times > latest, "time is too late"),
        ):
            collector.reject(
                wrong,
                Columns.TIMESTAMP,
                kind=kind,
                expected=f"{self.config.earliest:.0f} to {latest:.0f} seconds",
                remedy="Check the clock of what wrote it, or change the rule's earliest and latest.",
            )
