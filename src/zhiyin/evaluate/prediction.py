"""How well numbers predict labels, example by example; knows no lists and no model.

``labels`` and ``scores`` are one number an example, [n]; every metric is one float over all
examples except ``user_auc``. Intervals must be clustered by user: ``intervals.bootstrap_users``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy

from zhiyin.errors import InputError
from zhiyin.evaluate.labels import binary, probabilities, ratings
from zhiyin.types import BoolArray, FloatArray

__all__ = [
    "CalibrationCurve",
    "accuracy",
    "auc",
    "calibration_curve",
    "calibration_error",
    "f1",
    "log_loss",
    "mae",
    "mse",
    "precision",
    "recall",
    "rmse",
    "user_auc",
]

SMALLEST = 1e-15


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Probability that a random positive scores above a random negative; ties count one half.

    Parameters
    ----------
    labels : 0 or 1, [n]
    scores : float [n]
        Of any scale; only their order counts.

    Returns
    -------
    float
        In [0, 1]; NaN when one of the two classes is missing.

    Raises
    ------
    InputError
        When a label is not 0 or 1, a score is not finite, or the lengths differ.

    Notes
    -----
    Hanley & McNeil 1982, "The meaning and use of the area under a ROC curve": the Wilcoxon statistic.

    Examples
    --------
    >>> auc([1, 0, 1, 0], [0.9, 0.8, 0.8, 0.1])
    0.875
    """
    truth, found = binary(labels, scores)
    return float(areas_of(np.zeros(len(truth), np.int64), truth, found)[0])


def user_auc(users: npt.ArrayLike, labels: npt.ArrayLike, scores: npt.ArrayLike) -> FloatArray:
    """``auc`` within each user, for the users who have both classes.

    Parameters
    ----------
    users : ids [n]
        Whose example it is; strings or integers.
    labels, scores : as in ``auc``

    Returns
    -------
    float64 [users with both classes]
        In the order of ``np.unique(users)``. Its mean weighs each user alike.

    Raises
    ------
    InputError
        As in ``auc``.

    Examples
    --------
    >>> user_auc(["a", "a", "b", "b", "c"], [1, 0, 0, 1, 1], [0.9, 0.1, 0.8, 0.2, 0.5])
    array([1., 0.])
    """
    truth, found = binary(labels, scores)
    names = np.asarray(users)
    if names.shape != truth.shape:
        raise InputError(
            "users and labels differ in length", expected=f"{len(truth)} users", received=str(names.shape)
        )
    areas = areas_of(np.unique(names, return_inverse=True)[1], truth, found)
    return areas[~np.isnan(areas)]


def areas_of(group: npt.NDArray[np.int64], truth: BoolArray, scores: FloatArray) -> FloatArray:
    """Area of each group from mean ranks; NaN where a class is missing."""
    order = np.lexsort((scores, group))
    group, truth, scores = group[order], truth[order], scores[order]
    fresh = np.ones(len(group), dtype=bool)
    fresh[1:] = (group[1:] != group[:-1]) | (scores[1:] != scores[:-1])
    starts = np.flatnonzero(fresh)
    ends = np.append(starts[1:], len(group))
    rank = np.repeat((starts + ends - 1) / 2.0, ends - starts)  # equal scores share their mean rank
    size = np.bincount(group)
    positives = np.bincount(group, weights=truth)
    rank -= (np.cumsum(size) - size)[group]
    above = np.bincount(group, weights=rank * truth) - positives * (positives - 1) / 2.0
    pairs = positives * (size - positives)
    return np.where(pairs > 0, above / np.maximum(pairs, 1.0), np.nan)


def mse(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Mean of (label - score)².

    Examples
    --------
    >>> mse([1.0, 3.0], [1.0, 5.0])
    2.0
    """
    truth, found = ratings(labels, scores)
    return float(np.mean((truth - found) ** 2))


def rmse(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Root of ``mse``.

    Examples
    --------
    >>> rmse([1.0, 3.0], [3.0, 5.0])
    2.0
    """
    return float(np.sqrt(mse(labels, scores)))


def mae(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Mean of |label - score|.

    Examples
    --------
    >>> mae([1.0, 3.0], [1.0, 5.0])
    1.0
    """
    truth, found = ratings(labels, scores)
    return float(np.mean(np.abs(truth - found)))


def log_loss(labels: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Mean of -(y ln p + (1 - y) ln(1 - p)), in nats.

    Probabilities are kept ``SMALLEST`` away from 0 and 1, so that one certain error is a large number
    and not infinity.

    Examples
    --------
    >>> round(log_loss([1, 0], [0.5, 0.5]), 4)
    0.6931
    """
    truth, found = probabilities(labels, scores)
    p = np.clip(found, SMALLEST, 1.0 - SMALLEST)
    return float(-np.mean(xlogy(truth, p) + xlogy(~truth, 1.0 - p)))


@dataclass(frozen=True, eq=False)
class CalibrationCurve:
    """Bins of predicted probability that are not empty: ``predicted`` and ``observed`` means, ``count``."""

    predicted: FloatArray
    observed: FloatArray
    count: npt.NDArray[np.int64]


def calibration_curve(labels: npt.ArrayLike, scores: npt.ArrayLike, *, bins: int = 10) -> CalibrationCurve:
    """Mean prediction and share of positives in bins of equal width over [0, 1].

    Examples
    --------
    >>> calibration_curve([1, 0, 1], [0.95, 0.05, 1.0]).observed
    array([0., 1.])
    """
    truth, found = probabilities(labels, scores)
    if bins < 1:
        raise InputError("bins is too small", expected=">= 1", received=str(bins))
    which = np.minimum((found * bins).astype(np.int64), bins - 1)
    count = np.bincount(which, minlength=bins)
    used = count > 0
    sums = [np.bincount(which, weights=column, minlength=bins)[used] for column in (found, truth)]
    return CalibrationCurve(sums[0] / count[used], sums[1] / count[used], count[used])


def calibration_error(labels: npt.ArrayLike, scores: npt.ArrayLike, *, bins: int = 10) -> float:
    """Expected calibration error: mean over examples of |observed - predicted| of their bin.

    Notes
    -----
    Naeini, Cooper & Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning",
    with bins of equal width.

    Examples
    --------
    >>> round(calibration_error([1, 0, 0, 0], [0.5, 0.5, 0.5, 0.5]), 4)
    0.25
    """
    curve = calibration_curve(labels, scores, bins=bins)
    return float((curve.count * np.abs(curve.observed - curve.predicted)).sum() / curve.count.sum())


def accuracy(labels: npt.ArrayLike, scores: npt.ArrayLike, *, threshold: float = 0.5) -> float:
    """Share of examples on the right side of the threshold; a score at it counts as positive.

    Examples
    --------
    >>> accuracy([1, 0, 0], [0.7, 0.5, 0.1]).__round__(4)
    0.6667
    """
    truth, found = binary(labels, scores)
    return float(np.mean((found >= threshold) == truth))


def precision(labels: npt.ArrayLike, scores: npt.ArrayLike, *, threshold: float = 0.5) -> float:
    """Share of positives among the examples at or above the threshold; NaN where there are none.

    Examples
    --------
    >>> precision([1, 0, 0], [0.7, 0.5, 0.1])
    0.5
    """
    hits, called, _ = _counts(labels, scores, threshold)
    return hits / called if called else float("nan")


def recall(labels: npt.ArrayLike, scores: npt.ArrayLike, *, threshold: float = 0.5) -> float:
    """Share of the positives at or above the threshold; NaN without positives.

    Examples
    --------
    >>> recall([1, 1, 0], [0.7, 0.4, 0.1])
    0.5
    """
    hits, _, positives = _counts(labels, scores, threshold)
    return hits / positives if positives else float("nan")


def f1(labels: npt.ArrayLike, scores: npt.ArrayLike, *, threshold: float = 0.5) -> float:
    """Harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN); NaN without any positive.

    Examples
    --------
    >>> f1([1, 1, 0], [0.7, 0.4, 0.1]).__round__(4)
    0.6667
    """
    hits, called, positives = _counts(labels, scores, threshold)
    return 2 * hits / (called + positives) if called + positives else float("nan")


def _counts(labels: npt.ArrayLike, scores: npt.ArrayLike, threshold: float) -> tuple[int, int, int]:
    truth, found = binary(labels, scores)
    called = found >= threshold
    return int((called & truth).sum()), int(called.sum()), int(truth.sum())
