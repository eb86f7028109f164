"""Users that are programs."""

from __future__ import annotations

from typing import ClassVar

import polars as pl
from pydantic import Field

from zhiyin.config import Config as Parameters
from zhiyin.data.cleaning.base import Rule, TableKind
from zhiyin.data.columns import Columns
from zhiyin.data.reading.collecting import Collector

__all__ = ["Bots"]

DAY = 86_400.0


class Bots(Rule):
    """All rows of users who act more often in a day, or more regularly, than people do.

    Regular: the gaps between the moments of a user vary by less than ``regularity`` of their mean
    (coefficient of variation), over at least ``gaps`` of them.
    """

    class Config(Parameters):
        """Bounds: different times in one day; variation of the gaps, and how many of these it takes."""

        moments_a_day: int = Field(default=2_000, ge=1)
        regularity: float = Field(default=0.1, ge=0)
        gaps: int = Field(default=50, ge=2)

    tables: ClassVar[tuple[TableKind, ...]] = ("events", "texts")
    config: Config  # type: ignore[assignment]

    def apply(self, frame: pl.DataFrame, collector: Collector) -> None:
        if Columns.TIMESTAMP not in frame.columns:
            return
        user, time = pl.col(Columns.USER_ID), pl.col(Columns.TIMESTAMP)
        moments = frame.select(user, time).unique().drop_nulls().sort(Columns.USER_ID, Columns.TIMESTAMP)
        daily = (
            moments.group_by(user, (time // DAY).alias("day")).len().group_by(user).agg(pl.col("len").max())
        )
        gap = time.diff().over(Columns.USER_ID)
        gaps = moments.with_columns(gap.alias("gap")).group_by(user).agg(
            pl.col("gap").std().alias("spread"), pl.col("gap").mean().alias("mean"), pl.col("gap").count()
        )  # fmt: skip
        busy = daily.filter(pl.col("len") > self.config.moments_a_day)[Columns.USER_ID]
        even = gaps.filter(
            (pl.col("gap") >= self.config.gaps) & (pl.col("spread") < self.config.regularity * pl.col("mean"))
        )[Columns.USER_ID]
        for who, kind in ((busy, "too busy for a person"), (even, "too regular for a person")):
            collector.reject(
                frame[Columns.USER_ID].is_in(who.implode()),
                Columns.USER_ID,
                kind=kind,
                expected=f"at most {self.config.moments_a_day} times a day, at uneven intervals",
                remedy="Find out what acts under this user's name, or change the rule bots.",
            )
