"""A linear item-to-item model with a closed form: small, fast, hard to beat."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import Field
from scipy import linalg

from zhiyin.data import Dataset
from zhiyin.errors import InputError
from zhiyin.retrieve.forgetting import FadingConfig, ForgettingRetriever
from zhiyin.types import Array, Queries, ScoreArray

__all__ = ["EASERetriever"]


class EASERetriever(ForgettingRetriever):
    """Score = history times B, with B = I - P / diag(P), P = (X'X + lambda I)^-1, diag(B) = 0.

    Steck 2019, "Embarrassingly shallow autoencoders for sparse data", eq. 8. Memory grows with
    the square of the catalogue, hence ``max_items``.
    """

    class Config(FadingConfig):
        """``regularisation`` lambda > 0; ``max_items``: refuse larger catalogues."""

        regularisation: float = Field(default=300.0, gt=0)
        max_items: int = Field(default=15_000, ge=1)

    config: Config

    def _learn(self, train: Dataset) -> None:
        if train.n_items > self.config.max_items:
            raise InputError(
                "The catalogue is too large for EASE",
                expected=f"<= {self.config.max_items} items",
                received=str(train.n_items),
                hint="Use item-knn or als, or raise max_items (memory: 20 bytes x items squared).",
            )
        gram = (train.matrix.T @ train.matrix).toarray().astype(np.float64)
        gram[np.diag_indices_from(gram)] += self.config.regularisation
        inverse = linalg.inv(gram, overwrite_a=True, check_finite=False)
        weights = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0.0)
        self.weights_: ScoreArray = weights.astype(np.float32)

    def _scores(self, queries: Queries) -> ScoreArray:
        history = self._history(queries)
        scores: ScoreArray = np.asarray(history @ self.weights_, dtype=np.float32)
        scores[np.diff(history.indptr) == 0] = -np.inf
        return scores

    def _state(self) -> Mapping[str, Array]:
        return {"weights": self.weights_}

    def _restore(self, state: Mapping[str, Array]) -> None:
        self.weights_ = state["weights"]
