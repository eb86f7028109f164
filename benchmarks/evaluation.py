"""How long a whole evaluation takes: ten systems, 5,000 users, all metrics, groups and intervals.

Lists, truth and background are made up; only the time counts. Prints one JSON object. Bar: under 60 s.

    python benchmarks/evaluation.py
"""

from __future__ import annotations

import argparse
import json
import platform
import time

import numpy as np
import psutil

from zhiyin.evaluate import TRIVIAL_RULES, Background, activity_quartiles, evaluate_lists
from zhiyin.evaluate.diversity import catalogue_clusters, centred
from zhiyin.types import Ragged


def main() -> None:
    """Make up, evaluate, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--systems", type=int, default=10)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--items", type=int, default=3_000)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    users, items = options.users, options.items
    vectors = centred(rng.normal(size=(items, 384)).astype(np.float32))
    lengths = rng.integers(0, 60, users)
    start = time.perf_counter()
    background = Background(
        vectors=vectors,
        clusters=catalogue_clusters(vectors, seed=options.seed),
        popularity=rng.uniform(0.001, 1, items),
        histories=Ragged.from_lists([rng.integers(0, items, n) for n in lengths]),
        cold_items=rng.random(items) < 0.1,
        groups={"activity": activity_quartiles(lengths), "country": rng.choice(list("abcde"), users)},
    )
    clustered = time.perf_counter() - start
    truth = Ragged.from_lists([rng.choice(items, n, replace=False) for n in rng.integers(0, 12, users)])
    names = [*TRIVIAL_RULES, *(f"system {n}" for n in range(options.systems))]
    lists = {
        name: rng.permuted(np.tile(np.arange(items, dtype=np.int32), (users, 1)), axis=1)[:, : options.k]
        for name in names
    }
    start = time.perf_counter()
    table = evaluate_lists(
        lists, truth, k=options.k, catalogue_size=items, background=background, baseline="popular"
    )
    spent = time.perf_counter() - start
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": {"cpu": platform.processor() or platform.machine(), "cores": psutil.cpu_count()},
        "systems": len(names),
        "users": users,
        "metrics": len(table.intervals[names[0]]) + len(table.overall[names[0]]),
        "seconds": round(spent, 2),
        "clusters_seconds": round(clustered, 2),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
