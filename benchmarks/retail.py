"""The full table on the bundled shop: every test user, every stage, several seeds; one JSON object.

    python benchmarks/retail.py                  # all stages but the language model: about a minute
    python benchmarks/retail.py --users 400      # with the language model, on 400 test users
    python benchmarks/retail.py --users 0        # with the language model, on all test users (long)

Retrievers are fitted on everything before the test; weights are learned on validation. The baseline
of the paired differences is recent-popular. Seeds change the drawn users, the fit of ALS and
exploration.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from datetime import UTC, datetime
from typing import Any

import zhiyin as zy
from zhiyin.pipeline import evaluate_recommender
from zhiyin.pipeline.evaluation import step_gains

NONE = {"stages.rank.method": "none"}


def measure(split: zy.Split, *, users: int | None, seed: int, examples: int, k: int) -> dict[str, Any]:
    """One run of the recipe."""
    overrides: dict[str, Any] = {"seed": seed}
    overrides |= NONE if users is None else {"stages.rank.params.examples": examples}
    start = time.perf_counter()
    recommender = zy.Recommender.from_recipe("retail", overrides).fit(split.train, split.valid)
    fitted = time.perf_counter() - start
    task = split.task("test")
    if users:
        task = task.sample(users, seed=seed)
    table, _, trace = evaluate_recommender(recommender, task, k=k, seed=seed, ranker_alone=users is not None)
    ranker = recommender.components.ranker
    return {
        "seed": seed,
        "fit_seconds": round(fitted, 1),
        "evaluate_seconds": round(time.perf_counter() - start - fitted, 1),
        "fusion_weights": getattr(recommender.components.retriever, "weights_", {}),
        "language_model_weights": {way: str(blend) for way, blend in getattr(ranker, "trials_", {}).items()},
        "milliseconds": {stage: round(value, 1) for stage, value in trace.milliseconds.items()},
        "steps": {name: str(gain) for name, gain in step_gains(table, f"ndcg@{k}").items()},
        "table": table.to_dict(),
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=None, help="with the language model, on so many users")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7])
    parser.add_argument("--examples", type=int, default=60, help="validation users for the blend")
    parser.add_argument("-k", type=int, default=10)
    options = parser.parse_args()
    split = zy.split_by_time(zy.load_bundled("online-retail"))
    runs = [
        measure(split, users=options.users, seed=seed, examples=options.examples, k=options.k)
        for seed in options.seeds
    ]
    found = {
        "benchmark": "retail",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "zhiyin": zy.__version__,
        "runs": runs,
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
