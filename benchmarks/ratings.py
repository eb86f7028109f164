"""Ratings foretold on MovieLens-100K: matrix factorisation and the network beside means; one JSON object.

The newest fifth of each user's ratings is foretold, each one from all that the user rated in the older part.
The rule is the mean + how far the user and the item are from it, shrunk by ten ratings. ``mse`` is the mean
over users of each user's mean squared error, with its interval and the paired difference to the rule's.

    python benchmarks/ratings.py
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from typing import Any

import numpy as np
import psutil

import zhiyin as zy
from zhiyin.data import Dataset, Split
from zhiyin.evaluate import bootstrap_mean
from zhiyin.evaluate.intervals import paired_difference
from zhiyin.logs import configure
from zhiyin.retrieve import make_retriever
from zhiyin.testing.realdata import movielens
from zhiyin.types import FloatArray, IntArray, Ragged

METHODS = ("matrix-factorization", "recommender-model")
SHRINKAGE = 10.0


def means(known: Dataset, histories: Ragged, items: IntArray) -> FloatArray:
    """The rule's ratings, float64 [n]."""
    mean = float(known.matrix.data.mean())
    counts = np.bincount(known.matrix.indices, minlength=known.n_items)
    sums = np.bincount(known.matrix.indices, weights=known.matrix.data, minlength=known.n_items)
    of_items = (sums - mean * counts) / (counts + SHRINKAGE)
    far = histories.values - mean - of_items[histories.items]
    rows = np.bincount(histories.rows, weights=far, minlength=len(histories))
    of_users = rows / (histories.lengths + SHRINKAGE)
    return mean + of_users + of_items[items]


def measure(split: Split, seed: int) -> dict[str, Any]:
    """Errors of everything."""
    known, held = split.train.joined(split.valid), split.test
    users = held.active_users
    later = held.histories(users)
    asked = known.histories(users).take(later.rows)
    values = {"means": means(known, asked, later.items)}
    seconds, epochs = {}, {}
    for name in METHODS:
        start = time.perf_counter()
        model: Any = make_retriever(name, seed=seed).fit(split.train, split.valid)
        values[name] = model.fit(known).predict(asked, later.items)
        seconds[name] = time.perf_counter() - start
        epochs[name] = getattr(model, "epochs_", None)
    errors = {name: (one - later.values) ** 2 for name, one in values.items()}
    sizes = np.bincount(later.rows, minlength=len(users))
    by_user = {
        name: np.bincount(later.rows, weights=one, minlength=len(users)) / sizes
        for name, one in errors.items()
    }
    return {
        "seed": seed,
        "ratings": len(later.items),
        "rmse": {name: float(np.sqrt(one.mean())) for name, one in errors.items()},
        "mse": {name: bootstrap_mean(one, seed=seed).to_dict() for name, one in by_user.items()},
        "mse, paired with the rule": {
            name: paired_difference(by_user[name], by_user["means"], seed=seed).to_dict() for name in METHODS
        },
        "seconds": seconds,
        "epochs": epochs,
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    options = parser.parse_args()
    configure(level="error", bars=False)
    split = zy.split_users_by_time(movielens(least=None), valid=0.1, test=0.2)
    runs = [measure(split, seed) for seed in options.seeds]
    machine = {"cpu": platform.processor() or platform.machine(), "cores": psutil.cpu_count()}
    about = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "zhiyin": zy.__version__}
    print(json.dumps({**about, "runs": runs}, indent=1))


if __name__ == "__main__":
    main()
