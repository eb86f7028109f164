"""Goods that came back."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from zhiyin.data.cleaning.base import Rule, TableKind
from zhiyin.data.columns import Columns
from zhiyin.data.reading.collecting import Collector

__all__ = ["Returns"]


class Returns(Rule):
    """Events with a quantity <= 0: returns and corrections, which are no sign of interest."""

    tables: ClassVar[tuple[TableKind, ...]] = ("events",)
    default: ClassVar[bool] = True

    def apply(self, frame: pl.DataFrame, collector: Collector) -> None:
        if Columns.QUANTITY not in frame.columns:
            return
        quantity = frame[Columns.QUANTITY].cast(pl.Float64)
        collector.reject(
            quantity.is_finite() & (quantity <= 0),
            Columns.QUANTITY,
            kind="quantity is not positive",
            expected="a quantity above 0",
            remedy="Nothing to do for returns and corrections: they are no sign of interest.",
        )
