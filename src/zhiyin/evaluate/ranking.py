"""Accuracy of ranked lists against what the users took; knows no model.

Conventions: relevance is binary; each metric gives one float64 a user and NaN to a user without
truth, whom means must leave out; precision is over k even where the list is shorter; the ideal of
NDCG is over min(k, |R|); an item counts at its first place only, and a later copy is a miss that
still occupies a place. ``recommended`` holds one list of ids a user (strings or integers), or is
an int array [U, n] padded with -1, or a ``Ragged``; ``relevant`` holds one collection of ids a
user, or an array or ``Ragged`` as before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from zhiyin.evaluate.hits import Hits, find_hits
from zhiyin.evaluate.identifiers import IdLists
from zhiyin.types import FloatArray

__all__ = ["METRICS", "average_precision", "hit_rate", "ndcg", "precision", "recall", "reciprocal_rank"]


def precision(recommended: IdLists, relevant: IdLists, k: int) -> FloatArray:
    """Share of the k places that hold a relevant item: hits / k.

    Parameters
    ----------
    recommended, relevant : lists of ids a user, or int [U, n] padded with -1, or Ragged
    k : int
        Places that count, >= 1.

    Returns
    -------
    float64 [U]
        In [0, 1]; NaN without truth.

    Raises
    ------
    InputError
        When the numbers of users differ or k < 1.

    Notes
    -----
    Manning, Raghavan & Schütze 2008, "Introduction to Information Retrieval", section 8.4.

    Examples
    --------
    >>> precision([["a", "b", "c"], ["a"]], [{"a", "c"}, set()], k=2)
    array([0.5, nan])
    """
    return _precision(find_hits(recommended, relevant, k))


def recall(recommended: IdLists, relevant: IdLists, k: int) -> FloatArray:
    """Share of the relevant items that stand in the first k places: hits / |R|.

    Parameters
    ----------
    recommended, relevant : lists of ids a user, or int [U, n] padded with -1, or Ragged
    k : int
        Places that count, >= 1.

    Returns
    -------
    float64 [U]
        In [0, min(k, |R|) / |R|]; NaN without truth.

    Raises
    ------
    InputError
        When the numbers of users differ or k < 1.

    Notes
    -----
    Manning, Raghavan & Schütze 2008, "Introduction to Information Retrieval", section 8.3; the
    denominator is |R|, not min(k, |R|).

    Examples
    --------
    >>> recall([["a", "b", "c"]], [{"a", "c", "d", "e"}], k=3)
    array([0.5])
    """
    return _recall(find_hits(recommended, relevant, k))


def hit_rate(recommended: IdLists, relevant: IdLists, k: int) -> FloatArray:
    """Whether any of the first k places holds a relevant item: 1 or 0.

    Parameters
    ----------
    recommended, relevant : lists of ids a user, or int [U, n] padded with -1, or Ragged
    k : int
        Places that count, >= 1.

    Returns
    -------
    float64 [U]
        0 or 1; NaN without truth.

    Raises
    ------
    InputError
        When the numbers of users differ or k < 1.

    Notes
    -----
    Deshpande & Karypis 2004, "Item-based top-N recommendation algorithms", section 6.1.

    Examples
    --------
    >>> hit_rate([["a", "b"], ["c", "d"]], [["b"], ["a"]], k=2)
    array([1., 0.])
    """
    return _hit_rate(find_hits(recommended, relevant, k))


def ndcg(recommended: IdLists, relevant: IdLists, k: int) -> FloatArray:
    """Normalised discounted cumulative gain with binary relevance.

    Sum of 1 / log2(place + 1) over the hits among the first k places (places count from 1),
    divided by the same sum with hits at the places 1 … min(k, |R|).

    Parameters
    ----------
    recommended, relevant : lists of ids a user, or int [U, n] padded with -1, or Ragged
    k : int
        Places that count, >= 1.

    Returns
    -------
    float64 [U]
        In [0, 1]; NaN without truth.

    Raises
    ------
    InputError
        When the numbers of users differ or k < 1.

    Notes
    -----
    Järvelin & Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques", section 2, with
    the discount log2(place + 1) of Burges et al. 2005.

    Examples
    --------
    >>> ndcg([["a", "b"], ["b", "a"]], [["a"], ["a"]], k=2).round(4)
    array([1.    , 0.6309])
    """
    return _ndcg(find_hits(recommended, relevant, k))


def average_precision(recommended: IdLists, relevant: IdLists, k: int) -> FloatArray:
    """Mean of the precision at each hit: sum over hits of (hits so far / place) / min(k, |R|).

    Parameters
    ----------
    recommended, relevant : lists of ids a user, or int [U, n] padded with -1, or Ragged
    k : int
        Places that count, >= 1.

    Returns
    -------
    float64 [U]
        In [0, 1]; NaN without truth. Its mean over users is the mean average precision (MAP).

    Raises
    ------
    InputError
        When the numbers of users differ or k < 1.

    Notes
    -----
    Buckley & Voorhees 2000, "Evaluating evaluation measure stability", section 2, cut at k. The
    denominator is min(k, |R|), so that a perfect short list has 1; trec_eval divides by |R|.

    Examples
    --------
    >>> average_precision([["a", "x", "b"]], [["a", "b"]], k=3).round(4)
    array([0.8333])
    """
    return _average_precision(find_hits(recommended, relevant, k))


def reciprocal_rank(recommended: IdLists, relevant: IdLists, k: int) -> FloatArray:
    """1 / place of the first hit among the first k places, 0 without one.

    Parameters
    ----------
    recommended, relevant : lists of ids a user, or int [U, n] padded with -1, or Ragged
    k : int
        Places that count, >= 1.

    Returns
    -------
    float64 [U]
        In [0, 1]; NaN without truth. Its mean over users is the mean reciprocal rank (MRR).

    Raises
    ------
    InputError
        When the numbers of users differ or k < 1.

    Notes
    -----
    Voorhees 1999, "The TREC-8 question answering track report", section 3.

    Examples
    --------
    >>> reciprocal_rank([["x", "a", "b"], ["x", "y", "a"]], [["a", "b"], ["a"]], k=2)
    array([0.5, 0. ])
    """
    return _reciprocal_rank(find_hits(recommended, relevant, k))


def _precision(hits: Hits) -> FloatArray:
    return _known(hits, _counts(hits) / hits.k)


def _recall(hits: Hits) -> FloatArray:
    return _known(hits, _counts(hits) / hits.relevant.clip(1))


def _hit_rate(hits: Hits) -> FloatArray:
    return _known(hits, np.asarray(hits.places.any(axis=1), dtype=np.float64))


def _ndcg(hits: Hits) -> FloatArray:
    best = np.clip(hits.relevant, 1, hits.k)
    width = hits.places.shape[1]
    discounts = 1.0 / np.log2(np.arange(2, max(width, int(best.max(initial=1))) + 2))
    # Both sums run from the first place on, so that a perfect list gives exactly 1.
    gains = np.cumsum(hits.places * discounts[:width], axis=1)[:, -1]
    ideal = np.cumsum(discounts)[best - 1]
    return _known(hits, gains / ideal)


def _average_precision(hits: Hits) -> FloatArray:
    so_far = np.cumsum(hits.places, axis=1)
    precisions = np.where(hits.places, so_far / np.arange(1, so_far.shape[1] + 1), 0.0)
    return _known(hits, precisions.sum(axis=1) / np.clip(hits.relevant, 1, hits.k))


def _reciprocal_rank(hits: Hits) -> FloatArray:
    first = np.argmax(hits.places, axis=1) + 1
    return _known(hits, np.where(hits.places.any(axis=1), 1.0 / first, 0.0))


def _counts(hits: Hits) -> FloatArray:
    counts: FloatArray = hits.places.sum(axis=1, dtype=np.float64)
    return counts


def _known(hits: Hits, values: FloatArray) -> FloatArray:
    return np.where(hits.relevant > 0, values, np.nan)


METRICS: Mapping[str, Callable[[Hits], FloatArray]] = {
    "ndcg": _ndcg,
    "recall": _recall,
    "precision": _precision,
    "hit_rate": _hit_rate,
    "average_precision": _average_precision,
    "reciprocal_rank": _reciprocal_rank,
}
"""Each metric as a function of ``Hits``, for those who take several from one comparison."""
