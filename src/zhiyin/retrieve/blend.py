"""Several retrievers and the popularity of late joined as what was taken teaches."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator
from safetensors.numpy import load_file
from safetensors.numpy import save as to_safetensors

from zhiyin.artifacts import write_bytes
from zhiyin.data import Catalogue, Dataset, Task
from zhiyin.errors import NotFittedError
from zhiyin.retrieve.boosting import Trees
from zhiyin.retrieve.choice import choice_weights
from zhiyin.retrieve.members import ManyRetrievers, MemberConfig
from zhiyin.retrieve.pooling import pool_values
from zhiyin.retrieve.selection import first_n, top_n
from zhiyin.retrieve.trends import Places, Trends
from zhiyin.types import BoolArray, Candidates, FloatArray, IntArray, Queries, Ragged, ScoreArray

__all__ = ["BlendRetriever"]

CHUNK_USERS = 512
SCREENING_USERS = 1000
FLOOR = 0.02  # of a member's best score, from which on its logarithm counts
LOG = "-log"
RISING, TREES = "rising", "trees"
STATE = "blend.safetensors"


class BlendRetriever(ManyRetrievers):
    """Score = weighted sum of the members' scores, of the item's popularity lately, and of trees over both.

    Of each member count its score as a share of its best for the user, and the logarithm of that (from
    ``FLOOR`` on, 0 to 1); of the item ln(1 + events) in the last ``windows`` days before the question and
    in all time, as shares of the largest, and by how much it is more popular in a window than in a longer
    one. Candidates are the first ``depth`` of each member and of each window; a first sum keeps the best
    ``depth`` of them, among which the weights are learned that count. Boosted trees over the same features
    are one feature more. All weights are non-negative and maximise the likelihood of what users took on
    validation among the candidates (``choice_weights``); without validation members and popularity count
    alike. Contributions are kept as features ``retrieve.<member>``, ``retrieve.popularity`` and
    ``retrieve.trees``. Where the user states a wish, the members named in ``listens`` weigh ``text_boost``
    times all others together, and trees, which have seen no wishes, keep silent.
    """

    class Config(MemberConfig):
        """``windows`` in days, ``trees`` (0: none), and what all joined retrievers have."""

        windows: tuple[Annotated[float, Field(ge=1, le=36_500)], ...] = (3.0, 10.0, 30.0, 100.0)
        trees: int = Field(default=75, ge=0)

        @model_validator(mode="after")
        def _check(self) -> Self:
            if list(self.windows) != sorted(set(self.windows)):
                raise ValueError("windows must rise, such as [3, 10, 30]")
            if any(member.weight for member in self.members):
                raise ValueError("a blend learns its weights; give them to a fusion, or 0 to leave one out")
            return self

    learn_users: ClassVar[int] = 5000

    config: Config

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        self.screen_: dict[str, float] = {}
        self.trees_: Trees | None = None

    def _learn(self, train: Dataset, task: Task | None) -> None:
        self.available_from_, self.cut_ = train.catalogue.available_from, train.cut
        self.trends_ = Trends.of(train, self.config.windows)
        if task is not None:
            self._learn_weights(task)
        if not any(self.weights_.values()):
            plain = {name: float(not name.startswith(RISING)) for name in self.names}
            self.screen_, self.weights_, self.trees_ = plain, {**plain, TREES: 0.0}, None

    def _learn_weights(self, task: Task) -> None:
        few = task.sample(SCREENING_USERS, seed=self.config.seed)
        items, features = self._candidates(few.queries, self.config.depth, screened=False)
        found = choice_weights(features, items >= 0, _taken(items, few.relevant))
        self.screen_ = dict(zip(self.names, found.tolist(), strict=True))
        items, features = self._screened_task(task)
        taken = _taken(items, task.relevant)
        grown = None
        if self.config.trees:
            grown = Trees.grow(features, items, taken, rounds=self.config.trees, seed=self.config.seed)
        self.trees_, bent = grown or (None, np.zeros(items.shape, dtype=np.float32))
        found = choice_weights(np.concatenate([features, bent[None]]), items >= 0, taken)
        self.weights_ = dict(zip([*self.names, TREES], found.tolist(), strict=True))

    def _screened_task(self, task: Task) -> tuple[IntArray, ScoreArray]:
        """The best candidates of all users of the task, by the first sum; pads on the right."""
        depth = self.config.depth
        items = np.full((len(task.queries), depth), -1, dtype=np.int32)
        features = np.zeros((len(self.names), len(task.queries), depth), dtype=np.float32)
        start = 0
        for part in task.queries.chunks(CHUNK_USERS):
            found, told = self._candidates(part, depth)
            rows = slice(start, start + len(part))
            items[rows, : found.shape[1]], features[:, rows, : found.shape[1]] = found, told
            start += len(part)
        return items, features

    @property
    def names(self) -> list[str]:
        """What the features are called, in their order; those of the trees come behind them."""
        scores = [name for member in self.members_ for name in (member, f"{member}{LOG}")]
        windows = [*(f"-{days:g}" for days in self.config.windows), ""]
        rising = [f"{RISING}{a}{b}" for a, b in combinations(windows, 2)]
        return [*scores, *(f"popularity{window}" for window in windows), *rising]

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
        stated = self._stated(queries)
        items, features = self._candidates(queries, max(self.config.depth, n))
        shares = features * self._weights(self.weights_, stated)[:, :, None]
        if self.trees_ is not None and self.weights_[TREES] and not stated.all():
            heard = (items >= 0) & ~stated[:, None]
            bent = self.weights_[TREES] * self.trees_(features, heard)
            shares = np.concatenate([shares, bent[None]])
        total = np.where(items >= 0, shares.sum(axis=0), -np.inf).astype(np.float32)
        found = top_n(total, n)
        places = np.maximum(found.items, 0)
        chosen = np.where(found.items >= 0, np.take_along_axis(items, places, axis=1), -1)
        kept = shares[:, np.arange(len(queries))[:, None], places].astype(np.float32)
        kept[:, found.items < 0] = 0
        parts = {f"retrieve.{name}": kept[2 * at] + kept[2 * at + 1] for at, name in enumerate(self.members_)}
        parts["retrieve.popularity"] = kept[2 * len(self.members_) : len(self.names)].sum(axis=0)
        parts[f"retrieve.{TREES}"] = kept[len(self.names) :].sum(axis=0)
        return Candidates(chosen.astype(np.int32), found.scores, parts)

    def _candidates(
        self, queries: Queries, depth: int, *, screened: bool = True
    ) -> tuple[IntArray, ScoreArray]:
        """Candidates int32 [U, P], ascending, -1 pads, and their features float32 [F, U, P].

        ``screened``: only the ``depth`` of each user with the largest first sum.
        """
        lists = [member.retrieve(queries, depth) for member in self.members_.values()]
        values = [_scaled(one) for one in lists]
        times = np.full(len(queries), self.cut_) if queries.times is None else queries.times
        days = self.trends_.day(times)
        known = {day: self.trends_.before(day) for day in np.unique(days).tolist()}
        for window in range(len(self.config.windows) + 1):
            lately = {day: (rows[window], order[window]) for day, (rows, order) in known.items()}
            late = self._popular(queries, days, lately, depth)
            lists.append(late)
            values.append(np.zeros_like(late.scores))
        pool = pool_values(lists, values)
        items, own = pool.items, pool.shares[: len(self.members_)]
        rising = {day: _with_rising(rows) for day, (rows, _) in known.items()}
        if screened and items.shape[1] > depth:
            total = self._first_sum(items, own, days, rising, self._stated(queries))
            best = top_n(total, depth).items
            places = np.sort(np.where(best >= 0, best, items.shape[1] - 1), axis=1)  # pads are on the right
            items = np.take_along_axis(items, places, axis=1)
            own = np.take_along_axis(own, places[None], axis=2)
        features = np.zeros((len(self.names), *items.shape), dtype=np.float32)
        scores, popular = np.split(features, [2 * len(self.members_)])
        scores[0::2], scores[1::2] = own, _logarithms(own)
        for day, rows in rising.items():
            asked = np.flatnonzero(days == day)
            popular[:, asked] = rows[:, np.maximum(items[asked], 0)]
        features[:, items < 0] = 0
        return items, features

    def _first_sum(
        self,
        items: IntArray,
        own: ScoreArray,
        days: IntArray,
        rising: Mapping[int, ScoreArray],
        stated: BoolArray,
    ) -> ScoreArray:
        """The sum that screens the pool, float32 [U, P], -inf on pads; without its features."""
        weights = self._weights(self.screen_, stated)
        lists, late = np.split(weights, [2 * len(self.members_)])
        total = np.zeros(items.shape, dtype=np.float32)
        for at, share in enumerate(own):
            if lists[2 * at].any():
                total += lists[2 * at][:, None] * share
            if lists[2 * at + 1].any():
                total += lists[2 * at + 1][:, None] * _logarithms(share)
        for day, rows in rising.items():
            asked = np.flatnonzero(days == day)
            # One weight of an item's popularity holds for all: the stated wish makes others louder.
            total[asked] += (late[:, asked[0]] @ rows)[np.maximum(items[asked], 0)]
        total[items < 0] = -np.inf
        return total

    def _popular(
        self, queries: Queries, days: IntArray, lately: Mapping[int, tuple[ScoreArray, Places]], depth: int
    ) -> Candidates:
        """The most popular items of each query's day; by day popularity [n_items] and the order of it."""
        items = np.full((len(queries), depth), -1, dtype=np.int32)
        scores = np.full((len(queries), depth), -np.inf, dtype=np.float32)
        for day, (row, order) in lately.items():
            asked = np.flatnonzero(days == day)
            found = first_n(order, row, queries.take(asked), self.available_from_, self.cut_, depth)
            items[asked], scores[asked] = found.items, found.scores
        return Candidates(items, scores)

    def _weights(self, learned: Mapping[str, float], stated: BoolArray) -> ScoreArray:
        """Weight of each feature for each query, float32 [F, U]; louder for those who listen."""
        listens = {name for one in self.config.listens for name in (one, f"{one}{LOG}")}
        others = sum(learned[name] for name in self.names if name not in listens)
        rows = []
        for name in self.names:
            plain = learned[name]
            loud = max(self.config.text_boost * others / 2, plain) if name in listens else plain
            rows.append(np.where(stated, loud, plain))
        return np.array(rows, dtype=np.float32).reshape(len(rows), len(stated))

    def with_catalogue(self, catalogue: Catalogue, changed: IntArray) -> Self:
        """A snapshot whose members know the new catalogue; new items are not popular yet."""
        snapshot = super().with_catalogue(catalogue, changed)
        snapshot.trends_ = self.trends_.grown(len(catalogue))
        snapshot.available_from_ = catalogue.available_from
        return snapshot

    def save(self, folder: Path) -> None:
        """Write config.json, one folder a member and what was learned into an existing folder."""
        super().save(folder)
        state = {
            **self.trends_.state(),
            "available_from": self.available_from_,
            "screen": np.array([self.screen_[name] for name in self.names]),
            **({} if self.trees_ is None else self.trees_.state()),
        }
        write_bytes(folder / STATE, to_safetensors(state))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        blend = super().load(folder)
        state = load_file(folder / STATE)
        blend.available_from_ = state["available_from"]
        blend.screen_ = dict(zip(blend.names, state["screen"].tolist(), strict=True))
        blend.trees_ = Trees.from_state(state) if TREES in state else None
        blend.trends_ = Trends.from_state(state, blend.config.windows)
        blend.cut_ = blend.trends_.cut
        return blend


def _scaled(found: Candidates) -> ScoreArray:
    """Scores as shares of the best of each user, 0 to 1; 0 on pads."""
    scores = np.where(found.items >= 0, np.maximum(found.scores, 0.0), 0.0)
    best = scores.max(axis=1, keepdims=True, initial=0.0)
    return np.asarray(scores / np.maximum(best, 1e-12), dtype=np.float32)


def _logarithms(shares: ScoreArray) -> ScoreArray:
    """Of shares, from ``FLOOR`` on, 0 to 1."""
    return np.asarray(np.log(np.maximum(shares, FLOOR) / FLOOR) / np.log(1 / FLOOR), dtype=np.float32)


def _with_rising(popularity: ScoreArray) -> ScoreArray:
    """Popularity by window, shortest first, and how much more there is in each than in each longer one."""
    pairs = combinations(popularity, 2)
    return np.stack([*popularity, *(np.maximum(short - long, 0.0) for short, long in pairs)])


def _taken(items: IntArray, relevant: Ragged) -> BoolArray:
    """Which candidates were taken, bool [U, P]."""
    width = int(max(items.max(initial=0), relevant.items.max(initial=0))) + 1
    keys: FloatArray | IntArray = np.arange(len(items))[:, None] * np.int64(width) + np.maximum(items, 0)
    taken: BoolArray = np.isin(keys, relevant.rows * np.int64(width) + relevant.items)
    return taken & (items >= 0)
