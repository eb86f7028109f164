"""The best inner products of many vectors by a first look at few dimensions; knows no users and no texts.

The vectors are turned into their principal axes. The first axes, which hold most of what tells items
apart, give a rough score to everything; the best of it are scored again by all dimensions. The first
look reads a quarter of the memory, which is what a single request waits for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from zhiyin.retrieve.selection import top_n
from zhiyin.types import Candidates, IntArray, ScoreArray

__all__ = ["ReducedVectors"]

DIMENSIONS = 96
TWICE, EXTRA = 2, 400  # with 96 dimensions: 99.8 % of the best 300 of 12,101 real titles


@dataclass(frozen=True, eq=False)
class ReducedVectors:
    """``vectors`` float32 [n, d]; ``axes`` float32 [d, p]; ``heads`` float32 [n, p] = vectors · axes."""

    vectors: ScoreArray
    axes: ScoreArray
    heads: ScoreArray

    @classmethod
    def of(cls, vectors: ScoreArray, *, dimensions: int = DIMENSIONS) -> ReducedVectors:
        """Find the axes (uncentred principal components: inner products are kept) and turn."""
        _, axes = np.linalg.eigh(vectors.T @ vectors)
        first = np.ascontiguousarray(axes[:, ::-1][:, :dimensions], dtype=np.float32)
        return cls(vectors, first, vectors @ first)

    def updated(self, vectors: ScoreArray, changed: IntArray) -> ReducedVectors:
        """The same axes for more vectors, of which ``changed`` are new or other than before."""
        heads = np.zeros((len(vectors), self.axes.shape[1]), dtype=np.float32)
        heads[: len(self.heads)] = self.heads
        heads[changed] = vectors[changed] @ self.axes
        return ReducedVectors(vectors, self.axes, heads)

    def best(self, wanted: ScoreArray, n: int, *, hide: Callable[[ScoreArray], None]) -> Candidates:
        """The n largest inner products of each row.

        Parameters
        ----------
        wanted : float32 [U, d]
        n : int
        hide : callable
            Sets rough scores [U, n_items] of what may not be found to -inf, in place.
        """
        rough: ScoreArray = np.asarray(wanted @ self.axes @ self.heads.T, dtype=np.float32)
        hide(rough)
        # By item, so that equal scores go by the smaller index; pads come first.
        likely = np.sort(top_n(rough, TWICE * n + EXTRA).items, axis=1)
        exact: ScoreArray = (self.vectors[likely] @ wanted[:, :, None])[:, :, 0]
        exact[likely < 0] = -np.inf
        found = top_n(exact, n)
        items = np.take_along_axis(likely, np.maximum(found.items, 0), axis=1)
        items[found.items < 0] = -1
        return Candidates(items, found.scores)
