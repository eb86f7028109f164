"""Linear towers over histories and items as a retriever; knows the model by its two towers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import Field
from scipy import sparse

from zhiyin.data import Dataset
from zhiyin.draws import generator
from zhiyin.interest.vectors import item_vectors
from zhiyin.retrieve.inner_product import FadingProductRetriever, IndexedFadingConfig
from zhiyin.retrieve.towers import Features, LinearTowers
from zhiyin.types import Array, BoolArray, Queries, ScoreArray

__all__ = ["LinearTowerRetriever"]


class LinearTowerRetriever(FadingProductRetriever):
    """Score = User(u) · Item(v) of ``LinearTowers``; e_u is the mean of the history's features.

    Each user's events are parted in two at random, and each half is the history by which the other is to be
    found: so that nothing is predicted from itself. All items that were not taken count as rating 0 with the
    weight ``negatives``. ``features``: "own", an embedding an item; or "text", the text encoder's vectors.
    """

    class Config(IndexedFadingConfig):
        """Of the towers; ``features``; ``encoder`` of texts; ``half_life``."""

        features: str = Field(default="own", pattern="^(own|text)$")
        encoder: str = "minilm-l6"
        dimensions: int = Field(default=64, ge=1)
        regularisation: float = Field(default=0.1, ge=0)
        negatives: float = Field(default=0.2, gt=0)
        rounds: int = Field(default=20, ge=1)
        seed: int = Field(default=7, ge=0)

    config: Config

    def _learn(self, train: Dataset) -> None:
        about = self._about(train)
        told, asked = _halves(train.matrix, self.config.seed)
        towers = LinearTowers(**self.config.model_dump(include=set(LinearTowers.Config.model_fields)))
        towers.fit(_mean(told) @ about, about, asked)
        # A history's mean goes through the tower as the mean of its items', which is all that is kept.
        self.sides_: ScoreArray = np.asarray(about @ towers.W_.T, dtype=np.float32)
        self.constant_: ScoreArray = towers.b_.astype(np.float32)
        self.items_: ScoreArray = towers.items(about).astype(np.float32)
        self.mse_ = towers.mse_

    def _about(self, train: Dataset) -> Features:
        if self.config.features == "own":
            return sparse.csr_array(sparse.eye_array(train.n_items, format="csr"))
        vectors = item_vectors(train.catalogue, self.config.encoder).astype(np.float64)
        return vectors - vectors.mean(axis=0)

    def _asked(self, queries: Queries) -> tuple[ScoreArray, BoolArray]:
        history = self._history(queries)
        users = _mean(history) @ self.sides_ + self.constant_
        return users.astype(np.float32), np.diff(history.indptr) == 0

    def _answers(self) -> ScoreArray:
        return self.items_

    def _state(self) -> Mapping[str, Array]:
        return {"sides": self.sides_, "constant": self.constant_, "items": self.items_}

    def _restore(self, state: Mapping[str, Array]) -> None:
        self.sides_, self.constant_, self.items_ = state["sides"], state["constant"], state["items"]
        self.mse_ = []


def _halves(matrix: sparse.csr_array, seed: int) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Two rows a user, [2 U, n_items]: by which half is told, and which is asked for."""
    drawn = generator(seed, 0, stream="halves").random(matrix.nnz) < 0.5
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    parts = []
    for mask in (drawn, ~drawn):
        entries = (matrix.data[mask].astype(np.float64), (rows[mask], matrix.indices[mask]))
        parts.append(sparse.csr_array(entries, shape=matrix.shape))
    told = sparse.csr_array(sparse.vstack(parts, format="csr"))
    asked = sparse.csr_array(sparse.vstack(parts[::-1], format="csr"))
    both = np.flatnonzero((np.diff(told.indptr) > 0) & (np.diff(asked.indptr) > 0))
    return told[both], asked[both]


def _mean(history: sparse.csr_array) -> sparse.csr_array:
    """Rows divided by their sums."""
    sums = np.asarray(history.sum(axis=1)).ravel()
    scale = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)
    data = history.data * np.repeat(scale, np.diff(history.indptr))
    return sparse.csr_array((data, history.indices, history.indptr), shape=history.shape)
