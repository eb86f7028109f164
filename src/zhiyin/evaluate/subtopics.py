"""Lists that should cover many topics, and soon; knows topics of items, not who made the list.

``subtopics`` maps an item to its topics, for all users alike, or is a sequence of such mappings, one a
user. With one that holds a user's relevant items only, the metrics are gated by relevance. A later copy
of an item covers nothing and still takes a place.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from zhiyin.errors import InputError
from zhiyin.evaluate.hits import check_length
from zhiyin.evaluate.identifiers import IdLists
from zhiyin.types import Array, BoolArray, FloatArray, Ragged

__all__ = ["Subtopics", "alpha_ndcg", "err_ia", "subtopic_recall"]

Topics: TypeAlias = Mapping[Any, Collection[Any]]
Subtopics: TypeAlias = Topics | Sequence[Topics]


def alpha_ndcg(recommended: IdLists, subtopics: Subtopics, k: int, alpha: float = 0.5) -> FloatArray:
    """NDCG in which a topic that was covered r times before is worth (1 - α)^r.

    The ideal list is made greedily from the user's items, as is usual: the best one is NP-hard to find.

    Parameters
    ----------
    recommended : lists of ids a user, or int [U, n] padded with -1, or Ragged
    subtopics : mapping of item -> topics, or one a user
    k : int
        Places that count, >= 1.
    alpha : float
        How little a repeated topic is worth, in [0, 1]: 1.0 counts each topic once.

    Returns
    -------
    float64 [U]
        In [0, 1], or a little above where the greedy ideal is beaten; NaN for a user without topics.

    Raises
    ------
    InputError
        When the numbers of users differ or a parameter is out of range.

    Notes
    -----
    Clarke et al. 2008, "Novelty and diversity in information retrieval evaluation", section 4.

    Examples
    --------
    >>> topics = {"a": {"tea"}, "b": {"tea"}, "c": {"toys"}}
    >>> alpha_ndcg([["a", "c"], ["a", "b"]], topics, k=2).round(4)
    array([1.    , 0.8066])
    """
    ideals: dict[int, float] = {}
    found = []
    for one in _users(recommended, subtopics, k, alpha):
        if id(one.topics) not in ideals:
            ideals[id(one.topics)] = _ideal(one.topics, k, alpha)
        ideal = ideals[id(one.topics)]
        found.append(_gain(one.covers, alpha) / ideal if ideal > 0 else np.nan)
    return np.array(found, dtype=np.float64)


def err_ia(recommended: IdLists, subtopics: Subtopics, k: int, alpha: float = 0.5) -> FloatArray:
    """Expected reciprocal rank, averaged over the topics a user may have in mind.

    Sum over topics t of 1/|T| · sum over places j of (1/j) α J(j, t) (1 - α)^(places before that cover t):
    a reader of topic t stops at a place that covers it with probability α.

    Parameters
    ----------
    recommended, subtopics, k : as in ``alpha_ndcg``
    alpha : float
        Probability that a relevant item satisfies, in [0, 1].

    Returns
    -------
    float64 [U]
        In [0, 1); NaN for a user without topics.

    Notes
    -----
    Chapelle et al. 2011, "Intent-based diversification of web search results: metrics and algorithms",
    eq. 5, with all topics alike and one grade of relevance.

    Examples
    --------
    >>> err_ia([["a", "c"]], {"a": {"tea"}, "c": {"toys"}}, k=2)
    array([0.375])
    """
    found = []
    for one in _users(recommended, subtopics, k, alpha):
        before = _before(one.covers)
        stops = one.covers * alpha * (1.0 - alpha) ** before
        total = (stops.sum(axis=1) / np.arange(1, len(stops) + 1)).sum()
        found.append(total / one.n_topics if one.n_topics else np.nan)
    return np.array(found, dtype=np.float64)


def subtopic_recall(recommended: IdLists, subtopics: Subtopics, k: int) -> FloatArray:
    """Share of the user's topics that the first k places cover.

    Returns
    -------
    float64 [U]
        In [0, 1]; NaN for a user without topics.

    Notes
    -----
    Zhai, Cohen & Lafferty 2003, "Beyond independent relevance", section 3 (S-recall).

    Examples
    --------
    >>> subtopic_recall([["a"]], {"a": {"tea"}, "c": {"toys"}}, k=2)
    array([0.5])
    """
    users = _users(recommended, subtopics, k, 0.5)
    found = [one.covers.any(axis=0).sum() / one.n_topics if one.n_topics else np.nan for one in users]
    return np.array(found, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class _User:
    """``covers`` bool [k, T]: which places cover which topic for the first time by this item."""

    covers: BoolArray
    n_topics: int
    topics: Topics


def _users(recommended: IdLists, subtopics: Subtopics, k: int, alpha: float) -> list[_User]:
    check_length(k)
    if not 0 <= alpha <= 1:
        raise InputError("alpha is out of range", expected="in [0, 1]", received=str(alpha))
    rows = _rows(recommended)
    each = [subtopics] * len(rows) if isinstance(subtopics, Mapping) else list(subtopics)
    if len(each) != len(rows):
        raise InputError(
            "recommended and subtopics differ in their number of users",
            expected=f"{len(rows)} mappings, or one for all",
            received=str(len(each)),
        )
    numbers: dict[int, dict[Hashable, int]] = {}
    found = []
    for row, topics in zip(rows, each, strict=True):
        if id(topics) not in numbers:
            names = dict.fromkeys(topic for one in topics.values() for topic in one)
            numbers[id(topics)] = {name: place for place, name in enumerate(names)}
        found.append(
            _User(_covers(row[:k], topics, numbers[id(topics)], k), len(numbers[id(topics)]), topics)
        )
    return found


def _covers(row: Sequence[Any], topics: Topics, numbers: dict[Hashable, int], k: int) -> BoolArray:
    covers: BoolArray = np.zeros((k, len(numbers)), dtype=bool)
    seen: set[Any] = set()
    for place, item in enumerate(row):
        if item in seen:
            continue
        seen.add(item)
        covers[place, [numbers[topic] for topic in topics.get(item, ())]] = True
    return covers


def _before(covers: BoolArray) -> FloatArray:
    """How many earlier places cover each topic, [k, T]."""
    return (np.cumsum(covers, axis=0) - covers).astype(np.float64)


def _gain(covers: BoolArray, alpha: float) -> float:
    gains = (covers * (1.0 - alpha) ** _before(covers)).sum(axis=1)
    return float((gains / np.log2(np.arange(2, len(gains) + 2))).sum())


def _ideal(topics: Topics, k: int, alpha: float) -> float:
    """Gain of the greedy list of at most k of the items."""
    names = dict.fromkeys(topic for one in topics.values() for topic in one)
    numbers = {name: place for place, name in enumerate(names)}
    table = np.zeros((len(topics), len(numbers)))
    for row, one in enumerate(topics.values()):
        table[row, [numbers[topic] for topic in one]] = 1.0
    worth = np.ones(len(numbers))
    total, left = 0.0, np.ones(len(topics), dtype=bool)
    for place in range(min(k, len(topics))):
        gains = np.where(left, table @ worth, -1.0)
        best = int(gains.argmax())
        total += gains[best] / np.log2(place + 2)
        left[best] = False
        worth *= (1.0 - alpha) ** table[best]
    return total


def _rows(recommended: IdLists) -> list[list[Any]]:
    if isinstance(recommended, Ragged):
        return [row.tolist() for row in recommended.lists()]
    if isinstance(recommended, np.ndarray):
        return [[item for item in row if item != -1] for row in recommended.tolist()]
    rows: list[Array | list[Any]] = list(recommended)  # type: ignore[arg-type]
    return [list(row) for row in rows]
