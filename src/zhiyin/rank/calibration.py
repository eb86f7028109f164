"""From scores to probabilities; knows scores and labels only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from zhiyin.types import BoolArray, FloatArray

__all__ = ["Isotonic", "Sigmoid"]


@dataclass(frozen=True, eq=False)
class Isotonic:
    """Isotonic regression, joined by straight lines between the middles of its steps.

    The lines keep the order of scores within a step, which plain steps would make equal.
    ``scores`` float64 [s], ascending; ``chances`` float64 [s], ascending, in (0, 1).

    Notes
    -----
    Zadrozny & Elkan (2002), "Transforming classifier scores into accurate multiclass probability
    estimates", section 3.

    Examples
    --------
    >>> found = Isotonic.fit(np.array([0.1, 0.2, 0.8, 0.9]), np.array([False, False, True, True]))
    >>> found(np.array([0.0, 0.5, 1.0])).round(2)
    array([0.17, 0.5 , 0.83])
    """

    scores: FloatArray
    chances: FloatArray

    @classmethod
    def fit(cls, scores: FloatArray, labels: BoolArray) -> Isotonic:
        """Learn from examples, at least one; scores of any scale."""
        order = np.argsort(scores, kind="stable")
        steps = IsotonicRegression().fit_transform(scores[order], labels[order].astype(np.float64))
        heights, starts, counts = np.unique(steps, return_index=True, return_counts=True)
        sums = np.add.reduceat(scores[order], starts)
        # A step is as high as its share of positives, drawn to the mean by one example's worth.
        chances = (heights * counts + labels.mean()) / (counts + 1.0)
        return cls(sums / counts, np.maximum.accumulate(chances))

    def __call__(self, scores: FloatArray) -> FloatArray:
        """Probabilities in (0, 1), float64 of the scores' shape."""
        return np.asarray(np.interp(scores, self.scores, self.chances), dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain lists."""
        return {"scores": self.scores.tolist(), "chances": self.chances.tolist()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Isotonic:
        """Read what ``to_dict`` gave."""
        return cls(np.array(plain["scores"], dtype=np.float64), np.array(plain["chances"], dtype=np.float64))


@dataclass(frozen=True)
class Sigmoid:
    """Logistic regression of the labels on the scores: two numbers, for where there are few examples.

    With a thousand or fewer, isotonic regression learns noise by heart (Platt 1999, "Probabilistic outputs
    for support vector machines"; Niculescu-Mizil & Caruana 2005, "Predicting good probabilities with
    supervised learning", figure 4). ``slope`` is at least 0: better scores are never less likely.

    Examples
    --------
    >>> found = Sigmoid.fit(np.array([-1.0, -1.0, 1.0, 1.0]), np.array([False, True, True, True]))
    >>> found(np.array([-1.0, 1.0])).round(2)
    array([0.57, 0.8 ])
    """

    slope: float
    constant: float

    @classmethod
    def fit(cls, scores: FloatArray, labels: BoolArray) -> Sigmoid:
        """Learn from examples, at least one; scores of any scale."""
        total, positives = len(labels), int(labels.sum())
        # Labels drawn to the middle by Platt's prior: finite also where scores tell everything.
        high, low = (positives + 1.0) / (positives + 2.0), 1.0 / (total - positives + 2.0)
        centre, spread = float(scores.mean()), float(scores.std()) or 1.0
        column = np.tile((scores - centre) / spread, 2)[:, None]
        target = np.where(labels, high, low)
        both = np.concatenate([np.ones(total), np.zeros(total)])
        line = LogisticRegression(C=np.inf, max_iter=1000)
        line.fit(column, both, sample_weight=np.concatenate([target, 1 - target]))
        slope = float(line.coef_[0, 0]) / spread
        if slope < 0:
            share = float(target.mean())
            return cls(0.0, float(np.log(share / (1 - share))))
        return cls(slope, float(line.intercept_[0]) - slope * centre)

    def __call__(self, scores: FloatArray) -> FloatArray:
        """Probabilities in (0, 1), float64 of the scores' shape."""
        return np.asarray(expit(self.slope * scores + self.constant), dtype=np.float64)
