"""Predictions of several systems for the same examples, side by side, with intervals clustered by user.

A user's examples are alike, so users are resampled, not examples (Field & Welsh 2007, "Bootstrapping
clustered data"); systems share the resamples, so that differences are paired. Knows scores, no model.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zhiyin.errors import InputError
from zhiyin.evaluate.intervals import Interval, resampled_weights
from zhiyin.evaluate.labels import binary
from zhiyin.evaluate.multiplicity import holm
from zhiyin.evaluate.prediction import SMALLEST, CalibrationCurve, areas_of, calibration_curve
from zhiyin.types import BoolArray, FloatArray

__all__ = ["PredictionTable", "evaluate_predictions"]

BINS = 10
Statistic = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, eq=False)
class PredictionTable:
    """What ``evaluate_predictions`` found; mappings go from the system's name to the metric's.

    ``intervals`` of "auc", "user_auc" and, for probabilities, "log_loss" and "calibration_error";
    ``differences`` paired with ``baseline``, system minus baseline; ``adjusted`` their p-values (Holm);
    ``calibration``: the curve of each system that gives probabilities.
    """

    examples: int
    users: int
    users_with_both: int
    baseline: str
    seed: int
    intervals: Mapping[str, Mapping[str, Interval]]
    differences: Mapping[str, Mapping[str, Interval]]
    adjusted: Mapping[str, Mapping[str, float]]
    calibration: Mapping[str, CalibrationCurve]

    def __str__(self) -> str:
        """Each system's metrics with intervals, a line each."""
        lines = [f"{self.examples} examples of {self.users} users, {self.users_with_both} with both labels"]
        for name, found in self.intervals.items():
            cells = ", ".join(f"{metric} {one}" for metric, one in found.items())
            lines.append(f"{name}{' (baseline)' if name == self.baseline else ''}: {cells}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Give everything, ready for JSON."""
        plain = {
            name: {metric: one.to_dict() for metric, one in found.items()}
            for name, found in self.intervals.items()
        }
        gains = {
            name: {
                metric: {
                    **one.to_dict(),
                    "p": _plain(one.p),
                    "p_adjusted": _plain(self.adjusted[name][metric]),
                }
                for metric, one in found.items()
            }
            for name, found in self.differences.items()
        }
        curves = {
            name: {
                "predicted": one.predicted.tolist(),
                "observed": one.observed.tolist(),
                "count": one.count.tolist(),
            }
            for name, one in self.calibration.items()
        }
        about = ("examples", "users", "users_with_both", "baseline", "seed")
        return {
            **{name: getattr(self, name) for name in about},
            "systems": plain,
            "differences": gains,
            "calibration": curves,
        }


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value


def evaluate_predictions(
    systems: Mapping[str, npt.ArrayLike],
    users: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    baseline: str,
    samples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> PredictionTable:
    """Measure predictions for the same examples side by side.

    Parameters
    ----------
    systems : mapping of name -> float [n]
        Scores; where all lie in [0, 1] they are also judged as probabilities.
    users : ids [n]
        Whose example each is.
    labels : 0 or 1, [n]
    baseline : str
        The system that all others are paired with; a trivial rule, to be honest.
    samples, seed, level
        Of the bootstrap over users.

    Raises
    ------
    InputError
        When the baseline is missing, or lengths, labels or scores are not as said.

    Examples
    --------
    >>> scores = {"rule": [0.5, 0.4, 0.6, 0.3], "mine": [0.9, 0.1, 0.8, 0.2]}
    >>> table = evaluate_predictions(scores, ["a", "a", "b", "b"], [1, 0, 1, 0], baseline="rule")
    >>> table.intervals["mine"]["auc"].mean, table.users_with_both
    (1.0, 2)
    """
    if baseline not in systems:
        raise InputError(
            f"The baseline {baseline!r} is not among the systems",
            expected=", ".join(systems),
            received=baseline,
        )
    if samples < 1 or not 0 < level < 1:
        raise InputError(
            "The bootstrap cannot be drawn",
            expected="samples >= 1 and level in (0, 1)",
            received=f"samples={samples}, level={level}",
        )
    names = np.asarray(users)
    if names.dtype == object and any(name is None for name in names):
        raise InputError("A user is missing", expected="an id for each example", received="None")
    _, owner = np.unique(names, return_inverse=True)
    n_users = int(owner.max(initial=-1)) + 1
    statistics: dict[str, dict[str, Statistic]] = {}
    curves: dict[str, CalibrationCurve] = {}
    both = 0
    for name, given in systems.items():
        truth, scores = binary(labels, given)
        if names.shape != truth.shape:
            raise InputError(
                "users and labels differ in length", expected=str(len(truth)), received=str(names.shape)
            )
        statistics[name] = _statistics(owner, truth, scores, n_users)
        both = _users_with_both(owner, truth)
        if "log_loss" in statistics[name]:
            curves[name] = calibration_curve(truth, scores)
    drawn = _drawn(statistics, n_users, samples=samples, seed=seed)
    whole = {
        name: {m: float(s(np.ones((1, n_users)))[0]) for m, s in one.items()}
        for name, one in statistics.items()
    }
    sizes = defaultdict(lambda: n_users, user_auc=both)  # users that a metric exists for
    intervals = {
        name: {
            metric: _interval(whole[name][metric], values, sizes[metric], level)
            for metric, values in one.items()
        }
        for name, one in drawn.items()
    }
    differences = {
        name: {
            metric: _interval(
                whole[name][metric] - whole[baseline][metric],
                values - drawn[baseline][metric],
                sizes[metric],
                level,
            )
            for metric, values in one.items()
            if metric in drawn[baseline]
        }
        for name, one in drawn.items()
        if name != baseline
    }
    return PredictionTable(
        len(names), n_users, both, baseline, seed, intervals, differences, _adjusted(differences), curves
    )


def _adjusted(differences: Mapping[str, Mapping[str, Interval]]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {name: {} for name in differences}
    for metric in {metric for one in differences.values() for metric in one}:
        names = [name for name, one in differences.items() if metric in one]
        for name, p in zip(names, holm([differences[one][metric].p for one in names]).tolist(), strict=True):
            found[name][metric] = p
    return found


def _drawn(
    statistics: Mapping[str, Mapping[str, Statistic]], users: int, *, samples: int, seed: int
) -> dict[str, dict[str, FloatArray]]:
    parts: dict[str, dict[str, list[FloatArray]]] = {
        name: {metric: [] for metric in one} for name, one in statistics.items()
    }
    for weights in resampled_weights(users, samples=samples, seed=seed, chunk=64):
        for name, one in statistics.items():
            for metric, statistic in one.items():
                parts[name][metric].append(statistic(weights))
    return {
        name: {metric: np.concatenate(found) for metric, found in one.items()} for name, one in parts.items()
    }


def _interval(mean: float, drawn: FloatArray, users: int, level: float) -> Interval:
    known = drawn[~np.isnan(drawn)]  # a resample may lack one of the classes
    if len(known) == 0:
        return Interval(mean, np.nan, np.nan, users, level=level)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(known, [tail, 1.0 - tail])
    p = min(2.0 * (min((known <= 0).sum(), (known >= 0).sum()) + 1) / (len(known) + 1), 1.0)
    return Interval(mean, float(low), float(high), users, level=level, p=float(p))


def _statistics(
    owner: npt.NDArray[np.int64], truth: BoolArray, scores: FloatArray, users: int
) -> dict[str, Statistic]:
    """Each metric as a function of how often each user is drawn, [B, users] -> [B]."""
    found = {"auc": _auc(owner, truth, scores), "user_auc": _user_auc(owner, truth, scores)}
    if scores.min() >= 0 and scores.max() <= 1:
        found["log_loss"] = _log_loss(owner, truth, scores, users)
        found["calibration_error"] = _calibration_error(owner, truth, scores, users)
    return found


def _auc(owner: npt.NDArray[np.int64], truth: BoolArray, scores: FloatArray) -> Statistic:
    order = np.argsort(scores, kind="stable")
    whose, positive = owner[order], truth[order].astype(np.float64)
    ordered = scores[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))

    def statistic(weights: FloatArray) -> FloatArray:
        rows = weights[:, whose]
        good = np.add.reduceat(rows * positive, starts, axis=1)
        bad = np.add.reduceat(rows * (1.0 - positive), starts, axis=1)
        below = np.cumsum(bad, axis=1) - bad
        pairs = good.sum(axis=1) * bad.sum(axis=1)
        return np.where(
            pairs > 0, (good * (below + bad / 2.0)).sum(axis=1) / np.maximum(pairs, 1e-300), np.nan
        )

    return statistic


def _user_auc(owner: npt.NDArray[np.int64], truth: BoolArray, scores: FloatArray) -> Statistic:
    areas = areas_of(owner, truth, scores)
    known = (~np.isnan(areas)).astype(np.float64)
    return _ratio(np.nan_to_num(areas), known)


def _log_loss(owner: npt.NDArray[np.int64], truth: BoolArray, scores: FloatArray, users: int) -> Statistic:
    p = np.clip(scores, SMALLEST, 1.0 - SMALLEST)
    losses = -np.log(np.where(truth, p, 1.0 - p))
    sums: FloatArray = np.bincount(owner, weights=losses, minlength=users).astype(np.float64)
    sizes: FloatArray = np.bincount(owner, minlength=users).astype(np.float64)
    return _ratio(sums, sizes)


def _calibration_error(
    owner: npt.NDArray[np.int64], truth: BoolArray, scores: FloatArray, users: int
) -> Statistic:
    which = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    apart = np.zeros((users, BINS))
    np.add.at(apart, (owner, which), truth - scores)
    sizes = np.bincount(owner, minlength=users).astype(np.float64)

    def statistic(weights: FloatArray) -> FloatArray:
        error: FloatArray = np.abs(weights @ apart).sum(axis=1) / (weights @ sizes)
        return error

    return statistic


def _ratio(sums: FloatArray, counts: FloatArray) -> Statistic:
    def statistic(weights: FloatArray) -> FloatArray:
        total = weights @ counts
        return np.where(total > 0, (weights @ sums) / np.maximum(total, 1e-300), np.nan)

    return statistic


def _users_with_both(owner: npt.NDArray[np.int64], truth: BoolArray) -> int:
    size, positives = np.bincount(owner), np.bincount(owner, weights=truth)
    return int(((positives > 0) & (positives < size)).sum())
