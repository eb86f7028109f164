"""Matrix factorisation of implicit feedback by alternating least squares."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import cached_property

import numpy as np
from pydantic import Field
from scipy import sparse
from scipy.linalg.lapack import sposv
from threadpoolctl import threadpool_limits

from zhiyin.data import Dataset
from zhiyin.retrieve.forgetting import FadingConfig
from zhiyin.retrieve.inner_product import FadingProductRetriever, IndexedFadingConfig
from zhiyin.types import Array, BoolArray, Queries, ScoreArray

__all__ = ["ALSRetriever"]

MORE_EPOCHS = 3
MANY = 64  # users from which on threads are limited


class ALSRetriever(FadingProductRetriever):
    """Score = user factors times item factors, the user's solved from the history at hand.

    Minimises the confidence-weighted squared error of Hu, Koren & Volinsky 2008, "Collaborative
    filtering for implicit feedback datasets", eq. 3, by the library ``implicit``. An unknown user
    is answered exactly as a known one with the same history.
    """

    class Config(FadingConfig, IndexedFadingConfig):
        """``factors``, ``regularisation``, ``confidence`` alpha, ``epochs``, ``seed``, ``half_life``."""

        factors: int = Field(default=128, ge=1)
        regularisation: float = Field(default=10.0, gt=0)
        confidence: float = Field(default=5.0, gt=0)
        epochs: int = Field(default=15, ge=1)
        seed: int = Field(default=7, ge=0, lt=2**31)

    config: Config
    learns_more = True

    def _learn(self, train: Dataset) -> None:
        self._alternate(train, self.config.epochs, None)

    def _learn_more(self, known: Dataset) -> None:
        """Go on from the factors there are: new events move them a little."""
        self.cut_ = known.cut
        faded = known if self.memory_ == np.inf else known.faded(self.memory_)
        self._alternate(faded, MORE_EPOCHS, self.item_factors_)
        self._make_index()

    def _alternate(self, train: Dataset, epochs: int, start: ScoreArray | None) -> None:
        from implicit.cpu.als import AlternatingLeastSquares

        # The item factors are what stays; users are solved again at every request.
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(
                factors=self.config.factors,
                regularization=self.config.regularisation,
                alpha=self.config.confidence,
                iterations=epochs,
                random_state=self.config.seed,
            )
            if start is not None:
                model.item_factors = start.copy()
            # ``implicit`` tells matrices by the older class.
            model.fit(sparse.csr_matrix(train.matrix), show_progress=False)
        self.__dict__.pop("gram_", None)
        self.item_factors_: ScoreArray = np.asarray(model.item_factors, dtype=np.float32)

    def _asked(self, queries: Queries) -> tuple[ScoreArray, BoolArray]:
        history = self._history(queries)
        return self.solve(history), np.diff(history.indptr) == 0

    def _answers(self) -> ScoreArray:
        return self.item_factors_

    def solve(self, history: sparse.csr_array) -> ScoreArray:
        """Factors of users from what they took, float32 [U, factors] (eq. 4 of the paper).

        x_u = (Y'Y + Y_u' (C_u - I) Y_u + lambda I)^-1 Y_u' c_u with c = alpha * strength, over the
        items of the history only: microseconds a user, no library threads to wake.
        """
        users = np.zeros((history.shape[0], self.config.factors), dtype=np.float32)
        # Threads inside such small systems cost more than they bring; to limit them costs a millisecond.
        with threadpool_limits(1, "blas") if len(users) > MANY else contextlib.nullcontext():
            for row in np.flatnonzero(np.diff(history.indptr)).tolist():
                part = slice(history.indptr[row], history.indptr[row + 1])
                taken = self.item_factors_[history.indices[part]]
                trust = self.config.confidence * history.data[part]
                system = self.gram_ + (taken * (trust - 1)[:, None]).T @ taken
                users[row] = sposv(system, trust @ taken, overwrite_a=True)[1]
        return users

    @cached_property
    def gram_(self) -> ScoreArray:
        """Y'Y + lambda I, float32 [factors, factors]."""
        diagonal = self.config.regularisation * np.eye(self.config.factors, dtype=np.float32)
        gram: ScoreArray = self.item_factors_.T @ self.item_factors_ + diagonal
        return gram

    def _state(self) -> Mapping[str, Array]:
        return {"item_factors": self.item_factors_}

    def _restore(self, state: Mapping[str, Array]) -> None:
        self.item_factors_ = state["item_factors"]
