"""The items most people took, ever or lately: trivial rules that are hard to beat."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import numpy.typing as npt
from pydantic import Field

from zhiyin import config
from zhiyin.data import Catalogue, Columns, Dataset
from zhiyin.retrieve.base import ScoringRetriever
from zhiyin.retrieve.selection import first_n
from zhiyin.types import Array, Candidates, FloatArray, IntArray, Queries, ScoreArray

__all__ = ["PopularRetriever", "RecentPopularRetriever"]

DAY = 86_400.0


class PopularRetriever(ScoringRetriever):
    """Score = number of users who took the item, each counting by the strength of the event.

    Items that nobody took come last, so that every catalogue can fill a list.
    """

    class Config(config.Config):
        """No parameters."""

    config: Config
    learns_more = True

    def _learn(self, train: Dataset) -> None:
        self.__dict__.pop("order_", None)
        self.counts_: FloatArray = np.asarray(train.matrix.sum(axis=0), dtype=np.float64).ravel()

    def _extend(self, catalogue: Catalogue, changed: IntArray) -> None:
        fresh = len(catalogue) - len(self.counts_)
        self.counts_ = np.concatenate([self.counts_, np.zeros(fresh)])
        self.__dict__.pop("order_", None)
        self.n_items_ = len(catalogue)

    def _scores(self, queries: Queries) -> ScoreArray:
        return np.tile(self.counts_.astype(np.float32), (len(queries), 1))

    def _best(self, queries: Queries, n: int) -> Candidates:
        # One order serves everybody: a list is that order without what must not be shown.
        return first_n(
            self.order_, self.counts_.astype(np.float32), queries, self.available_from_, self.cut_, n
        )

    @cached_property
    def order_(self) -> npt.NDArray[np.int64]:
        """All items, the most popular first, equal ones by index."""
        return np.argsort(-self.counts_.astype(np.float32), kind="stable")

    def _state(self) -> Mapping[str, Array]:
        return {"counts": self.counts_}

    def _restore(self, state: Mapping[str, Array]) -> None:
        self.counts_ = state["counts"]


class RecentPopularRetriever(PopularRetriever):
    """Score = number of events in the last ``days`` before the cut; older events break ties."""

    class Config(config.Config):
        """``days``: length of the window, > 0."""

        days: float = Field(default=30.0, gt=0)

    config: Config  # type: ignore[assignment]

    def _learn(self, train: Dataset) -> None:
        recent = train.events.filter(train.events[Columns.TIMESTAMP] >= train.cut - self.config.days * DAY)
        counts = np.bincount(recent[Columns.ITEM].to_numpy(), minlength=train.n_items)
        self.__dict__.pop("order_", None)
        self.counts_ = counts + train.counts / (1.0 + train.counts.sum())
