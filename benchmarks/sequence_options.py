"""What SASRec's options change on real data, one at a time against the defaults; one JSON object.

Every variant is trained on the train part, stopped on validation, and lists the whole catalogue for the test
part of a leave-last-out split. "pretrained-next" and "pretrained-masked" start from a network trained on the
other data sets (the bundled shop and Amazon Beauty, or MovieLens-100K) by their texts. Popularity of what is
listed is the mean of ln(1 + events in train). Data sets that may not ship are looked for where
``ZHIYIN_DATA`` says.

    python benchmarks/sequence_options.py
    python benchmarks/sequence_options.py --data movielens --seeds 7 --variants default ids pretrained-next
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import zhiyin as zy
from zhiyin.data import Dataset
from zhiyin.errors import DataError
from zhiyin.evaluate import bootstrap_mean, ranking
from zhiyin.evaluate.intervals import paired_difference
from zhiyin.logs import configure
from zhiyin.retrieve import make_retriever
from zhiyin.retrieve.neural.pretraining import pretrain
from zhiyin.testing.realdata import amazon_beauty, movielens
from zhiyin.types import FloatArray

DATA: dict[str, Callable[[], Dataset]] = {
    "movielens": movielens,
    "online-retail": lambda: zy.load_bundled("online-retail"),
    "beauty": amazon_beauty,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "ids": {"text": "none", "words": False},
    "text-start": {"text": "start", "words": False},
    "text-add": {"words": False},
    "words-only": {"text": "none"},
    "no-gaps": {"gaps": False},
    "no-dropout": {"dropout": 0.0},
    "smoothing-0.1": {"smoothing": 0.1},
    "propensity-0.25": {"propensity": 0.25},
    "propensity-0.5": {"propensity": 0.5},
    "sampled-512": {"negatives": 512},
}
OBJECTIVES = ("next", "masked")
K = 10


def pretrained(name: str, objective: Any, folder: Path, *, seed: int, epochs: int) -> None:
    """A network trained on all other data sets there are, written into the folder."""
    others = []
    for other, load in DATA.items():
        if other != name:
            try:
                others.append(zy.leave_last_out(load()).train)
            except DataError as error:
                print(f"{other} left out: {error.message}", file=sys.stderr)
    starts = [make_retriever("sasrec", seed=seed) for _ in others]
    pretrain(starts, others, folder, objective=objective, epochs=epochs)


def measure(name: str, variants: Sequence[str], *, seed: int, epochs: int) -> dict[str, Any]:
    """All variants on one data set."""
    split = zy.leave_last_out(DATA[name]())
    task = split.task("test")
    likes = np.log1p(split.train.counts)
    values: dict[str, FloatArray] = {}
    about: dict[str, dict[str, Any]] = {}
    for variant in variants:
        print(f"{name}, seed {seed}: {variant} ...", file=sys.stderr)
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            params = VARIANTS.get(variant, {})
            if variant not in VARIANTS:
                objective = variant.removeprefix("pretrained-")
                pretrained(name, objective, Path(folder), seed=seed, epochs=epochs)
                params = {"pretrained": folder}
            network: Any = make_retriever("sasrec", seed=seed, **params).fit(split.train, split.valid)
        found = network.retrieve(task.queries, K).items
        values[variant] = ranking.ndcg(found, task.relevant, K)
        about[variant] = {
            f"ndcg@{K}": bootstrap_mean(values[variant], seed=seed).to_dict(),
            "coverage": len(np.unique(found[found >= 0])) / split.train.n_items,
            "popularity": float(likes[found[found >= 0]].mean()),
            "epochs": network.epochs_,
            "seconds": time.perf_counter() - start,
        }
        if variant != "default":
            gain = paired_difference(values[variant], values["default"], seed=seed)
            about[variant]["above default"] = gain.to_dict()
    return about


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    every = [*VARIANTS, *(f"pretrained-{one}" for one in OBJECTIVES)]
    parser.add_argument("--data", nargs="+", choices=list(DATA), default=["movielens"])
    parser.add_argument("--variants", nargs="+", choices=every, default=every)
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    parser.add_argument("--epochs", type=int, default=3, help="of pre-training")
    options = parser.parse_args()
    configure(level="error", bars=False)
    variants = ["default", *(one for one in options.variants if one != "default")]
    runs = []
    for name in options.data:
        for seed in options.seeds:
            try:
                told = measure(name, variants, seed=seed, epochs=options.epochs)
            except DataError as error:
                print(f"{name} left out: {error.message}", file=sys.stderr)
                break
            runs.append({"data": name, "seed": seed, "variants": told})
    machine = {"cpu": platform.processor() or platform.machine(), "cores": psutil.cpu_count()}
    about = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "zhiyin": zy.__version__}
    print(json.dumps({**about, "runs": runs}, indent=1))


if __name__ == "__main__":
    main()
