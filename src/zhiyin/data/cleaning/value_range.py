"""Values beyond their scale."""

from __future__ import annotations

from typing import ClassVar

import polars as pl

from zhiyin.config import Config as Parameters
from zhiyin.data.cleaning.base import Rule, TableKind
from zhiyin.data.columns import Columns
from zhiyin.data.reading.collecting import Collector

__all__ = ["ValueRange"]


class ValueRange(Rule):
    """Events whose value or quantity is beyond the bounds that you state."""

    class Config(Parameters):
        """Smallest and largest ``value`` and ``quantity``, included; None: no bound."""

        value_from: float | None = None
        value_to: float | None = None
        quantity_from: float | None = None
        quantity_to: float | None = None

    tables: ClassVar[tuple[TableKind, ...]] = ("events",)
    config: Config  # type: ignore[assignment]

    def apply(self, frame: pl.DataFrame, collector: Collector) -> None:
        bounds = {
            Columns.VALUE: (self.config.value_from, self.config.value_to),
            Columns.QUANTITY: (self.config.quantity_from, self.config.quantity_to),
        }
        for name, (low, high) in bounds.items():
            if name not in frame.columns:
                continue
            numbers = frame[name].cast(pl.Float64)
            wrong = numbers < (-float("inf") if low is None else low)
            wrong |= numbers > (float("inf") if high is None else high)
            ends = ["any" if bound is None else f"{bound:g}" for bound in (low, high)]
            collector.reject(
                wrong,
                name,
                kind=f"{name} is out of range",
                expected=" to ".join(ends),
                remedy="Fill in the true number, or change the bounds of the rule value-range.",
            )
