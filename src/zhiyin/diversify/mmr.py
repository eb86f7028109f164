"""Maximal marginal relevance for many lists at once; knows arrays that are checked already.

Carbonell & Goldstein 1998, "The use of MMR": the next item is the one with the largest
(1-d) r - d · max over the chosen of max(0, cos). All lists take a step together, so that a batch costs
little more than one list.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from zhiyin.types import BoolArray, FloatArray, ScoreArray

__all__ = ["LONGEST", "mmr_orders"]

LONGEST = 512  # of longer lists all pairs would fill the memory
CHUNK_BYTES = 64 << 20

Places = npt.NDArray[np.int64]


def mmr_orders(
    vectors: ScoreArray, relevance: FloatArray, present: BoolArray, k: int, *, diversity: float
) -> Places:
    """Choose k places of each list.

    Parameters
    ----------
    vectors : float32 [U, n, d]
        Finite where present; n <= ``LONGEST``.
    relevance : float64 [U, n]
        In [0, 1] where present.
    present : bool [U, n]
        What may be chosen.
    k : int
        Places, >= 1.
    diversity : float
        0.0: the order of relevance; 1.0: variety alone. Ties go to the more relevant item, then to
        the earlier one.

    Returns
    -------
    int64 [U, k]
        Places in choice order, -1 on the right where fewer than k are present.
    """
    users, n = relevance.shape
    chosen = np.full((users, k), -1, dtype=np.int64)
    size = max(1, CHUNK_BYTES // (4 * max(n, 1) ** 2))
    for start in range(0, users, size):
        rows = slice(start, min(start + size, users))
        chosen[rows] = _some(vectors[rows], relevance[rows], present[rows], k, diversity)
    return chosen


def _some(vectors: ScoreArray, relevance: FloatArray, present: BoolArray, k: int, diversity: float) -> Places:
    users, n = relevance.shape
    # In the order of relevance the first of equal values is the more relevant one.
    order = np.argsort(np.where(present, -relevance, np.inf), axis=1, kind="stable")
    counts = present.sum(axis=1)
    free = np.arange(n) < counts[:, None]
    gain = (1.0 - diversity) * np.take_along_axis(relevance, order, axis=1)
    each = np.arange(users)[:, None, None]
    alike = _resemblance(vectors)[each, order[:, :, None], order[:, None, :]]
    value = np.where(free, gain, -np.inf)
    nearest = np.zeros((users, n), dtype=np.float32)
    every = np.arange(users)
    chosen = np.full((users, k), -1, dtype=np.int64)
    for place in range(min(k, n)):
        best = value.argmax(axis=1)
        chosen[:, place] = np.where(place < counts, order[every, best], -1)
        free[every, best] = False
        np.maximum(nearest, alike[every, best], out=nearest)
        value = np.where(free, gain - diversity * nearest, -np.inf)
    return chosen


def _resemblance(vectors: ScoreArray) -> ScoreArray:
    """max(0, cos) of all pairs of each list, float32 [U, n, n]; a zero vector resembles nothing.

    Lengths are taken from the products' diagonal: the vectors are read once. Rows of absent items may
    hold anything; nobody reads their products.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        products = vectors @ vectors.transpose(0, 2, 1)
        norms = np.sqrt(np.diagonal(products, axis1=1, axis2=2))
        scale = np.maximum(norms[:, :, None] * norms[:, None, :], np.finfo(np.float32).tiny)
        alike: ScoreArray = np.maximum(products / scale, np.float32(0))
    return alike
