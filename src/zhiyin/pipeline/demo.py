"""The quick start: real purchases from files to a report, every stage measured as it is added."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.artifacts import write_text
from zhiyin.config import Recipe, load_recipe
from zhiyin.data import Split, Task, load_bundled, split_by_time
from zhiyin.draws import generator, key_of
from zhiyin.evaluate.table import EvaluationTable
from zhiyin.extras import require
from zhiyin.pipeline.evaluation import evaluate_recommender, learned, step_gains
from zhiyin.pipeline.recommender import Recommender
from zhiyin.pipeline.report import write_report
from zhiyin.types import IntArray

__all__ = ["Demo", "run_demo"]

DATA = "online-retail"
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Demo:
    """What the demo found: the table, the lists behind it, and everything as plain values."""

    table: EvaluationTable
    lists: Mapping[str, IntArray]
    results: Mapping[str, Any]
    report: Path


def run_demo(
    folder: str | Path = "runs/demo",
    *,
    k: int = 10,
    valid_users: int = 60,
    test_users: int = 120,
    shown_users: int = 3,
    overrides: Mapping[str, Any] | None = None,
    say: Say = lambda line: None,
) -> Demo:
    """Load, split, fit, evaluate, describe, recommend, save, report.

    Parameters
    ----------
    folder : path
        Receives ``recommender/``, ``results.json`` and ``report.html``.
    valid_users, test_users : int
        Users on whom the language model learns its weight, and on whom all stages are measured.
    shown_users : int
        Users described and recommended for in the report.
    overrides : Mapping
        Recipe values by dotted key.
    say : callable
        Receives one line a step.
    """
    folder, started = Path(folder), time.monotonic()
    for library in ("jinja2", "plotly"):  # asked for now rather than after minutes of work
        require(library)
    write_text(folder / ".writable", "")
    (folder / ".writable").unlink()
    recipe = load_recipe("retail", _with_examples(overrides, valid_users))
    dataset = load_bundled(DATA)
    say(f"{dataset.n_events:,} events, {dataset.n_users:,} users, {dataset.n_items:,} items")
    split = split_by_time(dataset)
    say("Fitting; the language model learns its weight on validation users")
    recommender = Recommender(recipe).fit(split.train, split.valid)
    task = split.task("test").sample(test_users, seed=recipe.seed)
    say(f"Measuring every stage on {len(task.queries)} test users")
    table, lists, trace = evaluate_recommender(recommender, task, k=k, seed=recipe.seed, ranker_alone=True)
    say(f"Describing and recommending for {shown_users} users")
    shown = _shown(recommender, task, shown_users, k)
    recommender.save(folder / "recommender")
    results = {
        "about": _about(recipe, split, task, k),
        "learned": learned(recommender),
        "table": table.to_dict(),
        "steps": {name: asdict(one) for name, one in step_gains(table, f"ndcg@{k}").items()},
        "milliseconds": dict(trace.milliseconds),
        "notes": [*trace.notes, *dataset.report.notes],
        "users": shown,
        "seconds": round(time.monotonic() - started, 1),
    }
    write_text(folder / "results.json", json.dumps(results, indent=1, ensure_ascii=False))
    report = write_report(folder / "report.html", results)
    return Demo(table, lists, results, report)


def _with_examples(overrides: Mapping[str, Any] | None, users: int) -> dict[str, Any]:
    return {"stages.rank.params.examples": users, **(overrides or {})}


def _about(recipe: Recipe, split: Split, task: Task, k: int) -> dict[str, Any]:
    """Everything that a reader needs to judge or repeat the numbers."""
    return {
        "data": DATA,
        "recipe": recipe.name,
        "seed": recipe.seed,
        "k": k,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "events": {part: getattr(split, part).n_events for part in ("train", "valid", "test")},
        "cuts": {
            "valid": datetime.fromtimestamp(split.train.cut, UTC).strftime("%Y-%m-%d %H:%M"),
            "test": datetime.fromtimestamp(split.valid.cut, UTC).strftime("%Y-%m-%d %H:%M"),
        },
        "items": split.train.n_items,
        "test_users": len(task.queries),
        "without_history": int((task.queries.histories.lengths == 0).sum()),
        "relevant_per_user": round(float(task.relevant.lengths[task.relevant.lengths > 0].mean()), 1),
    }


def _shown(recommender: Recommender, task: Task, n: int, k: int) -> list[dict[str, Any]]:
    """Users with a history long enough to be described, drawn at random."""
    lengths = task.queries.histories.lengths
    rows = np.flatnonzero(lengths >= 10)
    chosen = generator(recommender.recipe.seed, 2, stream="shown").permutation(rows)[:n]
    shown = []
    for row in chosen:
        user = task.queries.users[row] or ""
        slate = recommender.recommend([user], k=k, reasons=True, keys=[key_of(user)])
        taken = set(task.relevant.items[task.relevant.slice(int(row))].tolist())
        places = list(slate)
        for place, item in zip(places, slate.slates.items[0], strict=True):
            place["taken"] = int(item) in taken
        shown.append({"description": recommender.describe(user).to_dict(), "slate": places})
    return shown
