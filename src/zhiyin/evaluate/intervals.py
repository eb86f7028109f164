"""Means with intervals by bootstrap over users; knows only one number a user.

Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13 (percentile interval). Users
are resampled with replacement; a user whose value is NaN has none and is left out and counted. The
draws depend on (seed, number of users) only: two metrics of the same users see the same resamples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zhiyin.draws import generator
from zhiyin.errors import InputError
from zhiyin.types import BoolArray, FloatArray

__all__ = [
    "Interval",
    "bootstrap_columns",
    "bootstrap_mean",
    "paired_difference",
    "resampled_means",
    "resampled_weights",
]

CHUNK = 1 << 21


@dataclass(frozen=True)
class Interval:
    """A mean over users with its confidence interval.

    ``n`` users have a value; ``missing`` are left out for want of one; ``level`` of the interval;
    ``p`` is the two-sided bootstrap p-value of a mean of zero (Efron & Tibshirani, section 15.4), of
    interest for differences. All numbers are NaN when ``n`` is 0.

    Examples
    --------
    >>> print(Interval(0.1234, 0.1011, 0.1459, n=120))
    0.123 [0.101, 0.146]
    """

    mean: float
    low: float
    high: float
    n: int
    missing: int = 0
    level: float = 0.95
    p: float = math.nan

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero; False without users."""
        return self.low > 0.0 or self.high < 0.0

    def to_dict(self) -> dict[str, float | int | None]:
        """Mean, ends and numbers of users, ready for JSON; NaN becomes None."""
        numbers = {"mean": self.mean, "low": self.low, "high": self.high}
        plain = {name: None if math.isnan(value) else value for name, value in numbers.items()}
        return {**plain, "n": self.n, "missing": self.missing}

    def __str__(self) -> str:
        # + 0.0 turns a rounded -0.0 into 0.0.
        mean, low, high = (round(value, 3) + 0.0 for value in (self.mean, self.low, self.high))
        return f"{mean:.3f} [{low:.3f}, {high:.3f}]"


def bootstrap_mean(
    values: npt.ArrayLike, *, samples: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """Take the mean over users and its percentile bootstrap interval.

    Parameters
    ----------
    values : float [U]
        One number a user; NaN: the user has none.
    samples : int
        Resamples, >= 1.
    seed : int
        Seed of the draws.
    level : float
        Share of resampled means inside the interval, in (0, 1).

    Raises
    ------
    InputError
        When values are not one finite number (or NaN) a user, or a parameter is out of range.

    Examples
    --------
    >>> interval = bootstrap_mean([0.0, 1.0, 1.0, float("nan")])
    >>> round(interval.mean, 3), interval.n, interval.missing
    (0.667, 3, 1)
    """
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1:
        raise InputError(
            "values must be one number a user", expected="shape [U]", received=f"shape {column.shape}"
        )
    return bootstrap_columns(column[:, None], samples=samples, seed=seed, level=level)[0]


def paired_difference(
    a: npt.ArrayLike, b: npt.ArrayLike, *, samples: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """Take the mean of a - b over the users who have both, and its bootstrap interval.

    Pairing removes what makes users differ from each other, so small gains show. The property
    ``excludes_zero`` of the result says whether the difference is significant at 1 - level.

    Parameters
    ----------
    a, b : float [U]
        One number a user, the same users in the same order; NaN: the user has none.
    samples, seed, level
        As in ``bootstrap_mean``.

    Raises
    ------
    InputError
        When the shapes differ, or as in ``bootstrap_mean``.

    Examples
    --------
    >>> paired_difference([0.5, 0.7, 0.9], [0.4, 0.5, 0.6]).excludes_zero
    True
    """
    left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if left.shape != right.shape:
        raise InputError(
            "A paired difference needs the same users on both sides",
            expected=f"shape {left.shape}",
            received=f"shape {right.shape}",
        )
    for side in (left, right):
        _check_finite(side)
    return bootstrap_mean(left - right, samples=samples, seed=seed, level=level)


def bootstrap_columns(
    values: FloatArray, *, samples: int = 2000, seed: int = 0, level: float = 0.95
) -> tuple[Interval, ...]:
    """``bootstrap_mean`` of each column of [U, m]; columns of the same users share the resamples.

    Examples
    --------
    >>> columns = np.array([[0.0, 1.0], [1.0, 3.0]])
    >>> bootstrap_columns(columns)[1] == bootstrap_mean(columns[:, 1])
    True
    """
    if samples < 1 or not 0.0 < level < 1.0:
        raise InputError(
            "The bootstrap cannot be run this way",
            expected="samples >= 1 and 0 < level < 1",
            received=f"samples={samples}, level={level}",
        )
    _check_finite(values)
    known = ~np.isnan(values)
    results: dict[int, Interval] = {}
    for columns, users in _groups(known):
        table = np.ascontiguousarray(values[np.ix_(users, columns)])
        found = _percentiles(table, samples=samples, seed=seed, level=level)
        means = table.mean(axis=0) if len(users) else np.full(len(columns), np.nan)
        for column, mean, low, high, p in zip(columns, means, *found, strict=True):
            missing = len(values) - len(users)
            results[int(column)] = Interval(
                float(mean), float(low), float(high), len(users), missing, level, float(p)
            )
    return tuple(results[column] for column in range(values.shape[1]))


def resampled_means(values: FloatArray, *, samples: int, seed: int) -> FloatArray:
    """Means of resamples of one column without NaN, float64 [samples]."""
    n = len(values)
    return np.concatenate([weights @ values / n for weights in _weights(n, samples, seed)])


def resampled_weights(n: int, *, samples: int, seed: int, chunk: int) -> Iterator[FloatArray]:
    """How often each of n users is drawn in each resample, in parts float64 [<= chunk, n]."""
    for weights in _weights(n, samples, seed):
        for start in range(0, len(weights), chunk):
            yield weights[start : start + chunk]


def _groups(known: BoolArray) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """Columns that are known for the same users, with those users."""
    if known.shape[1] == 0:
        return
    patterns, which = np.unique(known, axis=1, return_inverse=True)
    for pattern in range(patterns.shape[1]):
        yield np.flatnonzero(which.ravel() == pattern), np.flatnonzero(patterns[:, pattern])


def _percentiles(
    table: FloatArray, *, samples: int, seed: int, level: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Lower and upper ends, and p-values, of each column."""
    n, m = table.shape
    if n == 0:
        return np.full(m, np.nan), np.full(m, np.nan), np.full(m, np.nan)
    # Deviations from the mean keep a constant column exactly constant.
    centre = table.mean(axis=0)
    deviations = table - centre
    means = np.concatenate([weights @ deviations / n for weights in _weights(n, samples, seed)])
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail], axis=0)
    # A mean of resampled values lies among the values; rounding must not carry it below zero.
    least, most = table.min(axis=0), table.max(axis=0)
    # The smaller share of resampled means on one side of zero, twice; one more counts as drawn, so that
    # no finite number of draws claims certainty.
    sides = [np.count_nonzero(side, axis=0) for side in (means <= -centre, means >= -centre)]
    p = np.minimum(2.0 * (np.minimum(*sides) + 1) / (samples + 1), 1.0)
    return np.clip(low + centre, least, most), np.clip(high + centre, least, most), p


def _weights(n: int, samples: int, seed: int) -> Iterator[FloatArray]:
    """How often each user is drawn in each resample: multinomial counts, in chunks [c, n]."""
    rng = generator(seed, n, stream="bootstrap")
    size = max(1, CHUNK // n)
    for start in range(0, samples, size):
        rows = min(size, samples - start)
        drawn = rng.integers(0, n, size=(rows, n)) + np.arange(rows)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


def _check_finite(values: FloatArray) -> None:
    infinite = int(np.isinf(values).sum())
    if infinite:
        raise InputError(
            "Values must be finite", expected="numbers, or NaN for none", received=f"{infinite} infinite"
        )
