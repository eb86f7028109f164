"""Which places of which lists are hits: what all ranking metrics share; knows no metric."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zhiyin.errors import InputError
from zhiyin.evaluate.identifiers import Codes, IdLists, encode, flatten
from zhiyin.types import BoolArray

__all__ = ["Hits", "check_length", "find_hits"]


@dataclass(frozen=True, eq=False)
class Hits:
    """Hits of U lists among their first k places.

    ``places`` bool [U, w]: a relevant item stands here for the first time, where w is k or the
    longest list if that is shorter, and at least 1; ``relevant`` int64 [U]: number of distinct
    relevant items of the user, within the list or not.
    """

    places: BoolArray
    relevant: Codes
    k: int


def find_hits(recommended: IdLists, relevant: IdLists, k: int) -> Hits:
    """Compare lists with truth.

    Parameters
    ----------
    recommended : lists of ids, or int [U, n] padded with -1, or Ragged
        Best first. Short and empty lists are fine. A later copy of an item is a miss that still
        occupies its place.
    relevant : collections of ids, or int [U, m] padded with -1, or Ragged
        Truth; copies count once.
    k : int
        Places that count, >= 1.

    Raises
    ------
    InputError
        When the numbers of users differ or k < 1.

    Examples
    --------
    >>> hits = find_hits([["a", "b", "a"]], [{"a", "c"}], k=3)
    >>> hits.places, hits.relevant
    (array([[ True, False, False]]), array([2]))
    """
    check_length(k)
    shown, shown_lengths = flatten(recommended, ordered=True, name="recommended")
    truth, truth_lengths = flatten(relevant, ordered=False, name="relevant")
    if len(shown_lengths) != len(truth_lengths):
        raise InputError(
            "recommended and relevant differ in their number of users",
            expected=f"{len(shown_lengths)} rows, one a user",
            received=f"{len(truth_lengths)} rows of truth",
        )
    (shown_codes, truth_codes), n = encode(shown, truth)
    users = len(shown_lengths)
    wanted = _distinct(_pairs(_rows(truth_lengths), truth_codes, n)[truth_codes >= 0])
    rows, places = _rows(shown_lengths), _places(shown_lengths)
    counted = (places < k) & (shown_codes >= 0)
    rows, places, codes = rows[counted], places[counted], shown_codes[counted]
    pairs = _pairs(rows, codes, n)
    found = np.flatnonzero(_among(pairs, wanted))
    hit = found[np.unique(pairs[found], return_index=True)[1]]
    longest = int(shown_lengths.max(initial=1))
    matrix = np.zeros((users, min(k, longest)), dtype=np.bool_)
    matrix[rows[hit], places[hit]] = True
    return Hits(matrix, np.bincount(wanted // max(n, 1), minlength=users).astype(np.int64), k)


def check_length(k: int) -> None:
    """Refuse a list length that is not a whole number >= 1."""
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InputError("k is not a list length", expected="a whole number >= 1", received=repr(k))


def _distinct(pairs: Codes) -> Codes:
    """Sorted, each once; ``np.unique`` would hash them, which is slower."""
    ordered = np.sort(pairs)
    fresh = np.ones(len(ordered), dtype=bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    return ordered[fresh]


def _among(pairs: Codes, wanted: Codes) -> BoolArray:
    """Which pairs are wanted; both go by rows, so that the search stays near."""
    if len(wanted) == 0:
        return np.zeros(len(pairs), dtype=bool)
    nearest = np.minimum(np.searchsorted(wanted, pairs), len(wanted) - 1)
    among: BoolArray = wanted[nearest] == pairs
    return among


def _pairs(rows: Codes, codes: Codes, n: int) -> Codes:
    """One number for each (row, id): a sorted search then serves all users at once."""
    return rows * n + codes


def _rows(lengths: Codes) -> npt.NDArray[np.int64]:
    return np.repeat(np.arange(len(lengths)), lengths)


def _places(lengths: Codes) -> npt.NDArray[np.int64]:
    starts = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum())) - np.repeat(starts, lengths)
