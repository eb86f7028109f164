"""How varied the lists are, and how they spread over the catalogue; knows no truth and no model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from zhiyin.errors import InputError
from zhiyin.evaluate.identifiers import Codes, Flat, IdLists, encode, flatten, integral
from zhiyin.types import Array, FloatArray

__all__ = ["catalogue_coverage", "exposure_gini", "intra_list_distance"]


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
    flat, lengths = _end_to_end(vectors)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    present = ~np.isnan(flat).all(axis=1)
    flat, rows = flat[present], rows[present]
    if not np.isfinite(flat).all():
        raise InputError(
            "A vector is not finite",
            expected="finite numbers, or NaN throughout for an empty place",
            hint="Replace the missing parts or leave the item out.",
        )
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    unit = flat / np.where(norms > 0, norms, 1.0)
    counts = np.bincount(rows, minlength=len(lengths))
    sums = np.zeros((len(lengths), flat.shape[1]))
    filled = counts > 0
    starts = (np.cumsum(counts) - counts)[filled]
    if len(starts):
        sums[filled] = np.add.reduceat(unit, starts, axis=0)
    squares = np.bincount(rows, weights=(unit**2).sum(axis=1), minlength=len(lengths))
    cosines = ((sums**2).sum(axis=1) - squares) / 2.0
    pairs = counts * (counts - 1) / 2.0
    distance = np.clip(1.0 - cosines / np.maximum(pairs, 1.0), 0.0, 2.0)
    return np.where(pairs > 0, distance, np.nan)


def catalogue_coverage(recommended: IdLists, catalogue: Collection[Any] | int) -> float:
    """Share of the catalogue that stands in at least one list.

    Parameters
    ----------
    recommended : lists of ids a user, or int [U, n] padded with -1, or Ragged
        Whole lists count: cut them at k before.
    catalogue : collection of ids, or int
        All items that could be shown; an integer n means the ids 0 … n-1.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InputError
        When the catalogue is empty or an item lies outside it.

    Notes
    -----
    Ge, Delgado-Battenfeld & Jannach 2010, "Beyond accuracy: evaluating recommender systems by
    coverage and serendipity", section 3.1 (catalog coverage).

    Examples
    --------
    >>> catalogue_coverage([["a", "b"], ["a"]], ["a", "b", "c", "d"])
    0.5
    """
    counts = _exposures(recommended, catalogue)
    return float(np.count_nonzero(counts) / len(counts))


def exposure_gini(recommended: IdLists, catalogue: Collection[Any] | int) -> float:
    """Gini coefficient of how often each item of the catalogue is shown.

    With exposures x_(1) <= … <= x_(n) of all n items, those never shown included:
    sum over i of (2i - n - 1) x_(i) / (n · sum of x).

    Parameters
    ----------
    recommended : lists of ids a user, or int [U, n] padded with -1, or Ragged
        Each place is one exposure; whole lists count: cut them at k before.
    catalogue : collection of ids, or int
        All items that could be shown; an integer n means the ids 0 … n-1.

    Returns
    -------
    float
        0: all items are shown equally often; (n - 1) / n: one item takes all; NaN: nothing shown.

    Raises
    ------
    InputError
        When the catalogue is empty or an item lies outside it.

    Notes
    -----
    Fleder & Hosanagar 2009, "Blockbuster culture's next rise or fall", section 3.2; the formula
    over sorted values as in Damgaard & Weiner 2000.

    Examples
    --------
    >>> exposure_gini([["a", "b"]], ["a", "b"]), exposure_gini([["a", "a"]], ["a", "b"])
    (0.0, 0.5)
    """
    counts = np.sort(_exposures(recommended, catalogue)).astype(np.float64)
    n = len(counts)
    total = counts.sum()
    if total == 0:
        return float("nan")
    return float(((2 * np.arange(1, n + 1) - n - 1) * counts).sum() / (n * total))


def _exposures(recommended: IdLists, catalogue: Collection[Any] | int) -> Codes:
    """How often each item of the catalogue is shown, int64 [n]."""
    shown, _ = flatten(recommended, ordered=False, name="recommended")
    (known_codes, shown_codes), n = encode(_ids(catalogue), shown)
    # The catalogue is coded together with the lists; what it does not hold must not be shown.
    held = np.zeros(n, dtype=np.bool_)
    held[known_codes[known_codes >= 0]] = True
    if not held.any():
        raise InputError("The catalogue is empty", expected="at least one item", received="none")
    counts = np.bincount(shown_codes[shown_codes >= 0], minlength=n)
    outside = int(np.count_nonzero(counts[~held]))
    if outside:
        raise InputError(
            "The lists hold items outside the catalogue",
            expected="items of the catalogue",
            received=f"{outside} other item(s)",
            hint="Pass the catalogue that the lists were made from; ids are compared with their type.",
        )
    return counts[held].astype(np.int64)


def _ids(catalogue: Collection[Any] | int) -> Flat:
    if isinstance(catalogue, int | np.integer):
        return np.arange(max(int(catalogue), 0))
    if isinstance(catalogue, np.ndarray) and integral(catalogue):
        return catalogue.ravel().astype(np.int64)
    return list(catalogue)


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
