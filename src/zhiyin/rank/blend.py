"""How much a second score should count beside the first, learned and with an interval.

Knows scores and labels only. The model is the conditional logit (McFadden 1974): the probability
of the item taken is softmax over the user's candidates of a * first + b * second, a, b >= 0. The
weight of the second score is b / (a + b); zero is a legitimate result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from zhiyin.draws import generator
from zhiyin.errors import InputError
from zhiyin.types import BoolArray, FloatArray

__all__ = ["Blend", "fit_blend", "slope", "standardise"]

RIDGE = 0.01


@dataclass(frozen=True)
class Blend:
    """Weight of the second score in [0, 1], its 95 % bootstrap interval, and the fit behind it.

    ``gain``: mean log-likelihood per user above the first score alone (in sample, >= 0 up to the
    penalty); ``users``: how many had something to learn from.
    """

    weight: float
    low: float
    high: float
    gain: float
    users: int

    def __str__(self) -> str:
        return f"{self.weight:.2f} [{self.low:.2f}, {self.high:.2f}] (n = {self.users})"


def standardise(scores: FloatArray, present: BoolArray) -> FloatArray:
    """Scores to mean 0 and standard deviation 1 within each row; 0 where absent or constant.

    Parameters
    ----------
    scores : float64 [U, n]
    present : bool [U, n]
    """
    count = np.maximum(present.sum(axis=1, keepdims=True), 1)
    filled = np.where(present, scores, 0.0).astype(np.float64)
    mean = filled.sum(axis=1, keepdims=True) / count
    centred = np.where(present, filled - mean, 0.0)
    spread = np.sqrt((centred**2).sum(axis=1, keepdims=True) / count)
    result: FloatArray = np.where(spread > 1e-12, centred / np.maximum(spread, 1e-12), 0.0)
    return result


def fit_blend(
    first: FloatArray,
    second: FloatArray,
    labels: BoolArray,
    present: BoolArray,
    *,
    seed: int,
    samples: int = 200,
) -> Blend:
    """Learn the weight of ``second`` beside ``first``.

    Parameters
    ----------
    first, second : float64 [U, n]
        Standardised scores.
    labels, present : bool [U, n]
        What was taken; what is a candidate at all. Rows without both a taken and an untaken
        candidate say nothing and are left out.
    seed, samples
        Of the bootstrap over users.

    Raises
    ------
    InputError
        When no row has anything to learn from.
    """
    taken = labels & present
    useful = taken.any(axis=1) & (present & ~taken).any(axis=1)
    if not useful.any():
        raise InputError(
            "There is nothing to learn the blend from",
            expected="a validation user who took one of the candidates",
            received=f"{len(labels)} users, none did",
            hint="Use more validation users or deeper candidates.",
        )
    one, two = first[useful], second[useful]
    mask, taken = present[useful], taken[useful]
    a, b = _solve(one, two, taken, mask, np.ones(len(one)))
    alone = _solve(one, np.zeros_like(two), taken, mask, np.ones(len(one)))
    gain = _likelihood(np.array([a, b]), one, two, taken, mask) - _likelihood(
        np.array(alone), one, np.zeros_like(two), taken, mask
    )
    rng = generator(seed, 0, stream="blend")
    weights = []
    for _ in range(samples):
        counts = np.bincount(rng.integers(len(one), size=len(one)), minlength=len(one))
        weights.append(_share(*_solve(one, two, taken, mask, counts.astype(np.float64))))
    low, high = np.quantile(weights, [0.025, 0.975])
    return Blend(_share(a, b), float(low), float(high), float(gain.mean()), len(one))


def slope(scores: FloatArray, labels: BoolArray, present: BoolArray) -> float:
    """Log-odds of being taken that one unit of a score is worth, >= 0; 0 where nothing tells.

    Parameters
    ----------
    scores : float64 [U, n]
        Standardised.
    labels, present : bool [U, n]
    """
    taken = labels & present
    useful = taken.any(axis=1) & (present & ~taken).any(axis=1)
    if not useful.any():
        return 0.0
    one, taken, mask = scores[useful], taken[useful], present[useful]
    return _solve(one, np.zeros_like(one), taken, mask, np.ones(len(one)))[0]


def _share(a: float, b: float) -> float:
    return float(b / (a + b)) if a + b > 1e-9 else 0.0


def _likelihood(
    params: FloatArray, one: FloatArray, two: FloatArray, taken: BoolArray, mask: BoolArray
) -> FloatArray:
    logits = np.where(mask, params[0] * one + params[1] * two, -np.inf)
    log_probability = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    per_user: FloatArray = np.where(taken, log_probability, 0.0).sum(axis=1) / taken.sum(axis=1)
    return per_user


def _solve(
    one: FloatArray, two: FloatArray, taken: BoolArray, mask: BoolArray, counts: FloatArray
) -> tuple[float, float]:
    share = taken / taken.sum(axis=1, keepdims=True)
    total = counts.sum()

    def loss(params: FloatArray) -> tuple[float, FloatArray]:
        logits = np.where(mask, params[0] * one + params[1] * two, -np.inf)
        normal = np.logaddexp.reduce(logits, axis=1, keepdims=True)
        residual = np.exp(logits - normal) - share
        per_user = (np.where(taken, logits - normal, 0.0) * share).sum(axis=1)
        gradient = np.array([(residual * one).sum(axis=1) @ counts, (residual * two).sum(axis=1) @ counts])
        value = -(per_user @ counts) / total + RIDGE / 2 * float(params @ params)
        return float(value), gradient / total + RIDGE * params

    start = np.array([0.5, 0.5])
    found = optimize.minimize(loss, start, jac=True, bounds=[(0, None), (0, None)], method="L-BFGS-B")
    return float(found.x[0]), float(found.x[1])
