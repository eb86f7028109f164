"""Faster than fingers."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import polars as pl
from pydantic import Field

from zhiyin.config import Config as Parameters
from zhiyin.data.cleaning.base import Rule, TableKind
from zhiyin.data.columns import Columns
from zhiyin.data.reading.collecting import Collector
from zhiyin.types import BoolArray

__all__ = ["InhumanRates", "dense"]


class InhumanRates(Rule):
    """Events of a user in windows with more different moments than a person manages.

    Moments and not events are counted: a basket of a hundred lines has one.
    """

    class Config(Parameters):
        """More than ``moments`` different times within ``seconds`` are inhuman."""

        moments: int = Field(default=20, ge=1)
        seconds: float = Field(default=10.0, gt=0)

    tables: ClassVar[tuple[TableKind, ...]] = ("events", "texts")
    config: Config  # type: ignore[assignment]

    def apply(self, frame: pl.DataFrame, collector: Collector) -> None:
        if Columns.TIMESTAMP not in frame.columns:
            return
        collector.reject(
            dense(frame, self.config.moments, self.config.seconds),
            Columns.TIMESTAMP,
            kind="inhuman rate",
            expected=f"at most {self.config.moments} different times within {self.config.seconds:g} s",
            remedy="Find out what acts under this user's name, or change the rule inhuman-rates.",
        )


def dense(frame: pl.DataFrame, moments: int, seconds: float) -> BoolArray:
    """Which rows lie in a window of ``seconds`` with more than ``moments`` times of their user."""
    users, stamps = Columns.USER_ID, Columns.TIMESTAMP
    times = frame.select(users, stamps).unique().drop_nulls().sort(users, stamps)
    if times.height <= moments:
        return np.zeros(frame.height, bool)
    who = times[users].rle_id().to_numpy()
    when = times[stamps].to_numpy()
    full = (who[moments:] == who[:-moments]) & (when[moments:] - when[:-moments] < seconds)
    # Each full window covers ``moments + 1`` times: mark where windows begin and end, then sum.
    edges = np.zeros(times.height + 1, np.int64)
    starts = np.flatnonzero(full)
    np.add.at(edges, starts, 1)
    np.add.at(edges, starts + moments + 1, -1)
    marked = times.filter(pl.Series(np.cumsum(edges[:-1]) > 0)).with_columns(_dense=pl.lit(True))
    found = frame.select(users, stamps).join(marked, on=[users, stamps], how="left", maintain_order="left")
    return found["_dense"].fill_null(False).to_numpy()
