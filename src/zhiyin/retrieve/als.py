"""Matrix factorisation of implicit feedback by alternating least squares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field
from scipy import sparse
from threadpoolctl import threadpool_limits

from zhiyin import config
from zhiyin.data import Dataset
from zhiyin.retrieve.base import ScoringRetriever
from zhiyin.types import Array, Queries, ScoreArray

__all__ = ["ALSRetriever"]


class ALSRetriever(ScoringRetriever):
    """Score = user factors times item factors, the user's solved from the history at hand.

    Minimises the confidence-weighted squared error of Hu, Koren & Volinsky 2008, "Collaborative
    filtering for implicit feedback datasets", eq. 3, by the library ``implicit``. An unknown user
    is answered exactly as a known one with the same history.
    """

    class Config(config.Config):
        """``factors``; ``regularisation`` lambda; ``confidence`` alpha; ``epochs``; ``seed``."""

        factors: int = Field(default=64, ge=1)
        regularisation: float = Field(default=10.0, gt=0)
        confidence: float = Field(default=5.0, gt=0)
        epochs: int = Field(default=15, ge=1)
        seed: int = Field(default=7, ge=0, lt=2**31)

    config: Config

    def _learn(self, train: Dataset) -> None:
        model = self._model()
        # The item factors are what stays; users are solved again at every request.
        with threadpool_limits(1, "blas"):
            model.fit(_plain(train.matrix), show_progress=False)
        self.item_factors_: ScoreArray = np.asarray(model.item_factors, dtype=np.float32)

    def _model(self) -> Any:
        from implicit.cpu.als import AlternatingLeastSquares

        with threadpool_limits(1, "blas"):
            return AlternatingLeastSquares(
                factors=self.config.factors,
                regularization=self.config.regularisation,
                alpha=self.config.confidence,
                iterations=self.config.epochs,
                random_state=self.config.seed,
            )

    def _scores(self, queries: Queries) -> ScoreArray:
        history = queries.histories.matrix(len(self.item_factors_))
        model = self._model()
        model.item_factors = self.item_factors_
        with threadpool_limits(1, "blas"):
            users = model.recalculate_user(np.arange(len(queries)), _plain(history))
            scores: ScoreArray = np.asarray(users @ self.item_factors_.T, dtype=np.float32)
        scores[np.diff(history.indptr) == 0] = -np.inf
        return scores

    def _state(self) -> Mapping[str, Array]:
        return {"item_factors": self.item_factors_}

    def _restore(self, state: Mapping[str, Array]) -> None:
        self.item_factors_ = state["item_factors"]


def _plain(matrix: sparse.csr_array) -> sparse.csr_matrix:
    # ``implicit`` tells matrices by the older class.
    return sparse.csr_matrix(matrix)
