"""Matrix factorisation that learns from pairs: what was taken stands above what was not."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from pydantic import Field
from scipy import sparse
from threadpoolctl import threadpool_limits

from zhiyin import config
from zhiyin.data import Dataset
from zhiyin.retrieve.base import ScoringRetriever
from zhiyin.types import Array, Queries, ScoreArray

__all__ = ["BPRRetriever"]


class BPRRetriever(ScoringRetriever):
    """Score = user factors times item factors + the item's bias, fitted so that taken items stand higher.

    Maximises sum ln sigmoid(x_ui - x_uj) - lambda ||theta||^2 over triples of a user, a taken and another
    item (Rendle, Freudenthaler, Gantner & Schmidt-Thieme 2009, "BPR: Bayesian personalized ranking from
    implicit feedback", by the library ``implicit``). A user's factors are solved from the history at
    hand against the fitted items, x_u = (Y'Y + confidence Y_h'Y_h + ridge I)^-1 (1 + confidence) Y_h' 1, so
    that an unknown user is answered as a known one with the same history.
    """

    class Config(config.Config):
        """Of the fit: ``factors``, ``learning_rate``, ``regularisation``, ``epochs``, ``seed``.

        Of the users' solution: ``confidence`` of what was taken, ``ridge``.
        """

        factors: int = Field(default=64, ge=1)
        learning_rate: float = Field(default=0.05, gt=0)
        regularisation: float = Field(default=0.01, ge=0)
        epochs: int = Field(default=100, ge=1)
        confidence: float = Field(default=10.0, gt=0)
        ridge: float = Field(default=1.0, gt=0)
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
        self.__dict__.pop("gram_", None)
        learned = np.asarray(model.item_factors, dtype=np.float32)
        self.item_factors_: ScoreArray = np.ascontiguousarray(learned[:, :-1])
        self.biases_: ScoreArray = np.ascontiguousarray(learned[:, -1])

    def _scores(self, queries: Queries) -> ScoreArray:
        history = queries.histories.matrix(len(self.item_factors_))
        scores: ScoreArray = self.solve(history) @ self.item_factors_.T + self.biases_
        scores[np.diff(history.indptr) == 0] = self.biases_
        return scores

    def solve(self, history: sparse.csr_array) -> ScoreArray:
        """Factors of users from what they took, float32 [U, factors]."""
        users = np.zeros((history.shape[0], self.config.factors), dtype=np.float32)
        starts, confidence = history.indptr, self.config.confidence
        for row in np.flatnonzero(np.diff(starts)):
            taken = self.item_factors_[history.indices[starts[row] : starts[row + 1]]]
            system = self.gram_ + confidence * (taken.T @ taken)
            users[row] = np.linalg.solve(system, (1 + confidence) * taken.sum(axis=0))
        return users

    @cached_property
    def gram_(self) -> ScoreArray:
        """Y'Y + ridge I, float32 [factors, factors]."""
        diagonal = self.config.ridge * np.eye(self.config.factors, dtype=np.float32)
        gram: ScoreArray = self.item_factors_.T @ self.item_factors_ + diagonal
        return gram

    def _state(self) -> Mapping[str, Array]:
        return {"item_factors": self.item_factors_, "biases": self.biases_}

    def _restore(self, state: Mapping[str, Array]) -> None:
        self.item_factors_, self.biases_ = state["item_factors"], state["biases"]
