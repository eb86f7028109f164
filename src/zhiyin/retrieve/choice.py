"""Weights of features by what was chosen; knows features, not what they are of."""

from __future__ import annotations

import numpy as np
from scipy import optimize

from zhiyin.types import BoolArray, FloatArray, ScoreArray

__all__ = ["choice_weights"]

RIDGE = 1e-3


def choice_weights(features: ScoreArray, present: BoolArray, taken: BoolArray) -> FloatArray:
    """Non-negative weights that make what was taken likeliest.

    The conditional logit: the probability of an item is softmax over the user's candidates of the weighted
    sum of its features; each taken item counts once. Features are scaled to a standard deviation of 1
    while they are fitted, with a small ridge, so that two that say the same share their weight.

    Parameters
    ----------
    features : float32 [F, U, P]
    present : bool [U, P]
        Which places hold a candidate.
    taken : bool [U, P]
        Which candidates were taken; users who took none say nothing.

    Returns
    -------
    float64 [F]
        >= 0; all 0 where nobody took a candidate.

    Notes
    -----
    McFadden (1974), "Conditional logit analysis of qualitative choice behavior".
    """
    used: BoolArray = np.asarray((taken & present).any(axis=1))
    if not used.any():
        return np.zeros(len(features))
    rows, places = np.nonzero(present & used[:, None])
    values = features[:, rows, places].T.astype(np.float64)
    spread = values.std(axis=0)
    scaled = values / np.where(spread > 0, spread, np.inf)
    chosen = taken[rows, places].astype(np.float64)
    starts = np.flatnonzero(np.concatenate([[True], rows[1:] != rows[:-1]]))
    user = np.cumsum(np.concatenate([[0], (rows[1:] != rows[:-1]).astype(np.int64)]))
    picks = np.add.reduceat(chosen, starts)

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        utility = scaled @ weights
        top = np.maximum.reduceat(utility, starts)
        odds = np.exp(utility - top[user])
        total = np.add.reduceat(odds, starts)
        likely = (chosen * utility).sum() - (picks * (np.log(total) + top)).sum()
        slope = scaled.T @ (chosen - picks[user] * odds / total[user])
        n = chosen.sum()
        return float(-likely / n + RIDGE * weights @ weights), -slope / n + 2 * RIDGE * weights

    start = np.full(len(features), 0.1)
    found = optimize.minimize(loss, start, jac=True, bounds=[(0.0, None)] * len(features), method="L-BFGS-B")
    return np.asarray(found.x / np.where(spread > 0, spread, np.inf), dtype=np.float64)
