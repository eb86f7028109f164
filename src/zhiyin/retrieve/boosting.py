"""How likely candidates are taken, by trees over their features; knows features, not what they are of."""

from __future__ import annotations

from hashlib import sha256

import lightgbm
import numpy as np

from zhiyin.draws import generator
from zhiyin.errors import ArtifactError
from zhiyin.types import Array, BoolArray, FloatArray, IntArray, ScoreArray

__all__ = ["Trees"]

FOLDS = 5
FEWEST = 50  # taken candidates below which no tree is grown
SHOWN = 0.2  # of the candidates that were not taken
ALONE = 20_000  # candidates below which a second thread costs others more than it gains
GROWING = {
    "objective": "binary", "num_leaves": 8, "learning_rate": 0.1, "min_data_in_leaf": 200,
    "feature_fraction": 0.6, "lambda_l2": 10.0, "deterministic": True, "force_row_wise": True,
    "verbosity": -1,
}  # fmt: skip


class Trees:
    """Log-odds that a candidate is taken, above those of the least likely one ever seen.

    Friedman 2001, "Greedy function approximation: a gradient boosting machine". ``text`` is the model as
    LightGBM writes it, ``floor`` what counts as 0.
    """

    def __init__(self, text: str, floor: float) -> None:
        self.text, self.floor = text, floor
        self._booster = lightgbm.Booster(model_str=text)

    def __call__(self, features: ScoreArray, present: BoolArray) -> ScoreArray:
        """Utility >= 0 of each candidate, float32 [U, P]; 0 where there is none.

        ``features`` float32 [F, U, P], ``present`` bool [U, P].
        """
        return self._above(_predicted(self._booster, features, present), present)

    def _above(self, raw: FloatArray, present: BoolArray) -> ScoreArray:
        return np.where(present, np.maximum(raw - self.floor, 0.0), 0.0).astype(np.float32)

    @classmethod
    def grow(
        cls, features: ScoreArray, items: IntArray, taken: BoolArray, *, rounds: int, seed: int
    ) -> tuple[Trees, ScoreArray] | None:
        """Trees over all candidates, and what trees that never saw an item would have said of it.

        Popularity tells items apart: trees could learn by heart which ones were taken. What they are worth
        is therefore judged by folds of items.

        Parameters
        ----------
        features : float32 [F, U, P]
        items : int32 [U, P]
            -1 pads.
        taken : bool [U, P]
            Users who took none say nothing.
        rounds : int
            Trees, one after the other.

        Returns
        -------
        Trees, float32 [U, P], or None
            None where too little was taken to learn from.
        """
        useful: BoolArray = (items >= 0) & np.any(taken, axis=1, keepdims=True)
        if int((taken & useful).sum()) < FEWEST:
            return None
        draws = generator(seed, 0, stream="trees")
        shown = useful & (taken | (draws.random(items.shape) < SHOWN))
        folds = draws.integers(FOLDS, size=int(items.max(initial=0)) + 1)[np.maximum(items, 0)]
        unseen = np.zeros(items.shape)
        for fold in range(FOLDS):
            others = _boosted(features, taken, shown & (folds != fold), rounds, seed)
            unseen += _predicted(others, features, (items >= 0) & (folds == fold))
        every = _boosted(features, taken, shown, rounds, seed)
        floor = float(_predicted(every, features, shown)[shown].min())
        trees = cls(every.model_to_string(), floor)
        return trees, trees._above(unseen, items >= 0)

    def state(self) -> dict[str, Array]:
        """What ``from_state`` reads."""
        text = self.text.encode()
        return {
            "trees": np.frombuffer(text, dtype=np.uint8).copy(), "floor": np.array([self.floor]),
            "digest": np.frombuffer(sha256(text).digest(), dtype=np.uint8).copy(),
        }  # fmt: skip

    @classmethod
    def from_state(cls, state: dict[str, Array]) -> Trees:
        """What ``state`` told.

        Raises
        ------
        ArtifactError
            When the text is damaged: LightGBM would end the process.
        """
        text = state["trees"].tobytes()
        if sha256(text).digest() != state["digest"].tobytes():
            raise ArtifactError("The trees of the blend are damaged", hint="Fit the recommender again.")
        return cls(text.decode(), float(state["floor"][0]))


def _boosted(
    features: ScoreArray, taken: BoolArray, rows: BoolArray, rounds: int, seed: int
) -> lightgbm.Booster:
    truth = taken[rows]
    weights = np.where(truth, 1.0, 1 / SHOWN)
    examples = lightgbm.Dataset(features[:, rows].T, truth, weight=weights)
    return lightgbm.train({**GROWING, "seed": seed}, examples, num_boost_round=rounds)


def _predicted(booster: lightgbm.Booster, features: ScoreArray, rows: BoolArray) -> FloatArray:
    """Log-odds at ``rows``, 0 elsewhere, float64 [U, P]."""
    found = np.zeros(rows.shape)
    if rows.any():
        asked = features[:, rows].T
        threads = 1 if len(asked) < ALONE else 0
        found[rows] = booster.predict(asked, raw_score=True, num_threads=threads)
    return found
