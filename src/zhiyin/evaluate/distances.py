"""How far the items of a list lie apart, from their vectors; knows no model.

Random lists win plain diversity: the forms that are gated by relevance count what was shown *and* wanted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy

from zhiyin.errors import InputError
from zhiyin.evaluate.hits import find_hits
from zhiyin.evaluate.identifiers import Codes, IdLists, flatten
from zhiyin.types import Array, BoolArray, FloatArray

__all__ = [
    "intra_list_distance",
    "relevant_intra_list_distance",
    "relevant_vendi_score",
    "vendi_score",
]

CHUNK = 1 << 22
SMALLEST = 1e-9


def intra_list_distance(vectors: Array | Sequence[npt.ArrayLike]) -> FloatArray:
    """Mean pairwise cosine distance within each list.

    Parameters
    ----------
    vectors : float [U, k, d], or U arrays [k_u, d]
        A vector for each place; a vector that is NaN throughout marks an empty place. A zero
        vector has cosine 0, hence distance 1, to everything.

    Returns
    -------
    float64 [U]
        Mean of 1 - cos over the pairs of the list, in [0, 2]; NaN with fewer than two vectors.

    Raises
    ------
    InputError
        When dimensions differ or a vector is infinite or partly NaN.

    Notes
    -----
    Ziegler et al. 2005, "Improving recommendation lists through topic diversification", section
    3.3, with cosine distance and the mean over pairs (Zhang & Hurley 2008). The sum over pairs of
    unit vectors is (|sum of vectors|² - sum of |vector|²) / 2, so no pair is formed.

    Examples
    --------
    >>> intra_list_distance([[[1, 0], [0, 1]], [[1, 0], [2, 0]], [[1, 0]]])
    array([ 1.,  0., nan])
    """
    listed = _listed(vectors)
    pairs = listed.counts * (listed.counts - 1) / 2.0
    mean = _sum_of_distances(listed) / np.maximum(pairs, 1.0)
    return np.where(pairs > 0, np.clip(mean, 0.0, 2.0), np.nan)


def relevant_intra_list_distance(
    vectors: Array | Sequence[npt.ArrayLike], recommended: IdLists, relevant: IdLists
) -> FloatArray:
    """Distance among the relevant items of a list: sum over pairs of rel_i rel_j d_ij / (k (k-1) / 2).

    Parameters
    ----------
    vectors : float [U, k, d], or U arrays [k_u, d]
        As in ``intra_list_distance``, a vector for each place of ``recommended``.
    recommended, relevant : lists of ids a user, or int [U, n] padded with -1, or Ragged

    Returns
    -------
    float64 [U]
        In [0, 2]: 0 with fewer than two relevant items, NaN without truth; k is the longest list's
        length, so that a short list gains nothing by being short.

    Raises
    ------
    InputError
        When lists and vectors differ in length, or as in ``intra_list_distance``.

    Notes
    -----
    Vargas & Castells 2011, "Rank and relevance in novelty and diversity metrics for recommender
    systems", section 4.3 (ILD with relevance of both items), without rank discount.

    Examples
    --------
    >>> vectors = [[[1, 0], [0, 1], [1, 1]]]
    >>> relevant_intra_list_distance(vectors, [["a", "b", "c"]], [["a", "b"]]).round(4)
    array([0.3333])
    """
    gated, k, known = _gated(vectors, recommended, relevant)
    pairs = max(k * (k - 1) / 2.0, 1.0)
    return np.where(known, np.clip(_sum_of_distances(gated) / pairs, 0.0, 2.0), np.nan)


def vendi_score(vectors: Array | Sequence[npt.ArrayLike], q: float = 1.0) -> FloatArray:
    """Effective number of different items of each list.

    With the eigenvalues λ of K / n, K the cosines of the list's n vectors: exp(-Σ λ ln λ) for q = 1,
    (Σ λ^q)^(1 / (1-q)) otherwise, 1 / max λ for q = inf. Small q count rare items more.

    Parameters
    ----------
    vectors : float [U, k, d], or U arrays [k_u, d]
        As in ``intra_list_distance``.
    q : float
        Order, > 0; inf is allowed.

    Returns
    -------
    float64 [U]
        In [1, n]; NaN for an empty list.

    Raises
    ------
    InputError
        When q <= 0, or as in ``intra_list_distance``.

    Notes
    -----
    Friedman & Dieng 2023, "The Vendi score"; Pasarkar & Dieng 2024, "Cousins of the Vendi score"
    (other orders). Eigenvalues below ``SMALLEST`` are rounding and count as 0.

    Examples
    --------
    >>> vendi_score([[[1, 0], [0, 1]], [[1, 0], [1, 0]]]).round(4)
    array([2., 1.])
    """
    return _vendi(_listed(vectors), q, empty=np.nan)


def relevant_vendi_score(
    vectors: Array | Sequence[npt.ArrayLike], recommended: IdLists, relevant: IdLists, q: float = 1.0
) -> FloatArray:
    """``vendi_score`` of the relevant items of each list: how many different good things were shown.

    Parameters
    ----------
    vectors, recommended, relevant : as in ``relevant_intra_list_distance``
    q : float
        Order, > 0.

    Returns
    -------
    float64 [U]
        0 without a relevant item, else in [1, k]; NaN without truth.

    Examples
    --------
    >>> relevant_vendi_score([[[1, 0], [0, 1]]], [["a", "b"]], [["a", "b"]]).round(4)
    array([2.])
    """
    gated, _, known = _gated(vectors, recommended, relevant)
    return np.where(known, _vendi(gated, q, empty=0.0), np.nan)


@dataclass(frozen=True, eq=False)
class _Listed:
    """Unit vectors of present places end to end, the list of each, and how many each list has."""

    unit: FloatArray
    rows: Codes
    counts: Codes


def _listed(vectors: Array | Sequence[npt.ArrayLike], marks: BoolArray | None = None) -> _Listed:
    """``marks`` bool [N] of all places end to end: which of them count."""
    flat, lengths = _end_to_end(vectors)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    present = ~np.isnan(flat).all(axis=1)
    if marks is not None:
        present &= marks
    flat, rows = flat[present], rows[present]
    if not np.isfinite(flat).all():
        raise InputError(
            "A vector is not finite",
            expected="finite numbers, or NaN throughout for an empty place",
            hint="Replace the missing parts or leave the item out.",
        )
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    unit = flat / np.where(norms > 0, norms, 1.0)
    return _Listed(unit, rows, np.bincount(rows, minlength=len(lengths)))


def _gated(
    vectors: Array | Sequence[npt.ArrayLike], recommended: IdLists, relevant: IdLists
) -> tuple[_Listed, int, BoolArray]:
    """The relevant places, the length of the longest list, and who has truth."""
    _, lengths = _end_to_end(vectors)
    k = max(int(lengths.max(initial=0)), 1)
    _, listed = flatten(recommended, ordered=True, name="recommended")
    if not np.array_equal(lengths, listed):
        raise InputError(
            "vectors and recommended differ in shape",
            expected="a vector for each place of each list",
            received=f"{len(lengths)} lists of {lengths.sum()} vectors, {len(listed)} of {listed.sum()} ids",
        )
    hits = find_hits(recommended, relevant, k)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    inside = places < hits.places.shape[1]
    marks = np.zeros(len(rows), dtype=bool)
    marks[inside] = hits.places[rows[inside], places[inside]]
    return _listed(vectors, marks), k, hits.relevant > 0


def _sum_of_distances(listed: _Listed) -> FloatArray:
    """Sum over pairs of 1 - cos, by list; no pair is formed."""
    counts, users = listed.counts, len(listed.counts)
    sums = np.zeros((users, listed.unit.shape[1]))
    filled = counts > 0
    starts = (np.cumsum(counts) - counts)[filled]
    if len(starts):
        sums[filled] = np.add.reduceat(listed.unit, starts, axis=0)
    squares = np.bincount(listed.rows, weights=(listed.unit**2).sum(axis=1), minlength=users)
    cosines = ((sums**2).sum(axis=1) - squares) / 2.0
    distances: FloatArray = counts * (counts - 1) / 2.0 - cosines
    return distances


def _vendi(listed: _Listed, q: float, *, empty: float) -> FloatArray:
    if not q > 0:
        raise InputError("The order q is out of range", expected="> 0, or inf", received=str(q))
    scores = np.full(len(listed.counts), empty)
    starts = np.cumsum(listed.counts) - listed.counts
    for n in np.unique(listed.counts[listed.counts > 0]).tolist():
        users = np.flatnonzero(listed.counts == n)  # lists of one length have matrices of one shape
        size = max(1, CHUNK // (n * max(n, listed.unit.shape[1])))
        for start in range(0, len(users), size):
            some = users[start : start + size]
            vectors = listed.unit[starts[some][:, None] + np.arange(n)]
            scores[some] = _effective_number(vectors, q)
    return scores


def _effective_number(vectors: FloatArray, q: float) -> FloatArray:
    """Vendi score of lists of one length, [G, n, d] -> [G]."""
    n = vectors.shape[1]
    kernel = vectors @ vectors.transpose(0, 2, 1)
    kernel[:, np.arange(n), np.arange(n)] = 1.0  # also of a zero vector, which resembles only itself
    values = np.linalg.eigvalsh(kernel) / n
    values = np.where(values > SMALLEST, values, 0.0)
    if q == 1.0:
        found = np.exp(-xlogy(values, values).sum(axis=1))
    elif np.isinf(q):
        found = 1.0 / values.max(axis=1)
    else:
        found = np.where(values > 0, values, np.nan) ** q
        found = np.nansum(found, axis=1) ** (1.0 / (1.0 - q))
    numbers: FloatArray = np.clip(found, 1.0, n)
    return numbers


def _end_to_end(vectors: Array | Sequence[npt.ArrayLike]) -> tuple[FloatArray, Codes]:
    if isinstance(vectors, np.ndarray) and vectors.ndim == 3:
        users, k, d = vectors.shape
        return vectors.reshape(users * k, d).astype(np.float64), np.full(users, k, dtype=np.int64)
    arrays = [np.asarray(one, dtype=np.float64) for one in vectors]
    lengths = np.array([len(one) if one.ndim else 0 for one in arrays], dtype=np.int64)
    filled = [one for one in arrays if one.size]
    shapes = {one.shape[1:] for one in filled}
    if any(one.ndim != 2 for one in filled) or len(shapes) > 1:
        raise InputError(
            "The vectors of a list must form an array [k, d]",
            expected="one array [k, d] a user, of one dimension d for all",
            received=f"shapes {sorted({one.shape for one in arrays})[:5]}",
        )
    if not filled:
        return np.empty((0, 1)), np.zeros(len(arrays), dtype=np.int64)
    return np.concatenate(filled), np.where([one.size > 0 for one in arrays], lengths, 0)
