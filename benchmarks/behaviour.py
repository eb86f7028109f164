"""Behaviour prediction beside the trivial rules on CoLLM's likes and dislikes; one JSON object.

Fitted on the train part only; its features know of each row only what came before it. The data set may not
ship: it is looked for where ``ZHIYIN_DATA`` says.

    python benchmarks/behaviour.py
    python benchmarks/behaviour.py --part valid       # what choices were made on
    python benchmarks/behaviour.py --with-valid       # fitted on train and validation
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from typing import Any

import polars as pl
import psutil

import zhiyin as zy
from zhiyin.evaluate import prediction
from zhiyin.evaluate.pointwise import evaluate_predictions
from zhiyin.evaluate.rules import pointwise_rules
from zhiyin.rank.behaviour import BehaviourModel
from zhiyin.rank.feedback import features_after, features_within
from zhiyin.testing.collaboration import film_years, rows_of_feedback
from zhiyin.testing.realdata import collm_movielens
from zhiyin.types import FloatArray

RULE = "user mean + item mean"


def groups(rows: pl.DataFrame, scores: dict[str, FloatArray]) -> dict[str, Any]:
    """AUC of warm and cold rows, and how many users have both labels there."""
    warm = rows["not_cold"].to_numpy() == 1
    found: dict[str, Any] = {}
    for name, mask in (("warm", warm), ("cold", ~warm)):
        users, labels = rows["user_id"].to_numpy()[mask], rows["label"].to_numpy()[mask]
        within = {one: prediction.user_auc(users, labels, score[mask]) for one, score in scores.items()}
        found[name] = {
            "rows": int(mask.sum()),
            "users_with_both": len(within[RULE]),
            "auc": {one: prediction.auc(labels, score[mask]) for one, score in scores.items()},
            "user_auc": {one: float(values.mean()) for one, values in within.items()},
        }
    return found


def measure(part: str, *, with_valid: bool, seeds: list[int]) -> dict[str, Any]:
    """Fit on train, ask for a later part."""
    train, rows = collm_movielens("train"), collm_movielens(part)
    if with_valid:
        train = pl.concat([train, collm_movielens("valid")])
    log, asked, items = rows_of_feedback(train), rows_of_feedback(rows), {"year": film_years()}
    start = time.perf_counter()
    features, known = features_within(log, items)
    later = features_after(log, asked, items)
    featured = time.perf_counter()
    rules = pointwise_rules(log.users, log.items, log.labels, asked.users, asked.items)
    scores = dict(rules)
    for seed in seeds:
        model = BehaviourModel(seed=seed).fit(features, {"like": log.labels[known] > 0}, log.times[known])
        scores[f"behaviour, seed {seed}"] = model.predict(later)["like"]
    fitted = time.perf_counter()
    table = evaluate_predictions(scores, asked.users, asked.labels.astype(int), baseline=RULE)
    return {
        "part": part,
        "fitted_on": "train + valid" if with_valid else "train",
        "rows_to_learn_from": len(known),
        "features": len(features),
        "seconds": {"features": featured - start, "fit and predict": (fitted - featured) / len(seeds)},
        "table": table.to_dict(),
        "groups": groups(rows, scores),
        "text": str(table),
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=["valid", "test"], default="test")
    parser.add_argument("--with-valid", action="store_true", help="fit on train and validation")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9])
    options = parser.parse_args()
    machine = {"cpu": platform.processor() or platform.machine(), "cores": psutil.cpu_count()}
    about = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "zhiyin": zy.__version__}
    found = measure(options.part, with_valid=options.with_valid, seeds=options.seeds)
    print(json.dumps({**about, **found}, indent=1))


if __name__ == "__main__":
    main()
