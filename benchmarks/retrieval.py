"""Retrieval methods beside the trivial rules on real data: accuracy, gated diversity, time; one JSON object.

Every method is fitted on the train part and chooses what it chooses (half-lives, weights) on validation; with
--refit it is then fitted again on both, as a recommender that goes live would be. It lists the whole
catalogue without what the user has seen. Data sets that may not ship are looked for where ``ZHIYIN_DATA``
says and left out, by name, where they are not.

    python benchmarks/retrieval.py                                        # everything that is there
    python benchmarks/retrieval.py --data movielens-last --seeds 7 8 9
    python benchmarks/retrieval.py --data beauty-last --methods sasrec sasrec-ids
    python benchmarks/retrieval.py --refit --markdown                     # tables for the docs
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import zhiyin as zy
from zhiyin.data import Dataset, Split, Task, held_out_task
from zhiyin.errors import DataError
from zhiyin.evaluate import EvaluationTable, evaluate_lists
from zhiyin.evaluate.intervals import Interval, paired_difference
from zhiyin.logs import configure
from zhiyin.pipeline.background import background_of
from zhiyin.registry import resolve
from zhiyin.retrieve import make_retriever
from zhiyin.retrieve.blend import BlendRetriever
from zhiyin.retrieve.members import Member
from zhiyin.testing.realdata import amazon_beauty, movielens
from zhiyin.types import Retriever

BEGINS = datetime(2011, 10, 26, 11, 36, tzinfo=UTC).timestamp()  # 80th percentile of the baskets
ENDS = datetime(2011, 11, 17, 13, 46, tzinfo=UTC).timestamp()  # 90th


@dataclass(frozen=True)
class Problem:
    """A split, and what is asked of whom; ``params`` by method, chosen on validation."""

    split: Split
    task: Task
    params: dict[str, dict[str, Any]] = field(default_factory=dict)


def shop(*, refit: bool) -> Problem:
    """Users that train knows, asked after the last moment of validation.

    Without refit they are asked as they were known at the end of train, weeks before.
    """
    split = zy.split_at(zy.load_bundled("online-retail"), valid=BEGINS, test=ENDS)
    task = split.task("test") if refit else held_out_task(split.train, split.test)
    known = set(split.train.active_users.tolist())
    users = split.train.index_of_users(task.queries.users)
    rows = np.flatnonzero([user in known for user in users.tolist()])
    return Problem(split, task.take(rows), {"als": {"confidence": 1.0}})


def _last(dataset: Callable[[], Dataset], *, refit: bool) -> Problem:
    del refit  # history and exclusion hold the validation item either way
    split = zy.leave_last_out(dataset())
    return Problem(split, split.task("test"))


def _share(*, refit: bool) -> Problem:
    del refit
    split = zy.split_users_by_time(movielens(), valid=0.1, test=0.2)
    return Problem(split, split.task("test"))


DATA: dict[str, Callable[..., Problem]] = {
    "online-retail": shop,
    "movielens-last": partial(_last, movielens),
    "movielens-time": _share,
    "beauty-last": partial(_last, amazon_beauty),
}
RULES = ("random", "popular", "recent-popular")
CLASSIC = (
    "user-knn", "item-knn", "transitions", "als", "bpr", "ease", "bm25", "semantic", "linear-towers",
)  # fmt: skip
MEMBERS = CLASSIC[:-1]  # what the joined ones join
NEURAL = ("ncf", "lightgcn", "two-tower", "sasrec", "sasrec-ids")
SINGLE = (*CLASSIC, *NEURAL)
JOINED = ("fused", "blend")
BOTH = "blend-neural"  # the same members and networks
ADDED = ("lightgcn", "two-tower", "sasrec")
EVERY = (*SINGLE, *JOINED, BOTH)
IDS = {"text": "none", "words": False}  # nothing is read of items
SHOWN = ("ndcg", "recall", "relevant_vendi_score", "intra_list_distance", "catalogue_coverage")


def made(name: str, problem: Problem, seed: int) -> Retriever[Dataset]:
    """A method by the name of its row."""
    if name not in (*JOINED, BOTH):
        method, params = ("sasrec", IDS) if name == "sasrec-ids" else (name, problem.params.get(name, {}))
        kind = resolve("retriever", method)
        seeded = {"seed": seed} if "seed" in kind.Config.model_fields else {}
        return make_retriever(method, **seeded, **params)
    rules = RULES[1:] if name == "fused" else ()  # a blend knows popularity by itself
    more = ADDED if name == BOTH else ()
    members = [{"method": one, "params": problem.params.get(one, {})} for one in (*rules, *MEMBERS, *more)]
    if name == "fused":
        return make_retriever("fusion", members=members, seed=seed)
    return Reusing(members=members, seed=seed)


class Reusing(BlendRetriever):
    """A blend that takes over networks which are trained already, instead of training the same again."""

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.ready: dict[str, Retriever[Dataset]] = {}

    def _make(self, member: Member) -> Retriever[Dataset]:
        trained = self.ready.get(member.method)
        return super()._make(member) if trained is None else Trained(trained)  # type: ignore[return-value]


@dataclass(frozen=True)
class Trained:
    """A retriever that is fitted already."""

    retriever: Retriever[Dataset]

    def fit(self, *_: Dataset | None) -> Retriever[Dataset]:
        """The retriever, as it is."""
        return self.retriever


def measure(
    problem: Problem, *, names: Sequence[str], seed: int, k: int, refit: bool
) -> tuple[EvaluationTable, dict[str, dict[str, Any]]]:
    """All methods on one problem; and of each the seconds, megabytes and what it chose."""
    split, task = problem.split, problem.task
    known = split.train.joined(split.valid) if refit else split.train
    lists, costs, trained = {}, {}, {}
    for name in (*RULES, *names):
        print(f"{name} ...", file=sys.stderr)
        start = time.perf_counter()
        retriever = made(name, problem, seed)
        if isinstance(retriever, Reusing):
            retriever.ready = trained
        retriever = retriever.fit(split.train, split.valid)
        if name in ADDED:
            trained[name] = copy.copy(retriever)
        if refit:
            retriever = retriever.fit(known)
        fitted = time.perf_counter()
        lists[name] = retriever.retrieve(task.queries, k).items
        costs[name] = {"fit": fitted - start, "recommend": time.perf_counter() - fitted}
        costs[name]["megabytes"] = _megabytes(retriever)
        for choice in ("half_life_", "memory_", "epochs_"):
            if hasattr(retriever, choice):
                costs[name][choice] = str(getattr(retriever, choice))
    table = evaluate_lists(
        lists,
        task.relevant,
        k=k,
        catalogue_size=known.n_items,
        background=background_of(known, task, encoder="minilm-l6", seed=seed),
        baseline="recent-popular",
        seed=seed,
    )
    return table, costs


def _megabytes(retriever: Retriever[Dataset]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        retriever.save(Path(folder))
        return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file()) / 1e6


def above_best(table: EvaluationTable, name: str, metric: str) -> tuple[str, Interval]:
    """The best single method by the metric on test, and how far a joined one stands above it, paired."""
    best = max(
        (one for one in SINGLE if one in table.values),
        key=lambda one: float(np.nanmean(table.values[one][metric])),
    )
    values = table.values[name][metric], table.values[best][metric]
    return best, paired_difference(*values, seed=table.seed)


def markdown(table: EvaluationTable, costs: dict[str, dict[str, Any]]) -> str:
    """One table of the docs."""
    k = table.k
    lines = [
        "| method | "
        + " | ".join(f"{name}@{k}" for name in SHOWN)
        + " | NDCG, paired | fit, s / recommend, s / MB |",
        "| --- " * (len(SHOWN) + 3) + "|",
    ]
    for name in table.names:
        cells = []
        for metric in SHOWN:
            one = table.intervals[name].get(f"{metric}@{k}")
            text = f"{table.overall[name][f'{metric}@{k}']:.3f}" if one is None else ""
            if one is not None:
                text = (
                    f"{one.mean:.4f} [{one.low:.4f}, {one.high:.4f}]"
                    if metric in SHOWN[:2]
                    else f"{one.mean:.3f}"
                )
            cells.append(text)
        gain = table.differences.get(name, {}).get(f"ndcg@{k}")
        mark = "*" if gain is not None and table.significant(name, f"ndcg@{k}") else ""
        paired = "" if gain is None else f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]{mark}"
        spent = costs[name]
        cells += [paired, f"{spent['fit']:.1f} / {spent['recommend']:.1f} / {spent['megabytes']:.1f}"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for one, other, gain in compared(table, k):
        lines.append(f"\n{one} above {other}: {gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}].")
    return "\n".join(lines)


def compared(table: EvaluationTable, k: int) -> list[tuple[str, str, Interval]]:
    """Joined methods beside the best single one, and what networks add to the blend, paired NDCG."""
    found = [(one, *above_best(table, one, f"ndcg@{k}")) for one in (*JOINED, BOTH) if one in table.values]
    if BOTH in table.values and "blend" in table.values:
        values = [table.values[one][f"ndcg@{k}"] for one in (BOTH, "blend")]
        found.append((BOTH, "blend", paired_difference(*values, seed=table.seed)))
    return found


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", choices=list(DATA), default=list(DATA))
    parser.add_argument("--seeds", type=int, nargs="+", default=[7])
    parser.add_argument("--refit", action="store_true", help="fit on train and validation in the end")
    parser.add_argument("--methods", nargs="+", choices=EVERY, default=EVERY)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    configure(level="error", bars=False)
    runs: list[dict[str, Any]] = []
    for name in options.data:
        try:
            problem = DATA[name](refit=options.refit)
        except DataError as error:
            print(f"{name} left out: {error.message}", file=sys.stderr)
            continue
        for seed in options.seeds:
            names = [one for one in EVERY if one in options.methods]  # networks before what joins them
            table, costs = measure(problem, names=names, seed=seed, k=options.k, refit=options.refit)
            if options.markdown:
                print(
                    f"\n{name}, seed {seed}, {table.users_with_truth} users, {table.catalogue_size} items\n"
                )
                print(markdown(table, costs), flush=True)
            gains = [{"of": a, "above": b, **gain.to_dict()} for a, b, gain in compared(table, options.k)]
            runs.append(
                {"data": name, "seed": seed, "costs": costs, "gains": gains, "table": table.to_dict()}
            )
    if not options.markdown:
        machine = {"cpu": platform.processor() or platform.machine(), "cores": psutil.cpu_count()}
        about = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "zhiyin": zy.__version__}
        print(json.dumps({**about, "runs": runs}, indent=1))


if __name__ == "__main__":
    main()
