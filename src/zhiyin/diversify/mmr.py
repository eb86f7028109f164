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
    gain = (1.0 - diversity) * np.take_along_axis(relevance, order, axis=1)
    gain[np.arange(n) >= counts[:, None]] = -np.inf
    each = np.arange(users)[:, None, None]
    loss = np.float32(diversity) * _resemblance(vectors)[each, order[:, :, None], order[:, None, :]]
    nearest = np.zeros((users, n), dtype=np.float32)
    value, every = gain.copy(), np.arange(users)
    picked = np.empty((users, min(k, n)), dtype=np.int64)
    for place in range(picked.shape[1]):
        best = picked[:, place] = value.argmax(axis=1)
        gain[every, best] = -np.inf
        np.maximum(nearest, loss[every, best], out=nearest)
        np.subtract(gain, nearest, out=value)
    chosen = np.full((users, k), -1, dtype=np.int64)
    chosen[:, : picked.shape[1]] = np.take_along_axis(order, picked, axis=1)
    chosen[np.arange(k) >= counts[:, None]] = -1
    return chosen


def _resemblance(vectors: ScoreArray) -> ScoreArray:
    """max(0, cos) of all pairs of each list, float32 [U, n, n]; a zero vector resembles nothing.

    Lengths are taken from the products' diagonal: the vectors are read once. Absent items may
    hold anything: what is no number resembles nothing.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        products = vectors @ vectors.transpose(0, 2, 1)
        norms = np.sqrt(np.diagonal(products, axis1=1, axis2=2))
        scale = np.maximum(norms[:, :, None] * norms[:, None, :], np.finfo(np.float32).tiny)
        alike: ScoreArray = np.fmax(products / scale, np.float32(0))
    return alike
