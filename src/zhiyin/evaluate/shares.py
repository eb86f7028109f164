"""Labels of listed items as shares: how much of each list belongs to each category; knows no metric.

Each place weighs alike and spreads evenly over its labels; a place without a label counts for nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse

from zhiyin.errors import InputError
from zhiyin.types import Array, IntArray

__all__ = ["Categories", "Vocabulary", "item_shares", "list_shares", "normalised"]

Categories: TypeAlias = Sequence[Sequence[Any]]
"""U lists of k label lists; a place may also be a single label, or None."""
Vocabulary: TypeAlias = dict[Hashable, int]


def list_shares(categories: Categories, vocabulary: Vocabulary, *, name: str) -> sparse.csr_array:
    """Share of each category in each list, float64 [U, len(vocabulary)]; rows sum to 1 or are empty.

    Parameters
    ----------
    categories : Categories
    vocabulary : dict
        Label -> column; labels that it lacks are added to it.
    name : str
        What the caller calls them, for messages.

    Examples
    --------
    >>> list_shares([[["tea", "red"], "tea"], []], {}, name="categories").toarray()
    array([[0.75, 0.25], [0.  , 0.  ]])
    """
    rows: list[int] = []
    columns: list[int] = []
    weights: list[float] = []
    if isinstance(categories, str):
        raise InputError(f"{name} is one string", expected="a list of label lists for each user")
    for row, places in enumerate(categories):
        if isinstance(places, str) or not isinstance(places, Iterable):
            raise InputError(
                f"{name} holds a row that is not a list of label lists",
                expected="one list of labels for each place",
                received=repr(places)[:60],
            )
        for place in places:
            labels = _labels(place)
            rows += [row] * len(labels)
            columns += [vocabulary.setdefault(label, len(vocabulary)) for label in labels]
            weights += [1.0 / max(len(labels), 1)] * len(labels)
    return normalised(sparse.csr_array((weights, (rows, columns)), shape=(len(categories), len(vocabulary))))


def item_shares(items: IntArray, membership: sparse.csr_array) -> sparse.csr_array:
    """``list_shares`` of lists of item indices.

    Parameters
    ----------
    items : int [U, n]
        Padded with -1.
    membership : csr float [n_items, C]
        Share of each category in each item; rows sum to 1, or are empty where an item has none.
    """
    users, n = items.shape
    flat = items.ravel()
    shown = flat >= 0
    rows = np.repeat(np.arange(users), n)[shown]
    chosen = sparse.csr_array((np.ones(len(rows)), (rows, flat[shown])), shape=(users, membership.shape[0]))
    return normalised(chosen @ membership)


def _labels(place: Any) -> tuple[Hashable, ...]:
    if place is None:
        return ()
    if isinstance(place, str) or not isinstance(place, Iterable):
        return (place,)
    return tuple(dict.fromkeys(place))


def normalised(shares: sparse.csr_array) -> sparse.csr_array:
    """Rows scaled to the sum 1."""
    shares.sum_duplicates()
    totals: Array = np.asarray(shares.sum(axis=1)).ravel()
    scale = np.divide(1.0, totals, out=np.zeros(len(totals)), where=totals > 0)
    shares.data = shares.data * np.repeat(scale, np.diff(shares.indptr))
    return shares
