"""Item neighbours: what goes with what you took."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from zhiyin import config
from zhiyin.data import Dataset
from zhiyin.retrieve.base import ScoringRetriever
from zhiyin.types import Array, Queries, ScoreArray

__all__ = ["ItemKNNRetriever"]

BLOCK = 1024


class ItemKNNRetriever(ScoringRetriever):
    """Score of an item = sum of its similarities to the items of the history.

    Similarity of i and j from the users they share, c_ij, and their own users, c_i and c_j:
    cosine c_ij / (sqrt(c_i c_j) + shrinkage), Jaccard c_ij / (c_i + c_j - c_ij + shrinkage);
    only the ``neighbours`` nearest of each item count (Sarwar et al. 2001, "Item-based
    collaborative filtering recommendation algorithms"; shrinkage after Bell & Koren 2007).
    """

    class Config(config.Config):
        """``neighbours`` kept an item; ``shrinkage`` >= 0 against chance; ``similarity``."""

        neighbours: int = Field(default=100, ge=1)
        shrinkage: float = Field(default=10.0, ge=0)
        similarity: Literal["cosine", "jaccard"] = "cosine"

    config: Config

    def _learn(self, train: Dataset) -> None:
        matrix = train.matrix.tocsc()
        counts = np.asarray(matrix.sum(axis=0)).ravel()
        blocks = [self._nearest(matrix, counts, start) for start in range(0, train.n_items, BLOCK)]
        self.similarity_ = sparse.csr_array(sparse.vstack(blocks, format="csr"), dtype=np.float32)

    def _nearest(self, matrix: sparse.csc_array, counts: Array, start: int) -> sparse.csr_array:
        stop = min(start + BLOCK, matrix.shape[1])
        shared = (matrix[:, start:stop].T @ matrix).toarray()
        if self.config.similarity == "cosine":
            scale = np.sqrt(counts[start:stop, None] * counts[None, :])
        else:
            scale = counts[start:stop, None] + counts[None, :] - shared
        similar = shared / np.maximum(scale + self.config.shrinkage, 1e-12)
        similar[np.arange(stop - start), np.arange(start, stop)] = 0.0
        kept = min(self.config.neighbours, matrix.shape[1])
        nearest = np.argpartition(-similar, kept - 1, axis=1)[:, :kept]
        values = np.take_along_axis(similar, nearest, axis=1)
        rows = np.repeat(np.arange(stop - start), kept)
        block = sparse.csr_array(
            (values.ravel(), (rows, nearest.ravel())), shape=(stop - start, matrix.shape[1])
        )
        block.eliminate_zeros()
        return block

    def _scores(self, queries: Queries) -> ScoreArray:
        history = queries.histories.matrix(self.similarity_.shape[0])
        scores: ScoreArray = (history @ self.similarity_).toarray().astype(np.float32)
        scores[scores == 0] = -np.inf
        return scores

    def _state(self) -> Mapping[str, Array]:
        similar = self.similarity_
        return {"data": similar.data, "indices": similar.indices, "indptr": similar.indptr}

    def _restore(self, state: Mapping[str, Array]) -> None:
        n = len(state["indptr"]) - 1
        self.similarity_ = sparse.csr_array((state["data"], state["indices"], state["indptr"]), shape=(n, n))
