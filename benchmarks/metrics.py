"""Ranking metrics of many users beside pytrec_eval-terrier, from the same int32 arrays.

Both start from lists int32 [U, k] and truth as a ``Ragged``; the other library reads dictionaries, whose
building is a part of its time. Rounds alternate. Where the definitions agree (all here; average precision
only for users with at most k relevant items, because trec_eval divides by |R|) the values must be equal
to 1e-9. Prints one JSON object. Bar: ratio >= 1.

    python benchmarks/metrics.py
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable

import numpy as np
import psutil
import pytrec_eval

from zhiyin.evaluate.hits import find_hits
from zhiyin.evaluate.ranking import METRICS
from zhiyin.types import FloatArray, IntArray, Ragged

MEASURES = {
    "ndcg": "ndcg_cut_{k}",
    "recall": "recall_{k}",
    "precision": "P_{k}",
    "hit_rate": "success_{k}",
    "average_precision": "map_cut_{k}",
    "reciprocal_rank": "recip_rank",
}


def data(users: int, items: int, k: int, seed: int) -> tuple[IntArray, Ragged]:
    """Lists of different items, and 1 to 20 relevant ones a user, some of them shown."""
    rng = np.random.default_rng(seed)
    start, step = rng.integers(0, items, users), rng.integers(1, items // (k + 1), users)
    lists = ((start[:, None] + step[:, None] * np.arange(k)) % items).astype(np.int32)
    lengths = rng.integers(1, 21, users)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    rows = np.repeat(np.arange(users), lengths)
    shown = rng.random(len(rows)) < 0.2
    truth = np.where(shown, lists[rows, rng.integers(0, k, len(rows))], rng.integers(0, items, len(rows)))
    n = len(rows)
    columns = (np.zeros(n), np.ones(n, np.float32), np.zeros(n, np.int16))
    return lists, Ragged(offsets, truth.astype(np.int32), *columns)


def ours(lists: IntArray, truth: Ragged, k: int) -> dict[str, FloatArray]:
    """All metrics from one comparison."""
    hits = find_hits(lists, truth, k)
    return {name: metric(hits) for name, metric in METRICS.items()}


def theirs(lists: IntArray, truth: Ragged, k: int) -> dict[str, FloatArray]:
    """The same by dictionaries."""
    scores = [float(k - place) for place in range(k)]
    run = {
        str(user): dict(zip(map(str, row), scores, strict=True)) for user, row in enumerate(lists.tolist())
    }
    wanted = {str(user): dict.fromkeys(map(str, row.tolist()), 1) for user, row in enumerate(truth.lists())}
    measures = {name.format(k=k) for name in MEASURES.values()}
    found = pytrec_eval.RelevanceEvaluator(wanted, measures).evaluate(run)
    return {
        name: np.array([found[str(user)][measure.format(k=k)] for user in range(len(lists))])
        for name, measure in MEASURES.items()
    }


def timed(call: Callable[..., dict[str, FloatArray]], *inputs: object) -> tuple[float, dict[str, FloatArray]]:
    """Seconds and result."""
    start = time.perf_counter()
    found = call(*inputs)
    return time.perf_counter() - start, found


def main() -> None:
    """Compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    lists, truth = data(options.users, options.items, options.k, options.seed)
    seconds: dict[str, list[float]] = {"zhiyin": [], "pytrec_eval": []}
    for _ in range(options.repeats):
        spent, left = timed(ours, lists, truth, options.k)
        seconds["zhiyin"].append(spent)
        spent, right = timed(theirs, lists, truth, options.k)
        seconds["pytrec_eval"].append(spent)
    few = np.array([len(set(row.tolist())) <= options.k for row in truth.lists()])
    agree = {name: few if name == "average_precision" else np.ones_like(few) for name in MEASURES}
    apart = {
        name: float(np.abs(left[name] - right[name])[rows].max(initial=0.0)) for name, rows in agree.items()
    }
    median = {name: float(np.median(values)) for name, values in seconds.items()}
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": {"cpu": platform.processor() or platform.machine(), "cores": psutil.cpu_count()},
        "users": options.users,
        "k": options.k,
        "ratio": round(median["pytrec_eval"] / median["zhiyin"], 2),
        "seconds": {name: round(value, 3) for name, value in median.items()},
        "largest_difference": apart,
        "equal": all(value <= 1e-9 for value in apart.values()),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
