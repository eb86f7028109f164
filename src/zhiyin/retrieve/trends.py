"""How popular items were in the days before a moment; knows no users."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy import sparse

from zhiyin.data import Columns, Dataset
from zhiyin.types import Array, ScoreArray

__all__ = ["Places", "Trends"]

Places = npt.NDArray[np.int64]
DAY = 86_400.0
REMEMBERED = 8  # days


@dataclass(frozen=True, eq=False)
class Trends:
    """``days`` float32 [D, n_items]: events of each item, days counted back from ``cut``.

    ``windows``: lengths in days. A moment before the cut is answered from the whole days before it, so that
    nothing of later is told; a moment after it from the last days before the cut, which is all that is known.
    """

    days: sparse.csr_array
    cut: float
    windows: tuple[float, ...]
    _told: OrderedDict[int, tuple[ScoreArray, Places]] = field(default_factory=OrderedDict, repr=False)

    @classmethod
    def of(cls, train: Dataset, windows: tuple[float, ...]) -> Trends:
        """Count the events of ``train``."""
        items = train.events[Columns.ITEM].to_numpy()
        ages = ((train.cut - train.events[Columns.TIMESTAMP].to_numpy()) / DAY).astype(np.int64)
        ones = np.ones(len(items), dtype=np.float32)
        shape = (int(ages.max(initial=0)) + 1, train.n_items)
        return cls(sparse.csr_array((ones, (ages, items)), shape=shape), train.cut, windows)

    def day(self, times: np.ndarray) -> np.ndarray:
        """The first whole day that lies before each moment, int64; 0: the last one before the cut."""
        first: np.ndarray = np.ceil(np.maximum(self.cut - times, 0.0) / DAY).astype(np.int64)
        return first

    def before(self, day: int) -> tuple[ScoreArray, Places]:
        """ln(1 + events) in each window up to ``day``, and in all time, float32 [windows + 1, n_items].

        Each row as a share of its largest, 0 to 1. All time is that of the cut. Beside it the items by each
        row, the most popular first, int64 [windows + 1, n_items].
        """
        known = self._told.get(day)
        if known is None:
            spans = [self.days[day : day + max(round(days), 1)] for days in self.windows]
            logs = np.log1p(np.array([span.sum(axis=0) for span in (*spans, self.days)]))
            shares: ScoreArray = (logs / np.maximum(logs.max(axis=1, keepdims=True), 1e-12)).astype(
                np.float32
            )
            known = (shares, np.argsort(-shares, axis=1, kind="stable"))
            self._told[day] = known
            while len(self._told) > REMEMBERED:
                self._told.popitem(last=False)
        return known

    def grown(self, n_items: int) -> Trends:
        """The same with more items, of which nothing is known."""
        parts = (self.days.data, self.days.indices, self.days.indptr)
        days = sparse.csr_array(parts, shape=(self.days.shape[0], n_items))
        return Trends(days, self.cut, self.windows)

    def state(self) -> Mapping[str, Array]:
        """What ``from_state`` reads."""
        days = self.days
        return {
            "data": days.data, "indices": days.indices, "indptr": days.indptr,
            "shape": np.array(days.shape, dtype=np.int64), "cut": np.array([self.cut]),
        }  # fmt: skip

    @classmethod
    def from_state(cls, state: Mapping[str, Array], windows: tuple[float, ...]) -> Trends:
        """What ``state`` told."""
        rows, columns = (int(size) for size in state["shape"])
        parts = (state["data"], state["indices"], state["indptr"])
        return cls(sparse.csr_array(parts, shape=(rows, columns)), float(state["cut"][0]), windows)
