"""How lists spread over the catalogue; knows no truth, no vectors and no model."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from zhiyin.errors import InputError
from zhiyin.evaluate.hits import check_length, find_hits
from zhiyin.evaluate.identifiers import Codes, Flat, IdLists, encode, flatten, integral
from zhiyin.types import FloatArray, IntArray

__all__ = [
    "catalogue_coverage",
    "exposure_curve",
    "exposure_gini",
    "long_tail_share",
    "novelty",
    "serendipity",
    "temporal_diversity",
]

HEAD = 0.2


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


def exposure_curve(items: IntArray, n_items: int, *, points: int = 60) -> dict[str, list[Any]]:
    """Share of all places that the most shown items take, at some numbers of items.

    Parameters
    ----------
    items : int32 [U, k]
        Indices, -1 pads.
    n_items : int
        Size of the catalogue, >= 1.
    points : int
        At most so many, denser at the head.

    Returns
    -------
    dict
        "items": numbers of items, ascending; "share": their share of all places, ascending to 1.

    Examples
    --------
    >>> exposure_curve(np.array([[0, 1], [0, 2]]), 4)
    {'items': [1, 2, 3, 4], 'share': [0.5, 0.75, 1.0, 1.0]}
    """
    counts = np.sort(np.bincount(items[items >= 0], minlength=n_items))[::-1]
    curve = np.cumsum(counts) / max(counts.sum(), 1)
    ranks = np.unique(np.geomspace(1, n_items, points).round().astype(int))
    return {"items": ranks.tolist(), "share": [round(float(curve[rank - 1]), 4) for rank in ranks]}


def novelty(recommended: IdLists, popularity: Mapping[Any, float] | FloatArray, k: int) -> FloatArray:
    """Mean surprise of the shown items: -mean log2 popularity, in bits.

    Parameters
    ----------
    recommended : lists of ids a user, or int [U, n] padded with -1, or Ragged
    popularity : mapping of id -> share of users, or float [n_items]
        In (0, 1]: add one to the counts of items that nobody took.
    k : int
        Places that count, >= 1.

    Returns
    -------
    float64 [U]
        >= 0; NaN for an empty list.

    Raises
    ------
    InputError
        When an item has no popularity, or one out of range.

    Notes
    -----
    Zhou et al. 2010, "Solving the apparent diversity-accuracy dilemma of recommender systems",
    section "self-information".

    Examples
    --------
    >>> novelty([["a", "b"], []], {"a": 0.5, "b": 0.125}, k=2)
    array([ 2., nan])
    """
    values, rows, users = _looked_up(recommended, popularity, k)
    if len(values) and not ((values > 0) & (values <= 1)).all():
        raise InputError(
            "A popularity is out of range",
            expected="in (0, 1]",
            received=f"{values.min()} … {values.max()}",
            hint="Add one to each item's count before dividing by the number of users.",
        )
    return _means(-np.log2(values), rows, users)


def long_tail_share(
    recommended: IdLists, popularity: Mapping[Any, float] | FloatArray, k: int, *, head: float = HEAD
) -> FloatArray:
    """Share of the shown items that are not among the most popular ones.

    Parameters
    ----------
    recommended, popularity, k : as in ``novelty``
        Popularity on any scale; of the whole catalogue.
    head : float
        Share of the catalogue that is the head, in (0, 1); equal popularity goes by the order given.

    Returns
    -------
    float64 [U]
        In [0, 1]; NaN for an empty list.

    Notes
    -----
    Abdollahpouri, Burke & Mobasher 2019, "Managing popularity bias in recommender systems with
    personalized re-ranking", section 4 (average percentage of long tail items).

    Examples
    --------
    >>> long_tail_share(np.array([[0, 3], [3, 4]]), np.array([9.0, 1, 1, 1, 1]), k=2)
    array([0.5, 1. ])
    """
    if not 0 < head < 1:
        raise InputError("head is out of range", expected="in (0, 1)", received=str(head))
    counts = np.array(list(popularity.values())) if isinstance(popularity, Mapping) else popularity
    order = np.argsort(-np.asarray(counts, dtype=np.float64), kind="stable")
    tail = np.ones(len(order))
    tail[order[: int(np.ceil(head * len(order)))]] = 0.0
    marks = dict(zip(popularity, tail.tolist(), strict=True)) if isinstance(popularity, Mapping) else tail
    return _means(*_looked_up(recommended, marks, k))


def serendipity(recommended: IdLists, relevant: IdLists, expected: IdLists, k: int) -> FloatArray:
    """Share of the k places that hold a relevant item which a plain method would not have shown.

    Parameters
    ----------
    recommended, relevant : as in ``ranking.precision``
    expected : lists of ids a user
        What a primitive method shows (popular items, say); its first k places count.
    k : int
        Places that count, >= 1.

    Returns
    -------
    float64 [U]
        In [0, 1]; NaN without truth.

    Notes
    -----
    Ge, Delgado-Battenfeld & Jannach 2010, "Beyond accuracy", section 3.2, with binary usefulness.

    Examples
    --------
    >>> serendipity([["a", "b"]], [["a", "b"]], [["b", "c"]], k=2)
    array([0.5])
    """
    good = find_hits(recommended, relevant, k)
    plain = find_hits(recommended, _first(expected, k), k)
    share = (good.places & ~plain.places).sum(axis=1) / k
    return np.where(good.relevant > 0, share, np.nan)


def temporal_diversity(current: IdLists, previous: IdLists, k: int) -> FloatArray:
    """Share of the k places that changed since the last list: 1 - |L_t ∩ L_(t-1)| / k.

    Returns
    -------
    float64 [U]
        In [0, 1]; empty places count as changed; NaN where there was no list before.

    Notes
    -----
    Lathia, Hailes, Capra & Amatriain 2010, "Temporal diversity in recommender systems", section 4.1.

    Examples
    --------
    >>> temporal_diversity([["a", "b"]], [["b", "c"]], k=2)
    array([0.5])
    """
    same = find_hits(current, _first(previous, k), k)
    return np.where(same.relevant > 0, 1.0 - same.places.sum(axis=1) / k, np.nan)


def _first(lists: IdLists, k: int) -> IdLists:
    """The first k places of each list."""
    if isinstance(lists, np.ndarray) and lists.ndim == 2:
        return lists[:, :k]
    rows = lists.lists() if hasattr(lists, "lists") else lists
    return [list(row)[:k] for row in rows]


def _looked_up(
    recommended: IdLists, table: Mapping[Any, float] | FloatArray, k: int
) -> tuple[FloatArray, Codes, int]:
    """The value and the row of each shown item among the first k places, and the number of rows."""
    check_length(k)
    shown, lengths = flatten(recommended, ordered=True, name="recommended")
    rows = np.repeat(np.arange(len(lengths)), lengths)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    near = places < k
    if isinstance(table, Mapping):
        ids = [one for one, close in zip(shown, near, strict=True) if close and one != -1]
        unknown = next((one for one in ids if one not in table), None)
        values = np.array([table.get(one, np.nan) for one in ids], dtype=np.float64)
        present = np.array([one != -1 for one in shown], dtype=bool)
    else:
        codes = np.asarray(shown, dtype=np.int64)
        present = codes >= 0
        wanted = codes[near & present]
        unknown = next(iter(wanted[wanted >= len(table)].tolist()), None)
        values = np.asarray(table, dtype=np.float64)[np.minimum(wanted, max(len(table) - 1, 0))]
    if unknown is not None:
        raise InputError("A shown item is not in the table", expected="all items", received=repr(unknown))
    return values, rows[near & present], len(lengths)


def _means(values: FloatArray, rows: Codes, users: int) -> FloatArray:
    counts = np.bincount(rows, minlength=users)
    sums = np.bincount(rows, weights=values, minlength=users)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


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
