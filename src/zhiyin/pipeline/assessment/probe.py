"""What simple rules reach on this data, and what differences it could show; trains nothing slow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zhiyin.data import Dataset, Split, Task, split_by_time, split_users_by_time
from zhiyin.errors import InputError
from zhiyin.evaluate.hits import find_hits
from zhiyin.evaluate.intervals import Interval, bootstrap_mean
from zhiyin.evaluate.power import detectable_difference, too_small
from zhiyin.evaluate.ranking import METRICS
from zhiyin.retrieve import make_retriever
from zhiyin.types import FloatArray

__all__ = ["Probe", "probe"]

USERS = 3_000
SAME = "all rules get the same for everybody, so how large a difference could be seen cannot be said"
RULES: Mapping[str, Mapping[str, int]] = {
    "random": {"seed": 7}, "popular": {}, "recent-popular": {}, "item-knn": {},
}  # fmt: skip


@dataclass(frozen=True)
class Probe:
    """NDCG of simple rules on one split of the data.

    ``split``: "time", or "users" where a global cut leaves too few users. ``users``: with truth.
    ``detectable``: the smallest true difference in NDCG that so many users would find (80 % power),
    judged by item-knn against the best rule. ``warning``: None where that is small enough.
    """

    split: str
    k: int
    users: int
    ndcg: Mapping[str, Interval]
    best_rule: str
    detectable: float
    warning: str | None
    cold_truth_share: float

    @property
    def silent(self) -> bool:
        """Whether no rule that learns from behaviour finds more than chance does."""
        chance = self.ndcg["random"].high
        return all(self.ndcg[name].mean <= chance for name in ("popular", "recent-popular", "item-knn"))


def probe(dataset: Dataset, *, k: int = 10, seed: int = 7) -> Probe | None:
    """Split, fit the rules and item-knn, and measure; None where the data cannot be split."""
    made = _split(dataset)
    if made is None:
        return None
    way, split = made
    task = split.task("test").sample(USERS, seed=seed)
    known = split.train.joined(split.valid)
    values: dict[str, FloatArray] = {}
    for name, params in RULES.items():
        lists = make_retriever(name, **params).fit(known).retrieve(task.queries, k).items
        values[name] = METRICS["ndcg"](find_hits(lists, task.relevant, k))
    found = {name: bootstrap_mean(one, seed=seed) for name, one in values.items()}
    best = max(("popular", "recent-popular"), key=lambda name: found[name].mean)
    gains = values["item-knn"] - values[best]
    same = not (gains[~np.isnan(gains)] != 0).any()
    return Probe(
        split=way,
        k=k,
        users=found[best].n,
        ndcg=found,
        best_rule=best,
        detectable=float("nan") if same else detectable_difference(gains),
        warning=SAME if same else too_small(gains, found[best].mean),
        cold_truth_share=_cold_truth(known, task),
    )


def _split(dataset: Dataset) -> tuple[str, Split] | None:
    if not dataset.has_times:
        return None
    try:
        split = split_by_time(dataset)
        if len(split.test.active_users) >= 100:
            return "time", split
        return "users", split_users_by_time(dataset, valid=0.1, test=0.2)
    except InputError:
        return None


def _cold_truth(known: Dataset, task: Task) -> float:
    """Share of what must be found that nobody had taken before."""
    items = task.relevant.items
    if len(items) == 0:
        return 0.0
    return float((known.counts[items] == 0).mean())
