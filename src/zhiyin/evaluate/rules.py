"""Trivial rules for pointwise prediction: what any model must beat; knows ids and labels only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from zhiyin.errors import InputError
from zhiyin.types import FloatArray

__all__ = ["pointwise_rules", "share_of_likes"]

POINTWISE_RULES = ("user mean", "item mean", "user mean + item mean")


def pointwise_rules(
    users: npt.ArrayLike,
    items: npt.ArrayLike,
    labels: npt.ArrayLike,
    test_users: npt.ArrayLike,
    test_items: npt.ArrayLike,
    *,
    strength: float = 5.0,
) -> dict[str, FloatArray]:
    """Scores of test examples by the means of train labels, drawn towards the mean of all.

    Each mean is (sum of labels + strength · overall mean) / (count + strength); the sum of both means
    leaves the overall mean out once. What train does not know has the overall mean.

    Parameters
    ----------
    users, items, labels : [n]
        Of train; labels are numbers.
    test_users, test_items : [m]
    strength : float
        Examples' worth of the overall mean, >= 0.

    Returns
    -------
    dict
        "user mean", "item mean", "user mean + item mean": float64 [m].

    Examples
    --------
    >>> train = (["a", "a", "b"], ["x", "y", "x"], [1, 1, 0])
    >>> found = pointwise_rules(*train, ["a", "c"], ["z", "x"], strength=1)
    >>> found["user mean"].round(3)
    array([0.889, 0.667])
    """
    truth = np.asarray(labels, dtype=np.float64)
    if len(truth) == 0 or strength < 0:
        raise InputError("The rules need train labels and strength >= 0", received=f"{len(truth)} labels")
    centre = float(truth.mean())
    by_user = _means(np.asarray(users), truth, np.asarray(test_users), centre, strength)
    by_item = _means(np.asarray(items), truth, np.asarray(test_items), centre, strength)
    return dict(zip(POINTWISE_RULES, (by_user, by_item, by_user + by_item - centre), strict=True))


def share_of_likes(likes: Sequence[int], dislikes: Sequence[int], *, strength: float = 1.0) -> FloatArray:
    """Share of likes in each example's own history, (likes + strength) / (likes + dislikes + 2 strength).

    Needs no training: a user who likes much will like the next one too.

    Examples
    --------
    >>> share_of_likes([3, 0], [1, 0]).round(3)
    array([0.667, 0.5  ])
    """
    good, bad = np.asarray(likes, dtype=np.float64), np.asarray(dislikes, dtype=np.float64)
    share: FloatArray = (good + strength) / (good + bad + 2.0 * strength)
    return share


def _means(
    ids: npt.NDArray[np.generic],
    labels: FloatArray,
    asked: npt.NDArray[np.generic],
    centre: float,
    strength: float,
) -> FloatArray:
    known, codes = np.unique(ids, return_inverse=True)
    sums = np.bincount(codes, weights=labels) + strength * centre
    means = sums / np.maximum(np.bincount(codes) + strength, 1e-300)
    at = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return np.where(known[at] == asked, means[at], centre)
