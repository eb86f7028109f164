"""Matrix factorisation that learns from pairs: what was taken stands above what was not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import Field
from scipy import sparse
from threadpoolctl import threadpool_limits

from zhiyin.data import Dataset
from zhiyin.retrieve.inner_product import FadingProductRetriever, IndexedFadingConfig
from zhiyin.types import Array, BoolArray, Queries, ScoreArray

__all__ = ["BPRRetriever"]

RIDGE = 1.0


class BPRRetriever(FadingProductRetriever):
    """Score = user factors times item factors + the item's bias, fitted so that taken items stand higher.

    Maximises sum ln sigmoid(x_ui - x_uj) - lambda ||theta||^2 over triples of a user, a taken and another
    item (Rendle, Freudenthaler, Gantner & Schmidt-Thieme 2009, "BPR: Bayesian personalized ranking from
    implicit feedback", by the library ``implicit``). A user's factors are a linear map of the mean and the
    scaled sum of the factors of the history, fitted by ridge regression to the factors that BPR learned for
    the users of train: so an unknown user is answered as a known one with the same history.
    """

    class Config(IndexedFadingConfig):
        """``factors``; ``learning_rate``; ``regularisation``; ``epochs``; ``seed``; ``half_life``."""

        factors: int = Field(default=128, ge=1)
        learning_rate: float = Field(default=0.05, gt=0)
        regularisation: float = Field(default=0.03, ge=0)
        epochs: int = Field(default=200, ge=1)
        seed: int = Field(default=7, ge=0, lt=2**31)

    config: Config

    def _learn(self, train: Dataset) -> None:
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        with threadpool_limits(1, "blas"):
            model = BayesianPersonalizedRanking(
                factors=self.config.factors,
                learning_rate=self.config.learning_rate,
                regularization=self.config.regularisation,
                iterations=self.config.epochs,
                random_state=self.config.seed,
                num_threads=1,  # with more the result depends on who is faster
            )
            # ``implicit`` tells matrices by the older class.
            model.fit(sparse.csr_matrix(train.matrix), show_progress=False)
        learned = np.asarray(model.item_factors, dtype=np.float32)
        self.item_factors_: ScoreArray = np.ascontiguousarray(learned[:, :-1])
        self.biases_: ScoreArray = np.ascontiguousarray(learned[:, -1])
        active = np.flatnonzero(np.diff(train.matrix.indptr))
        told = self._told(train.matrix[active]).astype(np.float64)
        system = told.T @ told + RIDGE * np.eye(told.shape[1])
        users = np.asarray(model.user_factors, dtype=np.float64)[active, :-1]
        self.map_: ScoreArray = np.asarray(np.linalg.solve(system, told.T @ users), dtype=np.float32)

    def _asked(self, queries: Queries) -> tuple[ScoreArray, BoolArray]:
        history = self._history(queries)
        users: ScoreArray = np.asarray(self._told(history) @ self.map_, dtype=np.float32)
        users[np.diff(history.indptr) == 0] = 0.0
        ones = np.ones((len(users), 1), dtype=np.float32)  # for the biases; without a history these are all
        return np.concatenate([users, ones], axis=1), np.zeros(len(users), dtype=bool)

    def _answers(self) -> ScoreArray:
        return np.concatenate([self.item_factors_, self.biases_[:, None]], axis=1)

    def _told(self, history: sparse.csr_array) -> ScoreArray:
        """What a history says: mean of its factors, their sum over the root of the weights, and 1."""
        sizes = np.asarray(history.sum(axis=1), dtype=np.float32)[:, None]
        sizes[sizes == 0] = 1.0
        sums = history @ self.item_factors_
        told = np.concatenate([sums / sizes, sums / np.sqrt(sizes), np.ones_like(sizes)], axis=1)
        return np.asarray(told, dtype=np.float32)

    def _state(self) -> Mapping[str, Array]:
        return {"item_factors": self.item_factors_, "biases": self.biases_, "map": self.map_}

    def _restore(self, state: Mapping[str, Array]) -> None:
        self.item_factors_, self.biases_ = state["item_factors"], state["biases"]
        self.map_ = state["map"]
