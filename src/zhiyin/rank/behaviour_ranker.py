"""Ranks candidates by how likely each behaviour is, beside the retrieval score; knows no language model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import Field
from scipy.special import logit

from zhiyin import config
from zhiyin.artifacts import read_json, write_text
from zhiyin.config import parse
from zhiyin.draws import generator
from zhiyin.errors import NotFittedError
from zhiyin.logs import get_logger
from zhiyin.rank.behaviour import BehaviourModel
from zhiyin.rank.blend import Blend, fit_blend, standardise
from zhiyin.rank.ordering import reorder_head
from zhiyin.types import Array, BoolArray, Candidates, FloatArray, Queries, RankingExamples

__all__ = ["BehaviourRanker", "list_features"]

log = get_logger("rank")
FOLDS = 3
HOUR = 3600.0
TAKEN = "taken"
NAME = "rank.behaviour"
NOTHING_LEARNED = Blend(weight=0.0, low=0.0, high=0.0, gain=0.0, users=0)


class BehaviourRanker:
    """Re-orders the first ``depth`` candidates by retrieval score and expected reward.

    The reward is the sum over behaviours of probability times ``rewards``. How much it counts beside the
    retrieval score is learned from predictions for users whose examples the model has not seen (three
    folds); a weight that cannot be told from zero is zero. The probabilities stand in the features
    ``rank.behaviour.<name>``.
    """

    class Config(config.Config):
        """``depth``; ``examples``: validation users to learn from; ``weight`` None: learned.

        ``rewards`` by event type, empty: 1 for whatever was taken; ``model``: of ``BehaviourModel``.
        """

        depth: int = Field(default=200, ge=2)
        examples: int = Field(default=2000, ge=1)
        weight: float | None = Field(default=None, ge=0, le=1)
        rewards: dict[str, float] = Field(default_factory=dict)
        model: dict[str, Any] = Field(default_factory=dict)
        seed: int = Field(default=7, ge=0, lt=2**31)

    def __init__(self, **params: Any) -> None:
        self.config = parse(self.Config, params, where="The ranker BehaviourRanker")
        self.model_: BehaviourModel | None = None
        self.blend_: Blend = NOTHING_LEARNED
        self.prices_: FloatArray = np.empty(0)
        self._model()  # refuses wrong parameters early

    def _model(self) -> BehaviourModel:
        return BehaviourModel(
            **{"seed": self.config.seed, "rewards": self.config.rewards, **self.config.model}
        )

    @property
    def weight(self) -> float:
        """Weight of the expected reward, in [0, 1]."""
        if self.config.weight is not None:
            return self.config.weight
        return self.blend_.weight if self.blend_.low > 0 else 0.0

    def fit(self, examples: RankingExamples) -> Self:
        """Learn the behaviours and the weight; 0 where nobody took a candidate."""
        self.prices_ = examples.prices
        head = examples.candidates.head(self.config.depth)
        labels = examples.labels[:, : self.config.depth]
        present = head.items >= 0
        told = {name: one[:, : self.config.depth] for name, one in examples.behaviours.items()}
        behaviours = told if self.config.rewards else {TAKEN: labels}
        features = list_features(examples.queries, head, self.prices_)
        self.model_ = self._fitted(features, behaviours, present, np.arange(len(labels)))
        taken = labels & present
        if not (taken.any(axis=1) & (present & ~taken).any(axis=1)).any():
            log.warning("nobody took a candidate: the behaviour model gets no weight", users=len(labels))
            self.blend_ = NOTHING_LEARNED
            return self
        unseen = self._unseen(features, behaviours, present)
        first = standardise(head.scores.astype(np.float64), present)
        self.blend_ = fit_blend(first, standardise(unseen, present), labels, present, seed=self.config.seed)
        return self

    def _unseen(
        self, features: Mapping[str, Array], behaviours: Mapping[str, BoolArray], present: BoolArray
    ) -> FloatArray:
        """Rewards that are expected of users by a model that has not seen them, as logits, [U, n]."""
        users = generator(self.config.seed, 0, stream="folds").permutation(len(present))
        found = np.zeros(present.shape)
        for fold in range(FOLDS):
            asked = np.sort(users[fold::FOLDS])
            others = np.setdiff1d(users, asked)
            if len(asked) and len(others):
                model = self._fitted(features, behaviours, present, others)
                found[asked] = _spread(model, {name: one[asked] for name, one in features.items()})
        return found

    def _fitted(
        self,
        features: Mapping[str, Array],
        behaviours: Mapping[str, BoolArray],
        present: BoolArray,
        users: np.ndarray,
    ) -> BehaviourModel:
        rows, places = np.nonzero(present[users])
        rows = users[rows]
        chosen = {name: one[rows, places] for name, one in features.items()}
        truth = {name: one[rows, places] for name, one in behaviours.items()}
        # By user, so that a held-out example is of somebody whom the model does not know.
        order = generator(self.config.seed, 1, stream="users").permutation(len(present)).astype(np.float64)
        return self._model().fit(chosen, truth, order[rows])

    def rank(self, queries: Queries, candidates: Candidates) -> Candidates:
        """The same items of each row, the head re-ordered.

        Raises
        ------
        NotFittedError
        """
        if self.model_ is None:
            raise NotFittedError(type(self).__name__)
        head = candidates.head(self.config.depth)
        features = list_features(queries, head, self.prices_)
        present = head.items >= 0
        chances = {}
        for name, one in self.model_.predict(features).items():
            chances[f"{NAME}.{name}"] = np.full(candidates.items.shape, np.nan, dtype=np.float32)
            chances[f"{NAME}.{name}"][:, : one.shape[1]] = np.where(present, one, np.nan)
        told = replace(candidates, features={**candidates.features, **chances})
        if self.weight == 0 or len(queries) == 0:
            return told
        first = standardise(head.scores.astype(np.float64), present)
        second = standardise(_spread(self.model_, features), present)
        mixed = (1 - self.weight) * first + self.weight * second
        return reorder_head(told, np.where(present, mixed, -np.inf))

    def save(self, folder: Path) -> None:
        """Write config.json, learned.json and behaviour.json into an existing folder."""
        if self.model_ is None:
            raise NotFittedError(type(self).__name__)
        write_text(folder / "config.json", self.config.model_dump_json(indent=1))
        prices = [None if np.isnan(price) else price for price in self.prices_.tolist()]
        write_text(folder / "learned.json", json.dumps({"blend": asdict(self.blend_), "prices": prices}))
        self.model_.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        ranker = cls(**read_json(folder / "config.json"))
        learned = read_json(folder / "learned.json")
        ranker.blend_ = Blend(**learned["blend"])
        ranker.prices_ = np.array([np.nan if p is None else p for p in learned["prices"]], dtype=np.float64)
        ranker.model_ = BehaviourModel.load(folder)
        return ranker


def _spread(model: BehaviourModel, features: Mapping[str, Array]) -> FloatArray:
    """Expected rewards as logits of their share of all rewards, float64 of the features' shape."""
    total = sum((model.config.rewards or dict.fromkeys(model.parts_, 1.0)).values())
    return np.asarray(logit(np.clip(model(features) / max(total, 1e-12), 1e-6, 1 - 1e-6)))


def list_features(queries: Queries, candidates: Candidates, prices: FloatArray) -> dict[str, Array]:
    """What is known of each candidate when it is listed, name -> float64 [U, n].

    All scores of retrieval, the place, the user's history and its age, and the price beside those the user
    has paid. ``prices`` float64 [n_items]; NaN: unknown.
    """
    items = np.maximum(candidates.items, 0)
    shape = items.shape
    found: dict[str, Array] = {
        name: values.astype(np.float64)
        for name, values in candidates.features.items()
        if name.startswith("retrieve.") and values.ndim == 2
    }
    scores = np.where(candidates.items >= 0, candidates.scores, np.nan).astype(np.float64)
    found["score"] = scores
    found["place"] = np.broadcast_to(np.log1p(np.arange(shape[1])), shape)
    history = queries.histories
    found["history"] = np.broadcast_to(np.log1p(history.lengths)[:, None], shape)
    found["waited"] = np.broadcast_to(_waited(queries)[:, None], shape)
    known = np.append(np.log(np.maximum(prices, 1e-9)), np.nan)
    inside = np.where((history.items >= 0) & (history.items < len(prices)), history.items, len(prices))
    paid = known[inside]
    good = np.isfinite(paid)
    count = np.bincount(history.rows[good], minlength=len(history))
    total = np.bincount(history.rows[good], weights=paid[good], minlength=len(history))
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    found["price"] = known[np.minimum(items, len(prices))]
    found["price apart"] = np.abs(found["price"] - mean[:, None])
    return found


def _waited(queries: Queries) -> FloatArray:
    """ln(1 + hours) since the newest event of each user, NaN where there is none or no clock."""
    history = queries.histories
    some = history.lengths > 0
    last = np.full(len(history), np.nan)
    last[some] = history.times[history.offsets[1:][some] - 1]
    times = np.full(len(history), np.nan) if queries.times is None else queries.times
    return np.asarray(np.log1p(np.maximum(times - last, 0.0) / HOUR), dtype=np.float64)
