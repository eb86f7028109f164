"""User neighbours: what people who took the same things took."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from zhiyin import config
from zhiyin.data import Dataset
from zhiyin.retrieve.base import ScoringRetriever
from zhiyin.types import Array, FloatArray, Queries, ScoreArray

__all__ = ["UserKNNRetriever"]

SAME = 1.0 - 1e-6  # cosine from which on a neighbour is the user


class UserKNNRetriever(ScoringRetriever):
    """Score of an item = sum over the nearest users of similarity x strength of the item for them.

    Similarity of two users from c_uv = sum over items of the product of their strengths, c_u = c_uu and
    c_v = c_vv: cosine c_uv / (sqrt(c_u c_v) + shrinkage), Jaccard c_uv / (c_u + c_v - c_uv + shrinkage).
    Neighbours with the very history of the user say nothing new, because that is excluded or known
    (Herlocker, Konstan, Borchers & Riedl 1999, "An algorithmic framework for performing collaborative
    filtering").
    """

    class Config(config.Config):
        """``neighbours`` of a user; ``shrinkage`` >= 0 against chance; ``similarity``."""

        neighbours: int = Field(default=100, ge=1)
        shrinkage: float = Field(default=0.0, ge=0)
        similarity: Literal["cosine", "jaccard"] = "cosine"

    config: Config

    def _learn(self, train: Dataset) -> None:
        self.__dict__.pop("columns_", None)
        matrix = train.matrix
        self.matrix_: sparse.csr_array = matrix[np.flatnonzero(np.diff(matrix.indptr))]

    @cached_property
    def columns_(self) -> sparse.csc_array:
        """Who took each item, [users, n_items] by columns."""
        return self.matrix_.tocsc()

    @cached_property
    def norms_(self) -> FloatArray:
        """Sum of the squared strengths of each user, float64 [users]."""
        return np.asarray(self.matrix_.power(2).sum(axis=1), dtype=np.float64).ravel()

    def _scores(self, queries: Queries) -> ScoreArray:
        history = queries.histories.matrix(self.matrix_.shape[1])
        near = self._nearest(history)
        scores: ScoreArray = (near @ self.matrix_).toarray().astype(np.float32)
        scores[scores == 0] = -np.inf
        return scores

    def _nearest(self, history: sparse.csr_array) -> sparse.csr_array:
        """Similarities of the neighbours of each query, float64 [U, users]."""
        shared = (history @ self.columns_.T).tocoo()
        rows, users = shared.coords
        values = shared.data.astype(np.float64)
        own = np.asarray(history.power(2).sum(axis=1), dtype=np.float64).ravel()[rows]
        theirs = self.norms_[users]
        cosine = values / np.sqrt(own * theirs)
        scale = np.sqrt(own * theirs) if self.config.similarity == "cosine" else own + theirs - values
        values = np.where(cosine >= SAME, 0.0, values / (scale + self.config.shrinkage))
        order = np.lexsort((users, -values, rows))
        first = np.searchsorted(rows[order], np.arange(history.shape[0]))
        rank = np.arange(len(order)) - first[rows[order]]
        kept = order[rank < self.config.neighbours]
        shape = (history.shape[0], self.matrix_.shape[0])
        return sparse.csr_array((values[kept], (rows[kept], users[kept])), shape=shape)

    def _state(self) -> Mapping[str, Array]:
        matrix = self.matrix_
        shape = np.array(matrix.shape, dtype=np.int64)
        return {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr, "shape": shape}

    def _restore(self, state: Mapping[str, Array]) -> None:
        users, items = (int(size) for size in state["shape"])
        parts = (state["data"], state["indices"], state["indptr"])
        self.matrix_ = sparse.csr_array(parts, shape=(users, items))
