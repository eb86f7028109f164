"""Retrieval methods beside the trivial rules on real data: accuracy, gated diversity, time; one JSON object.

Every method is fitted on what was known before the question (train and validation) and lists the whole
catalogue without what the user has seen; fusion and blend learn their weights on validation. Data sets
that may not ship are looked for where ``ZHIYIN_DATA`` says and left out, by name, where they are not.

    python benchmarks/retrieval.py                                        # everything that is there
    python benchmarks/retrieval.py --data movielens-last --seeds 7 8 9
    python benchmarks/retrieval.py --markdown                             # tables for the docs
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil

import zhiyin as zy
from zhiyin.data import Split
from zhiyin.errors import DataError
from zhiyin.evaluate import EvaluationTable, evaluate_lists
from zhiyin.logs import configure
from zhiyin.pipeline.background import background_of
from zhiyin.retrieve import make_retriever
from zhiyin.testing.realdata import amazon_beauty, movielens

DATA: dict[str, Callable[[], Split]] = {
    "online-retail": lambda: zy.split_by_time(zy.load_bundled("online-retail")),
    "movielens-last": lambda: zy.leave_last_out(movielens()),
    "movielens-time": lambda: zy.split_users_by_time(movielens(), valid=0.1, test=0.2),
    "beauty-last": lambda: zy.leave_last_out(amazon_beauty()),
}
RULES = ("random", "popular", "recent-popular")
SINGLE = ("user-knn", "item-knn", "als", "bpr", "ease", "bm25", "semantic")
JOINED = ("fused", "blend")
SHOWN = ("ndcg", "recall", "relevant_vendi_score", "intra_list_distance", "catalogue_coverage")


def measure(split: Split, *, seed: int, k: int) -> tuple[EvaluationTable, dict[str, dict[str, float]]]:
    """All methods on one split, and the seconds of each."""
    known, task = split.train.joined(split.valid), split.task("test")
    lists, seconds = {}, {}
    for name in (*RULES, *SINGLE, *JOINED):
        print(f"{name} ...", file=sys.stderr)
        start = time.perf_counter()
        if name in JOINED:
            rules = RULES[1:] if name == "fused" else ()  # a blend knows popularity by itself
            members = [{"method": one} for one in (*rules, *SINGLE)]
            method = "fusion" if name == "fused" else name
            retriever = make_retriever(method, members=members, seed=seed).fit(split.train, split.valid)
        else:
            retriever = make_retriever(name, **({"seed": seed} if name in ("random", "als", "bpr") else {}))
        retriever = retriever.fit(known)
        fitted = time.perf_counter()
        lists[name] = retriever.retrieve(task.queries, k).items
        seconds[name] = {"fit": fitted - start, "recommend": time.perf_counter() - fitted}
    table = evaluate_lists(
        lists,
        task.relevant,
        k=k,
        catalogue_size=known.n_items,
        background=background_of(known, task, encoder="minilm-l6", seed=seed),
        baseline="recent-popular",
        seed=seed,
    )
    return table, seconds


def markdown(table: EvaluationTable, seconds: dict[str, dict[str, float]]) -> str:
    """One table of the docs."""
    k = table.k
    lines = [
        "| method | "
        + " | ".join(f"{name}@{k}" for name in SHOWN)
        + " | NDCG, paired | fit / recommend, s |",
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
        spent = seconds[name]
        cells += [paired, f"{spent['fit']:.1f} / {spent['recommend']:.1f}"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", choices=list(DATA), default=list(DATA))
    parser.add_argument("--seeds", type=int, nargs="+", default=[7])
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    configure(level="error", bars=False)
    runs: list[dict[str, Any]] = []
    for name in options.data:
        try:
            split = DATA[name]()
        except DataError as error:
            print(f"{name} left out: {error.message}", file=sys.stderr)
            continue
        for seed in options.seeds:
            table, seconds = measure(split, seed=seed, k=options.k)
            if options.markdown:
                print(
                    f"\n{name}, seed {seed}, {table.users_with_truth} users, {table.catalogue_size} items\n"
                )
                print(markdown(table, seconds), flush=True)
            runs.append({"data": name, "seed": seed, "seconds": seconds, "table": table.to_dict()})
    if not options.markdown:
        machine = {"cpu": platform.processor() or platform.machine(), "cores": psutil.cpu_count()}
        about = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "zhiyin": zy.__version__}
        print(json.dumps({**about, "runs": runs}, indent=1))


if __name__ == "__main__":
    main()
