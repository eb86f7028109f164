"""User neighbours: what people who took the same things took."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from zhiyin.data import Dataset
from zhiyin.retrieve.forgetting import FadingConfig, ForgettingRetriever
from zhiyin.retrieve.selection import top_n
from zhiyin.types import Array, FloatArray, Queries, ScoreArray

__all__ = ["UserKNNRetriever"]

CHUNK = 1 << 23  # similarities in memory at a time
SAME = 1.0 - 1e-6  # cosine from which on a neighbour is the user


class UserKNNRetriever(ForgettingRetriever):
    """Score of an item = sum over the nearest users of similarity x strength of the item for them.

    Similarity of two users from c_uv = sum over items of the product of their strengths, c_u = c_uu and
    c_v = c_vv: cosine c_uv / (sqrt(c_u c_v) + shrinkage), Jaccard c_uv / (c_u + c_v - c_uv + shrinkage).
    Neighbours with the very history of the user say nothing new, because that is excluded or known
    (Herlocker, Konstan, Borchers & Riedl 1999, "An algorithmic framework for performing collaborative
    filtering").
    """

    class Config(FadingConfig):
        """``neighbours`` of a user; ``shrinkage`` >= 0 against chance; ``similarity``; ``half_life``."""

        neighbours: int = Field(default=100, ge=1)
        shrinkage: float = Field(default=0.0, ge=0)
        similarity: Literal["cosine", "jaccard"] = "cosine"

    config: Config
    learns_more = True

    def _learn(self, train: Dataset) -> None:
        for name in ("columns_", "norms_"):
            self.__dict__.pop(name, None)
        matrix = train.matrix
        self.matrix_: sparse.csr_array = matrix[np.flatnonzero(np.diff(matrix.indptr))]

    @cached_property
    def columns_(self) -> sparse.csc_array:
        """Who took each item, [users, n_items] by columns."""
        return self.matrix_.tocsc()

    @cached_property
    def norms_(self) -> FloatArray:
        """Sum of the squared strengths of each user, float64 [users]."""
        return _norms(self.matrix_)

    def _scores(self, queries: Queries) -> ScoreArray:
        size = max(1, CHUNK // max(self.matrix_.shape[0], 1))
        parts = [
            self._nearest(self._history(part), part.histories.matrix(self.matrix_.shape[1]))
            for part in queries.chunks(size)
        ]
        near = sparse.csr_array(sparse.vstack(parts, format="csr"))
        scores: ScoreArray = (near @ self.matrix_).toarray().astype(np.float32)
        scores[scores == 0] = -np.inf
        return scores

    def _nearest(self, history: sparse.csr_array, whole: sparse.csr_array) -> sparse.csr_array:
        """Similarities of the neighbours of each query, float32 [U, users].

        ``whole``: the history with nothing forgotten, by which the user's own row is known.
        """
        shared = (history @ self.columns_.T).toarray()
        own, theirs = _norms(history)[:, None], self.norms_
        product = np.sqrt(own * theirs)
        scale = product if self.config.similarity == "cosine" else own + theirs - shared
        near = np.divide(shared, scale + self.config.shrinkage, out=np.zeros_like(shared), where=shared > 0)
        same = shared if whole is history else (whole @ self.columns_.T).toarray()
        near[same >= SAME * np.sqrt(_norms(whole)[:, None] * theirs)] = 0.0
        near[near <= 0] = -np.inf
        found = top_n(near, self.config.neighbours)
        rows, places = np.nonzero(found.items >= 0)
        entries = (rows, found.items[rows, places])
        return sparse.csr_array((found.scores[rows, places], entries), shape=shared.shape)

    def _state(self) -> Mapping[str, Array]:
        matrix = self.matrix_
        shape = np.array(matrix.shape, dtype=np.int64)
        return {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr, "shape": shape}

    def _restore(self, state: Mapping[str, Array]) -> None:
        users, items = (int(size) for size in state["shape"])
        parts = (state["data"], state["indices"], state["indptr"])
        self.matrix_ = sparse.csr_array(parts, shape=(users, items))


def _norms(rows: sparse.csr_array) -> FloatArray:
    """Sum of the squares of each row, float64 [n]."""
    return np.asarray(rows.power(2).sum(axis=1), dtype=np.float64).ravel()
