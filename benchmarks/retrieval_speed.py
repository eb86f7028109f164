"""How fast retrieval is beside straightforward ways, and how much memory EASE needs; one JSON object.

Baseline and contender take turns in one process, the median of several rounds counts; ratios above 1: ours is
faster. Memory is the peak of a process of its own.

    python benchmarks/retrieval_speed.py
    python benchmarks/retrieval_speed.py --skip memory
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import psutil
from scipy import sparse

import zhiyin as zy
from zhiyin.data import Dataset
from zhiyin.draws import keys_of
from zhiyin.logs import configure
from zhiyin.retrieve import make_retriever
from zhiyin.retrieve.index import VectorIndex
from zhiyin.types import Queries

ROUNDS = 5
SIZES = (3_000, 12_000, 50_000)


def turns(baseline: Callable[[], object], contender: Callable[[], object], rounds: int) -> dict[str, float]:
    """Median seconds of both, and baseline / contender."""
    spent: tuple[list[float], list[float]] = ([], [])
    for call in (baseline, contender):
        call()
    for _ in range(rounds):
        for seconds, call in zip(spent, (baseline, contender), strict=True):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
    theirs, ours = (statistics.median(seconds) for seconds in spent)
    return {"baseline_s": theirs, "contender_s": ours, "ratio": theirs / ours}


def everybody(dataset: Dataset) -> Queries:
    """One question a user."""
    users = dataset.active_users
    names = tuple(dataset.user_ids[user] for user in users)
    return Queries(users=names, histories=dataset.histories(users), keys=keys_of(names))


def top_hundred(dataset: Dataset, rounds: int) -> dict[str, float]:
    """The first 100 for every user, each solved from the history: implicit's ``recommend`` beside ALS here.

    Both have the same item factors, leave out what was seen, and use all threads.
    """
    from implicit.cpu.als import AlternatingLeastSquares

    als = make_retriever("als", half_life=np.inf, memory=np.inf).fit(dataset)
    config = als.config  # type: ignore[attr-defined]
    theirs = AlternatingLeastSquares(
        factors=config.factors, regularization=config.regularisation, alpha=config.confidence
    )
    users = dataset.active_users
    known = sparse.csr_matrix(dataset.matrix[users])
    theirs.item_factors = als.item_factors_  # type: ignore[attr-defined]
    theirs.user_factors = np.zeros((len(users), config.factors), dtype=np.float32)
    ids = np.arange(len(users))

    def library() -> object:
        return theirs.recommend(ids, known, N=100, filter_already_liked_items=True, recalculate_user=True)

    queries = everybody(dataset)
    found = turns(library, lambda: als.retrieve(queries, 100), rounds)
    same = [
        len(np.intersect1d(a, b)) / 100
        for a, b in zip(library()[0], als.retrieve(queries, 100).items, strict=True)  # type: ignore[index]
    ]
    return {"users": len(users), **found, "same_items": float(np.mean(same))}


def index_queries(rounds: int) -> dict[str, dict[str, float]]:
    """Questions to an index beside the same questions to faiss itself."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(200, 64))
    vectors = (centres[rng.integers(200, size=100_000)] + 0.7 * rng.normal(size=(100_000, 64))).astype(
        np.float32
    )
    found = {}
    for kind in ("exact", "hnsw"):
        index = VectorIndex.of(vectors, kind=kind)
        plain, params = index._index, index._params(None)
        for size in (1, 256):
            asked = np.ascontiguousarray(vectors[:size])
            many = max(1, 64 // size)

            def faiss_itself(
                asked: Any = asked, many: int = many, plain: Any = plain, params: Any = params
            ) -> None:
                for _ in range(many):
                    plain.search(asked, 100, params=params)

            def ours(asked: Any = asked, many: int = many, index: VectorIndex = index) -> None:
                for _ in range(many):
                    index.search(asked, 100)

            found[f"{kind}, {size} at a time"] = {
                **turns(faiss_itself, ours, rounds),
                "recall@100": index.recall,
            }
    return found


def ease_fit(dataset: Dataset, rounds: int) -> dict[str, float]:
    """EASE here beside the five lines of numpy that the paper prints."""
    matrix = dataset.matrix

    def numpy_lines() -> np.ndarray:
        dense = matrix.toarray().astype(np.float64)
        gram = dense.T @ dense
        gram[np.diag_indices(len(gram))] += 300.0
        inverse = np.linalg.inv(gram)
        weights = inverse / -np.diag(inverse)
        weights[np.diag_indices(len(gram))] = 0.0
        return weights

    ease = make_retriever("ease", regularisation=300.0)
    found = turns(numpy_lines, lambda: ease.fit(dataset), rounds)
    gap = np.abs(numpy_lines() - ease.weights_).max()  # type: ignore[attr-defined]
    return {"items": dataset.n_items, **found, "largest_difference": float(gap)}


def made_up(items: int) -> Dataset:
    """20,000 users with 20 events each, popular items more often."""
    import polars as pl

    rng = np.random.default_rng(7)
    users = np.repeat(np.arange(20_000), 20)
    taken = (items * rng.random(len(users)) ** 2).astype(np.int64)
    frame = pl.DataFrame({"user_id": users, "item_id": taken, "timestamp": rng.random(len(users)) * 1e7})
    catalogue = pl.DataFrame({"item_id": np.arange(items), "title": [f"item {n}" for n in range(items)]})
    return Dataset.from_frames(frame, catalogue)


def memory(items: int) -> dict[str, Any]:
    """Peak memory of fitting EASE on so many items and answering 64 users, in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--only-memory", str(items)], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def only_memory(items: int) -> dict[str, Any]:
    """What ``memory`` runs."""
    import resource

    dataset = made_up(items)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    start = time.perf_counter()
    ease = make_retriever("ease").fit(dataset)
    seconds = time.perf_counter() - start
    ease.retrieve(everybody(dataset).take(np.arange(64)), 100)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    state = sum(array.nbytes for array in ease._state().values()) / 1e6  # type: ignore[attr-defined]
    kind = "low-rank" if ease.approximate_ else "exact"  # type: ignore[attr-defined]
    return {"kind": kind, "fit_s": seconds, "data_MB": before, "peak_MB": peak, "model_MB": state}


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--skip", nargs="*", default=[], choices=["top", "index", "ease", "memory"])
    parser.add_argument("--only-memory", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    configure(level="error", bars=False)
    if options.only_memory:
        print(json.dumps(only_memory(options.only_memory)))
        return
    shop = zy.load_bundled("online-retail")
    found: dict[str, Any] = {}
    if "top" not in options.skip:
        found["top 100 of all users, implicit / ours"] = top_hundred(shop, options.rounds)
    if "index" not in options.skip:
        found["index, faiss / ours"] = index_queries(options.rounds)
    if "ease" not in options.skip:
        found["EASE, numpy / ours"] = ease_fit(shop, options.rounds)
    if "memory" not in options.skip:
        found["EASE, memory"] = {str(items): memory(items) for items in SIZES}
    machine = {"cpu": platform.processor() or platform.machine(), "cores": psutil.cpu_count()}
    about = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "zhiyin": zy.__version__}
    print(json.dumps({**about, "faiss": faiss.__version__, **found}, indent=1))


if __name__ == "__main__":
    main()
