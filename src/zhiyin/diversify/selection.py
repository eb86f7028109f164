"""Greedy selection from one list by pyversity; knows complete lists only, no batches and no masks.

Each method adds items one by one, the next being the best of a trade-off between its relevance
r in [0, 1] and what it adds to the set S chosen so far; d is ``diversity``, cos is cosine:

mmr    (1-d) r - d · max over S of max(0, cos)               Carbonell & Goldstein 1998
msd    (1-d) r + d · sum over S of (1 - cos)                 Borodin, Lee & Ye 2012
dpp    (1-d) r + d · log of the squared distance to span(S)  Chen, Zhang & Zhou 2018
ssd    (1-d) r + d · distance to span(S), with a bias axis   Huang et al. 2021, eq. (12)
cover  (1-d) r + d · gain of C(S) / largest C of one item    Puthiya Parambath et al. 2016
       where C(S) = sum over all items of (sum over S of max(0, cos))^0.5

mmr, msd and ssd begin with the most relevant item; ties go to the more relevant item.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyversity

from zhiyin.types import FloatArray, ScoreArray

__all__ = ["METHODS", "select"]

METHODS = ("mmr", "msd", "dpp", "ssd", "cover")

NEARLY_ONE = 1.0 - 1e-6
LARGEST_EXPONENT = 20.0
NOVELTY = 1e-4
EPSILON = float(np.finfo(np.float32).eps)

Places = npt.NDArray[np.int64]


def select(
    vectors: ScoreArray, relevance: FloatArray, k: int, *, method: str, diversity: float, pins: int
) -> Places:
    """Choose k places besides the first ``pins``, which are taken as chosen already.

    Parameters
    ----------
    vectors : float32 [n, d]
        Finite; need not have unit length.
    relevance : float64 [n]
        In [0, 1]; falling after the first ``pins`` places.
    k : int
        Number of places to choose, 0 <= k <= n - pins.
    method : str
        One of ``METHODS``.
    diversity : float
        In (0, 1].
    pins : int
        Places at the front that are chosen already.

    Returns
    -------
    int64 [<= k]
        Chosen places, first choice first, all >= pins. Fewer than k where nothing left adds
        anything new to the set ("dpp": more items than dimensions, or copies).
    """
    choose = _dpp if method == "dpp" else _additive
    chosen = choose(vectors, relevance, k + pins, method, diversity, pins)
    return chosen[chosen >= pins][:k].astype(np.int64)


def _additive(
    vectors: ScoreArray, relevance: FloatArray, k: int, method: str, diversity: float, pins: int
) -> Places:
    scores = relevance.copy()
    if pins:
        # Pinned items enter the set first: their relevance exceeds what diversity can give.
        diversity = min(diversity, NEARLY_ONE)
        scores[:pins] = 1.0 + (2.0 * k + 4.0) / (1.0 - diversity)
    options = {}
    if method == "cover":
        # pyversity sums coverage over all items: without a common scale, d depends on their number.
        scores *= _largest_coverage(vectors)
    elif method == "ssd":
        # Relevance is in [0, 1] already; z-scores would undo that.
        options["normalize_scores"] = False
    result = pyversity.diversify(vectors, scores, k, strategy=method, diversity=diversity, **options)
    return np.asarray(result.indices, dtype=np.int64)


def _largest_coverage(vectors: ScoreArray) -> float:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(norms, EPSILON)
    largest = np.sqrt(np.maximum(unit @ unit.T, 0.0)).sum(axis=0).max()
    return float(largest) if largest > 0.0 else 1.0


def _dpp(
    vectors: ScoreArray, relevance: FloatArray, k: int, _method: str, diversity: float, pins: int
) -> Places:
    """Greedy MAP of the kernel w_i w_j cos_ij with w = exp(a r), a = (1-d) / (2d).

    Chen, Zhang & Zhou 2018, eq. (10) and (11). pyversity raises e to z-scores, which overflow float32
    when one relevance stands out among thousands; given the standard deviation as ``scale`` it
    raises e to ``scores`` minus their mean.
    """
    exponent = min((1.0 - diversity) / (2.0 * diversity), LARGEST_EXPONENT)
    scores = exponent * relevance
    scores[:pins] = exponent + LARGEST_EXPONENT / 2.0
    scores32 = scores.astype(np.float32)
    scale = 2.0 * (float(scores32.std()) + EPSILON)
    result = pyversity.dpp(vectors, scores32, k, diversity=0.5, scale=scale)
    chosen: Places = np.asarray(result.indices, dtype=np.int64)
    # What remains of an item's squared length, as a share; rounding noise is no novelty.
    own = np.exp(2.0 * (scores[chosen] - scores.mean()))
    gains: FloatArray = np.asarray(result.selection_scores, dtype=np.float64)
    novel: Places = chosen[gains >= NOVELTY * own]
    return novel
