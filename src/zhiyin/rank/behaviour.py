"""How likely somebody clicks, keeps or buys: probabilities of behaviours from features.

Knows features by name and labels; not where they came from. Whoever makes the features sees to it that
none of them knows its own row or a later one (``zhiyin.evaluate.leaks.check_features``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import lightgbm
import numpy as np
from pydantic import Field
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from zhiyin import config
from zhiyin.artifacts import read_json, write_text
from zhiyin.config import parse
from zhiyin.draws import generator
from zhiyin.errors import ArtifactError, InputError, NotFittedError
from zhiyin.rank.calibration import Isotonic
from zhiyin.types import Array, BoolArray, FloatArray

__all__ = ["BehaviourModel"]

FEWEST = 10  # of each label, below which a behaviour is told by its share alone
NARROW = 1e-12
EDGE = 0.005


class BehaviourModel:
    """Probability of each behaviour: gradient boosting and logistic regression, calibrated.

    The mean of the logits of both, through isotonic regression learned on the newest ``held`` of the
    examples, which neither has seen when it is learned; then both are fitted on all. Boosting finds what
    depends on what, the regression keeps steady where there is little (Friedman 2001, "Greedy function
    approximation: a gradient boosting machine"; Zadrozny & Elkan 2002). The model is a callable, the
    expected reward, for estimators that want one.
    """

    class Config(config.Config):
        """Of the trees; ``inverse_penalty`` of the regression; ``held``; ``rewards`` by behaviour.

        ``rewards`` empty: 1 each.
        """

        trees: int = Field(default=300, ge=1)
        learning_rate: float = Field(default=0.03, gt=0)
        leaves: int = Field(default=8, ge=2)
        least: int = Field(default=100, ge=1)
        penalty: float = Field(default=20.0, ge=0)
        feature_share: float = Field(default=0.4, gt=0, le=1)
        inverse_penalty: float = Field(default=0.05, gt=0)
        held: float = Field(default=0.2, gt=0, lt=1)
        rewards: dict[str, float] = Field(default_factory=dict)
        seed: int = Field(default=7, ge=0, lt=2**31)

    def __init__(self, **params: Any) -> None:
        self.config = parse(self.Config, params, where="The behaviour model")
        self.features_: tuple[str, ...] = ()
        self.parts_: dict[str, dict[str, Any]] = {}
        self._boosters: dict[str, lightgbm.Booster] = {}

    def fit(
        self,
        features: Mapping[str, Array],
        labels: Mapping[str, BoolArray],
        times: FloatArray | None = None,
    ) -> Self:
        """Learn every behaviour from the same examples.

        Parameters
        ----------
        features : mapping of name -> float [n]
            NaN: unknown.
        labels : mapping of behaviour -> bool [n]
        times : float64 [n] or None
            Of the examples, to hold the newest out for calibration; None: a random part.

        Raises
        ------
        InputError
            When there are no examples, or lengths differ.
        """
        self.features_ = tuple(features)
        matrix = self._matrix(features)
        if len(matrix) < 2 or not labels or any(len(one) != len(matrix) for one in labels.values()):
            raise InputError(
                "The behaviour model has nothing to learn from",
                expected="features and labels of one length, at least 2 examples",
                received=f"{len(matrix)} examples, labels { ({n: len(one) for n, one in labels.items()}) }",
            )
        truths = {name: _truth(name, labels[name]) for name in labels}
        if times is not None and (times.shape != (len(matrix),) or not np.isfinite(times).all()):
            raise InputError(
                "The times are not those of the examples",
                expected=f"{len(matrix)} finite numbers",
                received=f"{list(times.shape)}, {int((~np.isfinite(times)).sum())} of them not finite",
            )
        order = _oldest_first(times, len(matrix), self.config.seed)
        cut = min(max(round(len(order) * (1 - self.config.held)), 1), len(order) - 1)
        self.parts_, self._boosters = {}, {}
        for name, truth in truths.items():
            self.parts_[name] = self._learned(matrix, truth, order, cut)
        return self

    def _learned(self, matrix: FloatArray, truth: BoolArray, order: np.ndarray, cut: int) -> dict[str, Any]:
        old, new = order[:cut], order[cut:]
        scarce = min(int(part.sum()) for part in (truth[old], ~truth[old], truth[new], ~truth[new])) < FEWEST
        share = (float(truth.sum()) + 1.0) / (len(truth) + 2.0)
        if scarce:
            return {"share": share}
        first = self._both(matrix[old], truth[old])
        held = Isotonic.fit(self._logits(first, matrix[new]), truth[new])
        return {"share": share, **self._both(matrix, truth), "calibration": held.to_dict()}

    def _both(self, matrix: FloatArray, truth: BoolArray) -> dict[str, Any]:
        """The regression's numbers and the trees as text."""
        centre = np.nan_to_num(np.nanmean(np.where(np.isfinite(matrix), matrix, np.nan), axis=0))
        filled = np.where(np.isfinite(matrix), matrix, centre)
        # A line goes on for ever: what lies outside of what was seen counts as the edge of it.
        low, high = np.quantile(filled, [EDGE, 1 - EDGE], axis=0)
        filled = np.clip(filled, low, high)
        spread = filled.std(axis=0)
        spread[spread < NARROW] = 1.0
        line = LogisticRegression(C=self.config.inverse_penalty, max_iter=1000)
        line.fit((filled - centre) / spread, truth)
        own = self.config
        params = {
            "objective": "binary", "learning_rate": own.learning_rate, "num_leaves": own.leaves,
            "min_data_in_leaf": own.least, "lambda_l2": own.penalty, "feature_fraction": own.feature_share,
            "seed": own.seed, "deterministic": True, "force_row_wise": True, "verbosity": -1,
        }  # fmt: skip
        trees = lightgbm.train(params, lightgbm.Dataset(matrix, truth), num_boost_round=own.trees)
        return {
            "centre": centre.tolist(), "low": low.tolist(), "high": high.tolist(),
            "spread": spread.tolist(), "weights": line.coef_[0].tolist(),
            "constant": float(line.intercept_[0]), "trees": trees.model_to_string(),
        }  # fmt: skip

    def _logits(self, part: Mapping[str, Any], matrix: FloatArray) -> FloatArray:
        centre, spread = np.array(part["centre"]), np.array(part["spread"])
        filled = np.clip(np.where(np.isfinite(matrix), matrix, centre), part["low"], part["high"])
        line = (filled - centre) / spread @ np.array(part["weights"]) + part["constant"]
        text = part["trees"]
        if text not in self._boosters:
            self._boosters[text] = lightgbm.Booster(model_str=text)
        chance = np.clip(self._boosters[text].predict(matrix), 1e-6, 1 - 1e-6)
        return np.asarray((line + logit(chance)) / 2.0)

    def predict(self, features: Mapping[str, Array]) -> dict[str, FloatArray]:
        """Probability of each behaviour, float64 of the features' shape.

        Parameters
        ----------
        features : mapping of name -> float, all of one shape such as [n] or [n, actions]
            One that is missing is unknown everywhere; those not learned from are passed over.

        Raises
        ------
        NotFittedError
        """
        if not self.parts_:
            raise NotFittedError(type(self).__name__)
        shape = np.broadcast_shapes(*(np.shape(one) for one in features.values())) if features else (0,)
        wide = {name: np.broadcast_to(one, shape).ravel() for name, one in features.items()}
        matrix = self._matrix(wide, int(np.prod(shape)))
        found = {}
        for name, part in self.parts_.items():
            if "trees" in part and len(matrix):
                chances = Isotonic.from_dict(part["calibration"])(self._logits(part, matrix))
            else:
                chances = np.full(len(matrix), part["share"])
            found[name] = chances.reshape(shape)
        return found

    def __call__(self, features: Mapping[str, Array]) -> FloatArray:
        """The expected reward: probabilities times ``rewards``, float64 of the features' shape."""
        chances = self.predict(features)
        rewards = self.config.rewards or dict.fromkeys(chances, 1.0)
        parts = [rewards.get(name, 0.0) * one for name, one in chances.items()]
        return np.asarray(np.sum(parts, axis=0), dtype=np.float64)

    def _matrix(self, features: Mapping[str, Array], n: int | None = None) -> FloatArray:
        """The features that were learned from, in their order, float64 [n, features]."""
        length = len(next(iter(features.values()))) if n is None and features else (n or 0)
        unknown = np.full(length, np.nan)
        columns = [np.asarray(features.get(name, unknown), dtype=np.float64) for name in self.features_]
        if any(column.shape != (length,) for column in columns):
            raise InputError("Features differ in length", expected=f"[{length}] each")
        return np.stack(columns, axis=1) if columns else np.empty((length, 0))

    def save(self, folder: Path) -> None:
        """Write behaviour.json into an existing folder."""
        if not self.parts_:
            raise NotFittedError(type(self).__name__)
        facts = {
            "config": self.config.model_dump(mode="json"),
            "features": self.features_,
            "parts": self.parts_,
        }
        write_text(folder / "behaviour.json", json.dumps({**facts, "checksum": _checksum(facts)}))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        facts = read_json(folder / "behaviour.json")
        # LightGBM ends the process where the text of a model is damaged.
        if not isinstance(facts, dict) or facts.pop("checksum", None) != _checksum(facts):
            raise ArtifactError(
                f"{folder / 'behaviour.json'} is damaged or was changed",
                expected="what was saved, with its checksum",
                hint="Fit the model again.",
            )
        model = cls(**facts["config"])
        model.features_, model.parts_ = tuple(facts["features"]), facts["parts"]
        return model


def _truth(name: str, labels: Array) -> BoolArray:
    values = np.asarray(labels)
    if values.dtype != bool and not (values.dtype.kind in "iuf" and np.isin(values, (0, 1)).all()):
        raise InputError(
            f"The labels of {name!r} are not yes or no",
            expected="bool, or 0 and 1",
            received=f"{values.dtype}: {values[:5].tolist()} …",
        )
    return values.astype(bool)


def _checksum(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _oldest_first(times: FloatArray | None, n: int, seed: int) -> np.ndarray:
    if times is None:
        return generator(seed, 0, stream="behaviour").permutation(n)
    order: np.ndarray = np.argsort(times, kind="stable")
    return order
