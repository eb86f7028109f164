"""Several retrievers made one by reciprocal rank fusion; knows them only by the protocol."""

from __future__ import annotations

import copy

import numpy as np
from pydantic import Field

from zhiyin.data import Dataset, Task
from zhiyin.errors import NotFittedError
from zhiyin.retrieve.members import ManyRetrievers, MemberConfig
from zhiyin.retrieve.pooling import Pool, pool_lists
from zhiyin.retrieve.weights import learn_weights
from zhiyin.types import Candidates, Queries, ScoreArray

__all__ = ["FusionRetriever"]

CHUNK_USERS = 1024


class FusionRetriever(ManyRetrievers):
    """Score of an item = sum over retrievers of weight / (constant + rank), ranks from 1.

    Cormack, Clarke & Buettcher 2009, "Reciprocal rank fusion outperforms Condorcet and individual
    rank learning methods", with weights. Each retriever's share is kept as a feature
    ``retrieve.<name>`` [U, n], so that a reason can be given. Where the user states a wish, the
    retrievers named in ``listens`` weigh ``text_boost`` times all others together.
    """

    class Config(MemberConfig):
        """``constant`` > 0, and what all joined retrievers have."""

        constant: float = Field(default=60.0, gt=0)

    config: Config

    def _learn(self, train: Dataset, task: Task | None) -> None:
        given = self._given
        if task is not None and None in given.values():
            pool = self._pool(task.queries, self.config.depth)
            self.weights_ = learn_weights(pool, given, task.relevant)
        elif not self.weights_:
            self.weights_ = {name: 1.0 if weight is None else weight for name, weight in given.items()}

    def _pool(self, queries: Queries, depth: int) -> Pool:
        lists = [member.retrieve(queries, depth) for member in self.members_.values()]
        return pool_lists(lists, constant=self.config.constant)

    @property
    def _heard(self) -> FusionRetriever:
        """The same without members of weight 0, which nobody would hear."""
        names = [name for name, weight in self.weights_.items() if weight > 0 or name in self.config.listens]
        heard = copy.copy(self)
        heard.members_ = {name: self.members_[name] for name in names} or self.members_
        heard.weights_ = {name: self.weights_[name] for name in heard.members_}
        return heard

    def retrieve(self, queries: Queries, n: int) -> Candidates:
        """The best n items of all members together; features hold each member's share."""
        if self.n_items_ is None:
            raise NotFittedError("FusionRetriever")
        heard = self._heard
        parts = [heard._fuse(part, n) for part in queries.chunks(CHUNK_USERS)]
        return Candidates(
            np.concatenate([part.items for part in parts]),
            np.concatenate([part.scores for part in parts]),
            {name: np.concatenate([part.features[name] for part in parts]) for name in parts[0].features},
        )

    def _fuse(self, queries: Queries, n: int) -> Candidates:
        pool = self._pool(queries, max(self.config.depth, n))
        weights = self._weights(queries)
        best, places = pool.best(weights, n)
        shares = pool.shares[:, np.arange(len(queries))[:, None], places] * weights[:, :, None]
        shares[:, places < 0] = 0
        features = {f"retrieve.{name}": share for name, share in zip(self.members_, shares, strict=True)}
        return Candidates(best.items, best.scores, features)

    def _weights(self, queries: Queries) -> ScoreArray:
        """Weight of each member for each query, float32 [members, U]."""
        stated = self._stated(queries)
        others = sum(weight for name, weight in self.weights_.items() if name not in self.config.listens)
        rows = [
            np.where(
                stated & (name in self.config.listens), max(self.config.text_boost * others, weight), weight
            )
            for name, weight in self.weights_.items()
        ]
        return np.array(rows, dtype=np.float32).reshape(len(rows), len(queries))
