"""Matrix factorisation of ratings, with biases, by alternating least squares."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import Field
from scipy import sparse

from zhiyin import config
from zhiyin.data import Dataset
from zhiyin.draws import generator
from zhiyin.errors import NotFittedError
from zhiyin.retrieve.base import ScoringRetriever
from zhiyin.retrieve.ratings import check_ratings
from zhiyin.types import Array, FloatArray, IntArray, Queries, Ragged, ScoreArray

__all__ = ["MatrixFactorization"]

RIDGE = 8.0  # what each system gets on its diagonal where no regularisation is given
CHUNK = 1 << 22  # numbers of outer products that are in memory at a time


class MatrixFactorization(ScoringRetriever):
    """Score = mean + bias of the user + bias of the item + user factors times item factors.

    Minimises 1 / (2 N) sum (y - x'z - biases)^2 + regularisation (||X||^2 + ||Z||^2) over the N observed
    values, biases included in the norms (Koren, Bell & Volinsky 2009, "Matrix factorization techniques for
    recommender systems"). For values of several levels: where all are the same there is nothing to learn.
    A user's factors and bias are solved from the history at hand, so that an unknown user is answered as
    a known one with the same history. ``mse_``: mean squared error on the observed values by epoch.
    """

    class Config(config.Config):
        """``factors``; ``regularisation`` of the formula (None: 4 / N); ``epochs``; ``seed``."""

        factors: int = Field(default=16, ge=1)
        regularisation: float | None = Field(default=None, gt=0)
        epochs: int = Field(default=15, ge=1)
        seed: int = Field(default=7, ge=0)

    config: Config

    def _learn(self, train: Dataset) -> None:
        check_ratings(train)
        ratings = train.matrix
        n = max(ratings.nnz, 1)
        given = self.config.regularisation
        self.ridge_ = RIDGE if given is None else 2.0 * n * given
        self.mean_ = float(ratings.data.mean()) if ratings.nnz else 0.0
        draw = generator(self.config.seed, 0, stream="matrix factorisation")
        width = self.config.factors + 1
        self.items_: FloatArray = draw.normal(scale=0.1, size=(train.n_items, width))
        self.items_[:, -1] = 0.0
        columns = ratings.tocsc()
        by_item = sparse.csr_array((columns.data, columns.indices, columns.indptr), shape=ratings.shape[::-1])
        self.mse_: list[float] = []
        for _ in range(self.config.epochs):
            users = self._side(ratings, self.items_)
            self.items_ = self._side(by_item, users)
            self.mse_.append(self._error(ratings, users))

    def _side(self, ratings: sparse.csr_array, others: FloatArray) -> FloatArray:
        """Factors and bias of each row, float64 [rows, factors + 1], given those of the columns.

        A row's system has the features (factors of the column, 1) and the target value - mean - bias of
        the column.
        """
        found = np.zeros((ratings.shape[0], others.shape[1]))
        size = max(1, CHUNK // others.shape[1] ** 2)
        starts = ratings.indptr
        row = 0
        while row < ratings.shape[0]:
            end = max(int(np.searchsorted(starts, starts[row] + size, side="right")) - 1, row + 1)
            part = slice(starts[row], starts[end])
            features = others[ratings.indices[part]]
            targets = ratings.data[part] - self.mean_ - features[:, -1]
            features = np.concatenate([features[:, :-1], np.ones((len(features), 1))], axis=1)
            found[row:end] = self._solved(features, targets, np.diff(starts[row : end + 1]))
            row = end
        return found

    def _solved(self, features: FloatArray, targets: FloatArray, lengths: IntArray) -> FloatArray:
        """Ridge solutions of consecutive groups of rows, [groups, width]."""
        width = features.shape[1]
        group = np.repeat(np.arange(len(lengths)), lengths)
        left = np.zeros((len(lengths), width * width))
        right = np.zeros((len(lengths), width))
        some = np.flatnonzero(lengths)
        if len(some):
            begins = np.concatenate([[0], np.cumsum(lengths)[:-1]])[some]
            outer = (features[:, :, None] * features[:, None, :]).reshape(len(group), -1)
            left[some] = np.add.reduceat(outer, begins, axis=0)
            right[some] = np.add.reduceat(features * targets[:, None], begins, axis=0)
        systems = left.reshape(-1, width, width) + self.ridge_ * np.eye(width)
        return np.asarray(np.linalg.solve(systems, right[:, :, None])[:, :, 0])

    def _error(self, ratings: sparse.csr_array, users: FloatArray) -> float:
        rows = np.repeat(np.arange(ratings.shape[0]), np.diff(ratings.indptr))
        return float(np.mean((self._values(users[rows], ratings.indices) - ratings.data) ** 2))

    def _values(self, users: FloatArray, items: IntArray) -> FloatArray:
        theirs = self.items_[items]
        values: FloatArray = (users[:, :-1] * theirs[:, :-1]).sum(axis=1) + users[:, -1] + theirs[:, -1]
        return values + self.mean_

    def users_of(self, histories: Ragged) -> FloatArray:
        """Factors and bias of users from what they rated, float64 [U, factors + 1]."""
        if self.n_items_ is None:
            raise NotFittedError(type(self).__name__)
        return self._side(histories.matrix(len(self.items_)), self.items_)

    def predict(self, histories: Ragged, items: IntArray) -> FloatArray:
        """The value that each user would give to one item, float64 [U].

        Parameters
        ----------
        histories : Ragged
            What each user rated before; empty: the item's bias and the mean.
        items : int32 [U]
            One a user.
        """
        return self._values(self.users_of(histories), items)

    def _scores(self, queries: Queries) -> ScoreArray:
        users = self.users_of(queries.histories)
        scores = users[:, :-1] @ self.items_[:, :-1].T + self.items_[:, -1] + users[:, -1:] + self.mean_
        return np.asarray(scores, dtype=np.float32)

    def _state(self) -> Mapping[str, Array]:
        return {"items": self.items_, "facts": np.array([self.mean_, self.ridge_])}

    def _restore(self, state: Mapping[str, Array]) -> None:
        self.items_ = state["items"]
        self.mean_, self.ridge_ = (float(one) for one in state["facts"])
        self.mse_ = []
