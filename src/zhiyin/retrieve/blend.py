"""Several retrievers and the popularity of late joined by weights learned from what was taken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np
from safetensors.numpy import load_file
from safetensors.numpy import save as to_safetensors

from zhiyin.artifacts import write_bytes
from zhiyin.data import Catalogue, Dataset, Task
from zhiyin.errors import NotFittedError
from zhiyin.retrieve.choice import choice_weights
from zhiyin.retrieve.members import ManyRetrievers, MemberConfig
from zhiyin.retrieve.pooling import pool_values
from zhiyin.retrieve.selection import first_n, top_n
from zhiyin.retrieve.trends import Trends
from zhiyin.types import BoolArray, Candidates, FloatArray, IntArray, Queries, Ragged, ScoreArray

__all__ = ["BlendRetriever"]

CHUNK_USERS = 512
FLOOR = 0.02  # of a member's best score, from which on its logarithm counts
LOG = "-log"
STATE = "trends.safetensors"


class BlendRetriever(ManyRetrievers):
    """Score = weighted sum of the members' scores and of the item's popularity in windows of time.

    Of each member count its score as a share of its best for the user, and the logarithm of that (from
    ``FLOOR`` on, 0 to 1); of the item ln(1 + events) in the last ``windows`` days before the question and
    in all time, as shares of the largest. The weights are non-negative and maximise the likelihood of what
    users took on validation among the candidates (``choice_weights``); without validation all count alike.
    Candidates are the first ``depth`` of each member and of each window. Contributions are kept as
    features ``retrieve.<member>`` and ``retrieve.popularity``. Where the user states a wish, the members
    named in ``listens`` weigh ``text_boost`` times all others together.
    """

    class Config(MemberConfig):
        """``windows`` in days, and what all joined retrievers have."""

        windows: tuple[float, ...] = (3.0, 10.0, 30.0, 100.0)

    config: Config

    def _learn(self, train: Dataset, task: Task | None) -> None:
        self.available_from_, self.cut_ = train.catalogue.available_from, train.cut
        self.trends_ = Trends.of(train, self.config.windows)
        if task is not None:
            items, features = self._candidates(task.queries, self.config.depth)
            found = choice_weights(features, items >= 0, _taken(items, task.relevant))
            self.weights_ = dict(zip(self.names, found.tolist(), strict=True))
        if not any(self.weights_.values()):
            self.weights_ = dict.fromkeys(self.names, 1.0)

    @property
    def names(self) -> list[str]:
        """What the features are called, in their order."""
        scores = [name for member in self.members_ for name in (member, f"{member}{LOG}")]
        return [*scores, *(f"popularity-{days:g}" for days in self.config.windows), "popularity"]

    def retrieve(self, queries: Queries, n: int) -> Candidates:
        """The best n items by the learned weights; features hold what each member contributes."""
        if self.n_items_ is None:
            raise NotFittedError(type(self).__name__)
        parts = [self._joined(part, n) for part in queries.chunks(CHUNK_USERS)]
        return Candidates(
            np.concatenate([part.items for part in parts]),
            np.concatenate([part.scores for part in parts]),
            {name: np.concatenate([part.features[name] for part in parts]) for name in parts[0].features},
        )

    def _joined(self, queries: Queries, n: int) -> Candidates:
        items, features = self._candidates(queries, max(self.config.depth, n))
        weights = self._weights(queries)
        shares = features * weights[:, :, None]
        total = np.where(items >= 0, shares.sum(axis=0), -np.inf).astype(np.float32)
        found = top_n(total, n)
        places = np.maximum(found.items, 0)
        chosen = np.where(found.items >= 0, np.take_along_axis(items, places, axis=1), -1)
        kept = shares[:, np.arange(len(queries))[:, None], places]
        kept[:, found.items < 0] = 0
        parts = {f"retrieve.{name}": kept[2 * at] + kept[2 * at + 1] for at, name in enumerate(self.members_)}
        parts["retrieve.popularity"] = kept[2 * len(self.members_) :].sum(axis=0)
        return Candidates(chosen.astype(np.int32), found.scores, parts)

    def _candidates(self, queries: Queries, depth: int) -> tuple[IntArray, ScoreArray]:
        """Candidates int32 [U, P], -1 pads, and their features float32 [F, U, P]."""
        lists = [member.retrieve(queries, depth) for member in self.members_.values()]
        values = [_scaled(one) for one in lists]
        times = np.full(len(queries), self.cut_) if queries.times is None else queries.times
        days = self.trends_.day(times)
        known = {day: self.trends_.before(day) for day in np.unique(days).tolist()}
        for window in range(len(self.config.windows) + 1):
            late = self._popular(queries, days, {day: rows[window] for day, rows in known.items()}, depth)
            lists.append(late)
            values.append(np.zeros_like(late.scores))
        pool = pool_values(lists, values)
        own = pool.shares[: len(self.members_)]
        logs = np.log(np.maximum(own, FLOOR) / FLOOR) / np.log(1 / FLOOR)
        both = np.stack([own, logs], axis=1).reshape(2 * len(self.members_), *pool.items.shape)
        popular = np.empty((len(self.config.windows) + 1, *pool.items.shape), dtype=np.float32)
        for day, rows in known.items():
            asked = np.flatnonzero(days == day)
            popular[:, asked] = rows[:, np.maximum(pool.items[asked], 0)]
        features = np.concatenate([both, popular]).astype(np.float32)
        features[:, pool.items < 0] = 0
        return pool.items, features

    def _popular(
        self, queries: Queries, days: IntArray, popularity: Mapping[int, ScoreArray], depth: int
    ) -> Candidates:
        """The most popular items of each query's day; popularity float32 [n_items] by day."""
        items = np.full((len(queries), depth), -1, dtype=np.int32)
        scores = np.full((len(queries), depth), -np.inf, dtype=np.float32)
        for day, row in popularity.items():
            asked = np.flatnonzero(days == day)
            order = np.argsort(-row, kind="stable")
            found = first_n(order, row, queries.take(asked), self.available_from_, self.cut_, depth)
            items[asked], scores[asked] = found.items, found.scores
        return Candidates(items, scores)

    def _weights(self, queries: Queries) -> ScoreArray:
        """Weight of each feature for each query, float32 [F, U]."""
        stated = self._stated(queries)
        listens = {name for one in self.config.listens for name in (one, f"{one}{LOG}")}
        others = sum(self.weights_[name] for name in self.names if name not in listens)
        rows = []
        for name in self.names:
            plain = self.weights_[name]
            loud = max(self.config.text_boost * others / 2, plain) if name in listens else plain
            rows.append(np.where(stated, loud, plain))
        return np.array(rows, dtype=np.float32).reshape(len(rows), len(queries))

    def with_catalogue(self, catalogue: Catalogue, changed: IntArray) -> Self:
        """A snapshot whose members know the new catalogue; new items are not popular yet."""
        snapshot = super().with_catalogue(catalogue, changed)
        snapshot.trends_ = self.trends_.grown(len(catalogue))
        snapshot.available_from_ = catalogue.available_from
        return snapshot

    def save(self, folder: Path) -> None:
        """Write config.json, one folder a member and the trends into an existing folder."""
        super().save(folder)
        state = {
            **self.trends_.state(),
            "available_from": self.available_from_,
        }
        write_bytes(folder / STATE, to_safetensors(state))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        blend = super().load(folder)
        state = load_file(folder / STATE)
        blend.available_from_ = state.pop("available_from")
        blend.trends_ = Trends.from_state(state, blend.config.windows)
        blend.cut_ = blend.trends_.cut
        return blend


def _scaled(found: Candidates) -> ScoreArray:
    """Scores as shares of the best of each user, 0 to 1; 0 on pads."""
    scores = np.where(found.items >= 0, np.maximum(found.scores, 0.0), 0.0)
    best = scores.max(axis=1, keepdims=True, initial=0.0)
    return np.asarray(scores / np.maximum(best, 1e-12), dtype=np.float32)


def _taken(items: IntArray, relevant: Ragged) -> BoolArray:
    """Which candidates were taken, bool [U, P]."""
    width = int(max(items.max(initial=0), relevant.items.max(initial=0))) + 1
    keys: FloatArray | IntArray = np.arange(len(items))[:, None] * np.int64(width) + np.maximum(items, 0)
    taken: BoolArray = np.isin(keys, relevant.rows * np.int64(width) + relevant.items)
    return taken & (items >= 0)
