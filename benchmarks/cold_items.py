"""Items that nobody has taken yet: a tenth of the items is hidden with all its events, then asked for.

Each user is asked with what they took of the other items; the truth is what they took of the hidden ones, and
lists hold hidden items only. Beside the methods that read texts stand random lists and the rule "items of
popular categories" (genres where the data has them, else clusters of the titles), and, as the best that a
list for everybody could do, the hidden items that turned out to be taken most. Networks are trained without
validation. One JSON object.

    python benchmarks/cold_items.py
    python benchmarks/cold_items.py --data online-retail --seeds 7
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
import psutil

import zhiyin as zy
from zhiyin.data import Columns, Dataset, Task
from zhiyin.draws import generator, keys_of
from zhiyin.errors import DataError
from zhiyin.evaluate import bootstrap_mean, ranking
from zhiyin.evaluate.intervals import paired_difference
from zhiyin.interest import item_vectors
from zhiyin.logs import configure
from zhiyin.registry import resolve
from zhiyin.retrieve import make_retriever
from zhiyin.testing.realdata import amazon_beauty, movielens
from zhiyin.types import FloatArray, IntArray, Queries

DATA: dict[str, Callable[[], Dataset]] = {
    "online-retail": lambda: zy.load_bundled("online-retail"),
    "movielens": movielens,
    "beauty": amazon_beauty,
}
HIDDEN, K = 0.1, 20
METHODS: dict[str, dict[str, Any]] = {
    "bm25": {},
    "semantic": {},
    "ease": {"texts": True},
    "two-tower": {"forget": 0.5},
    "sasrec": {"forget": 0.5},
    "lightgcn": {},
}
GENRES = "genres"
CLUSTERS = 50


def hide(dataset: Dataset, seed: int) -> tuple[Dataset, Task, IntArray]:
    """Train without the hidden items, the questions about them, and which these are."""
    taken = np.flatnonzero(dataset.counts)
    drawn = generator(seed, 0, stream="cold items").permutation(taken)[: round(HIDDEN * len(taken))]
    hidden = np.sort(drawn).astype(np.int32)
    mine = pl.Series(np.isin(dataset.events[Columns.ITEM].to_numpy(), hidden))
    train, held = dataset.where(~mine, cut=dataset.cut), dataset.where(mine, cut=dataset.cut)
    users = np.intersect1d(train.active_users, held.active_users).astype(np.int32)
    allowed = np.zeros(dataset.n_items, dtype=bool)
    allowed[hidden] = True
    names = tuple(dataset.user_ids[user] for user in users)
    queries = Queries(
        users=names,
        histories=train.histories(users),
        keys=keys_of(names),
        times=np.full(len(users), dataset.cut),
        allowed=allowed,
    )
    return train, Task(queries, held.histories(users)), hidden


def categories(dataset: Dataset, seed: int) -> list[tuple[str, ...]]:
    """Labels of each item."""
    if GENRES in dataset.catalogue.attributes:
        told = dataset.catalogue.attributes[GENRES]
        return [tuple(re.split(r"[|\s]+", str(one or ""))) for one in told]
    from sklearn.cluster import KMeans

    vectors = item_vectors(dataset.catalogue, "minilm-l6")
    found = KMeans(CLUSTERS, n_init=1, random_state=seed).fit_predict(vectors)
    return [(str(one),) for one in found.tolist()]


def by_category(train: Dataset, hidden: IntArray, users: int, seed: int) -> IntArray:
    """Hidden items of the categories whose known items were taken most often, the same for everybody."""
    labels = categories(train, seed)
    total: dict[str, list[float]] = {}
    for item, names in enumerate(labels):
        if train.counts[item]:
            for name in names:
                total.setdefault(name, []).append(float(train.counts[item]))
    means = {name: float(np.mean(counts)) for name, counts in total.items()}
    worth = np.array([np.mean([means.get(name, 0.0) for name in labels[item]]) for item in hidden])
    order = np.argsort(-worth, kind="stable")[:K]
    return np.tile(hidden[order], (users, 1))


def measure(dataset: Dataset, methods: Sequence[str], seed: int) -> dict[str, Any]:
    """Recall@20 of every method, and how many times that of random lists it is."""
    train, task, hidden = hide(dataset, seed)
    values: dict[str, FloatArray] = {}
    for name in ("random", *methods):
        seeded = {"seed": seed} if "seed" in resolve("retriever", name).Config.model_fields else {}
        found = make_retriever(name, **seeded, **METHODS.get(name, {})).fit(train).retrieve(task.queries, K)
        values[name] = ranking.recall(found.items, task.relevant, K)
    rule = by_category(train, hidden, len(task.queries), seed)
    afterwards = hidden[np.argsort(-np.bincount(task.relevant.items, minlength=dataset.n_items)[hidden])[:K]]
    everybody = np.tile(afterwards, (len(task.queries), 1))
    values["most taken, told afterwards"] = ranking.recall(everybody, task.relevant, K)
    values["popular categories"] = ranking.recall(rule, task.relevant, K)
    base, semantic = (float(np.nanmean(values[name])) for name in ("random", "semantic"))
    return {
        "users": len(task.queries),
        "hidden": len(hidden),
        "recall@20": {name: bootstrap_mean(one, seed=seed).to_dict() for name, one in values.items()},
        "times random": {name: float(np.nanmean(one)) / base for name, one in values.items()},
        "above popular categories": {
            name: paired_difference(values[name], values["popular categories"], seed=seed).to_dict()
            for name in methods
        },
        "times semantic": {name: float(np.nanmean(values[name])) / semantic for name in methods},
        "above semantic": {
            name: paired_difference(values[name], values["semantic"], seed=seed).to_dict()
            for name in methods
            if name != "semantic"
        },
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", choices=list(DATA), default=list(DATA))
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    options = parser.parse_args()
    configure(level="error", bars=False)
    methods = [name for name in METHODS if name in {*options.methods, "semantic"}]
    runs = []
    for name in options.data:
        try:
            dataset = DATA[name]()
        except DataError as error:
            print(f"{name} left out: {error.message}", file=sys.stderr)
            continue
        runs += [{"data": name, "seed": seed, **measure(dataset, methods, seed)} for seed in options.seeds]
    machine = {"cpu": platform.processor() or platform.machine(), "cores": psutil.cpu_count()}
    about = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "zhiyin": zy.__version__}
    print(json.dumps({**about, "runs": runs}, indent=1))


if __name__ == "__main__":
    main()
