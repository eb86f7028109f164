"""The items most people took, ever or lately: trivial rules that are hard to beat."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import Field

from zhiyin import config
from zhiyin.data import Columns, Dataset
from zhiyin.retrieve.base import ScoringRetriever
from zhiyin.types import Array, FloatArray, Queries, ScoreArray

__all__ = ["PopularRetriever", "RecentPopularRetriever"]

DAY = 86_400.0


class PopularRetriever(ScoringRetriever):
    """Score = number of users who took the item, each counting by the strength of the event.

    Items that nobody took come last, so that every catalogue can fill a list.
    """

    class Config(config.Config):
        """No parameters."""

    config: Config

    def _learn(self, train: Dataset) -> None:
        self.counts_: FloatArray = np.asarray(train.matrix.sum(axis=0), dtype=np.float64).ravel()

    def _scores(self, queries: Queries) -> ScoreArray:
        return np.tile(self.counts_.astype(np.float32), (len(queries), 1))

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
        self.counts_ = counts + train.counts / (1.0 + train.counts.sum())
