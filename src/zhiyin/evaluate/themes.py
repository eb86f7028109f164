"""α-nDCG where each item has one topic: for many users at once, and with an exact ideal."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from zhiyin.evaluate.hits import find_hits
from zhiyin.types import FloatArray, IntArray, Ragged

__all__ = ["alpha_ndcg_of_themes"]


def alpha_ndcg_of_themes(
    items: IntArray, relevant: Ragged, themes: npt.ArrayLike, k: int, alpha: float = 0.5
) -> FloatArray:
    """``subtopics.alpha_ndcg`` with the themes of each user's relevant items as topics.

    With one topic an item, the greedy ideal is the best one: of each theme the items are worth
    1, 1-α, (1-α)², …, and the k largest of all come first.

    Parameters
    ----------
    items : int [U, n]
        Indices, -1 pads.
    relevant : Ragged
        Of U rows, each item once.
    themes : int [n_items]
        From ``catalogue_clusters``; an item of theme -1, or beyond the end, is worth nothing.
    k : int
        Places that count, >= 1.
    alpha : float
        In [0, 1].

    Returns
    -------
    float64 [U]
        In [0, 1]; NaN for a user whose relevant items have no theme.

    Examples
    --------
    >>> truth = Ragged.from_lists([[0, 1, 2]])
    >>> alpha_ndcg_of_themes(np.array([[0, 1]]), truth, [0, 0, 1], k=2).round(4)
    array([0.8066])
    """
    labels = np.append(np.asarray(themes, dtype=np.int64), -1)
    last = len(labels) - 1
    hits = find_hits(items, relevant, k).places
    shown = labels[np.where(items[:, : hits.shape[1]] < 0, last, np.minimum(items, last)[:, : hits.shape[1]])]
    good = hits & (shown >= 0)
    same = (shown[:, :, None] == shown[:, None, :]) & good[:, None, :]
    before = np.tril(same, -1).sum(axis=2)
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    gains = (good * (1.0 - alpha) ** before * discounts[: good.shape[1]]).sum(axis=1)
    wanted = labels[np.minimum(relevant.items, last)]
    ideals = _ideals(relevant.rows[wanted >= 0], wanted[wanted >= 0], len(relevant), alpha, discounts)
    return np.where(ideals > 0, gains / np.maximum(ideals, 1e-300), np.nan)


def _ideals(
    rows: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    users: int,
    alpha: float,
    discounts: FloatArray,
) -> FloatArray:
    """The largest possible gain of each user."""
    order = np.lexsort((labels, rows))
    rows, labels = rows[order], labels[order]
    worth = (1.0 - alpha) ** _rank(rows * (labels.max(initial=0) + 1) + labels)
    order = np.lexsort((-worth, rows))
    place = _rank(rows[order])
    near = place < len(discounts)
    weights = worth[order][near] * discounts[place[near]]
    ideals: FloatArray = np.bincount(rows[order][near], weights=weights, minlength=users).astype(np.float64)
    return ideals


def _rank(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many equal keys come before each; equal keys stand together."""
    fresh = np.ones(len(keys), dtype=bool)
    fresh[1:] = keys[1:] != keys[:-1]
    starts = np.flatnonzero(fresh)
    return np.arange(len(keys)) - np.repeat(starts, np.diff(np.append(starts, len(keys))))
