"""Item neighbours: what goes with what you took."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field
from scipy import sparse

from zhiyin.data import Dataset
from zhiyin.retrieve.forgetting import FadingConfig
from zhiyin.retrieve.item_to_item import ItemToItemRetriever
from zhiyin.retrieve.selection import largest_of_rows
from zhiyin.types import FloatArray

__all__ = ["ItemKNNRetriever"]

BLOCK = 1024


class ItemKNNRetriever(ItemToItemRetriever):
    """Score of an item = sum of its similarities to the items of the history.

    Similarity of i and j from c_ij = sum over users of the product of their strengths (1 without
    event weights: the users they share), c_i = c_ii and c_j = c_jj:
    cosine c_ij / (sqrt(c_i c_j) + shrinkage), Jaccard c_ij / (c_i + c_j - c_ij + shrinkage);
    only the ``neighbours`` nearest of each item count (Sarwar et al. 2001, "Item-based
    collaborative filtering recommendation algorithms"; shrinkage after Bell & Koren 2007).
    """

    class Config(FadingConfig):
        """``neighbours`` kept an item; ``shrinkage`` >= 0 against chance; ``similarity``; ``half_life``."""

        neighbours: int = Field(default=20, ge=1)
        shrinkage: float = Field(default=0.0, ge=0)
        similarity: Literal["cosine", "jaccard"] = "cosine"

    config: Config
    learns_more = True

    def _learn(self, train: Dataset) -> None:
        matrix = train.matrix.tocsc()
        norms = np.asarray((matrix**2).sum(axis=0), dtype=np.float64).ravel()
        blocks = [self._nearest(matrix, norms, start) for start in range(0, train.n_items, BLOCK)]
        self.pairs_ = sparse.csr_array(sparse.vstack(blocks, format="csr"), dtype=np.float32)

    def _nearest(self, matrix: sparse.csc_array, norms: FloatArray, start: int) -> sparse.csr_array:
        """The nearest items of a block of items, [BLOCK, n_items]; stays sparse throughout."""
        stop = min(start + BLOCK, matrix.shape[1])
        shared = (matrix[:, start:stop].T @ matrix).tocoo()
        rows, columns = shared.coords
        apart = rows + start != columns
        rows, columns, values = rows[apart], columns[apart], shared.data[apart].astype(np.float64)
        left, right = norms[rows + start], norms[columns]
        scale = np.sqrt(left * right) if self.config.similarity == "cosine" else left + right - values
        values /= scale + self.config.shrinkage
        kept = largest_of_rows(rows, columns, values, self.config.neighbours)
        shape = (stop - start, matrix.shape[1])
        return sparse.csr_array((values[kept], (rows[kept], columns[kept])), shape=shape)
