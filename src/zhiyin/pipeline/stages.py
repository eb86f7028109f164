"""The stages one after the other, with fallbacks and a trace; knows no HTTP and no SQL.

A stage that fails, answers with something else than a permutation, or runs out of time leaves the
order as it was, and the trace says so.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from zhiyin.data import Dataset
from zhiyin.logs import get_logger
from zhiyin.rank import is_permutation
from zhiyin.types import BoolArray, Candidates, Diversifier, Policy, Queries, Ranker, Retriever, Slates

__all__ = ["Components", "Trace", "fill", "run_stages"]

log = get_logger("pipeline")
Step = Callable[[Queries, Candidates], Candidates]


@dataclass(frozen=True)
class Components:
    """Fitted components; None: the stage is "none"."""

    fallback: Retriever[Dataset]
    policy: Policy
    retriever: Retriever[Dataset] | None = None
    ranker: Ranker | None = None
    diversifier: Diversifier | None = None


@dataclass(frozen=True, eq=False)
class Trace:
    """What each stage made of a batch of queries.

    ``stages``: candidates after "retrieve", "rank", "diversify" (those that ran);
    ``milliseconds`` of each; ``notes``: fallbacks that were taken.
    """

    slates: Slates
    stages: Mapping[str, Candidates]
    milliseconds: Mapping[str, float]
    notes: tuple[str, ...] = field(default=())

    @property
    def candidates(self) -> Candidates:
        """The order that the policy saw."""
        return list(self.stages.values())[-1]


def run_stages(parts: Components, queries: Queries, *, n: int, k: int, seed: int) -> Trace:
    """Retrieve n candidates, rank, diversify, choose k.

    Parameters
    ----------
    parts : Components
    queries : Queries
    n, k : int
        Candidates and places, n >= k >= 1.
    seed : int
        Of the policy's draws.
    """
    spent: dict[str, float] = {}
    notes: list[str] = []
    stages: dict[str, Candidates] = {}
    with _timed(spent, "retrieve"):
        stages["retrieve"] = current = _retrieve(parts, queries, n, notes)
    if parts.ranker is not None:
        with _timed(spent, "rank"):
            stages["rank"] = current = _guarded("rank", parts.ranker.rank, queries, current, notes)
    if parts.diversifier is not None:
        with _timed(spent, "diversify"):
            step = parts.diversifier.reorder
            stages["diversify"] = current = _guarded("diversify", step, queries, current, notes)
    with _timed(spent, "explore"):
        slates = parts.policy.choose(queries, current, k, seed=seed)
    return Trace(slates, stages, spent, tuple(notes))


def fill(candidates: Candidates, spare: Candidates) -> Candidates:
    """Put items of ``spare`` that a row lacks into its empty places, in their order.

    Scores continue below the row's own, so that the order is kept.
    """
    short = np.flatnonzero((candidates.items < 0).any(axis=1))
    if len(short) == 0:
        return candidates
    items, scores = candidates.items.copy(), candidates.scores.copy()
    for row in short:
        own = items[row] >= 0
        fresh = spare.items[row][~np.isin(spare.items[row], items[row][own]) & (spare.items[row] >= 0)]
        empty = np.flatnonzero(~own)[: len(fresh)]
        items[row, empty] = fresh[: len(empty)]
        floor = scores[row][own].min() if own.any() else np.float32(0)
        scores[row, empty] = floor - 1e-3 * np.arange(1, len(empty) + 1, dtype=np.float32)
    return Candidates(items, scores, candidates.features)


def _retrieve(parts: Components, queries: Queries, n: int, notes: list[str]) -> Candidates:
    try:
        found = None if parts.retriever is None else parts.retriever.retrieve(queries, n)
    except Exception as error:  # whatever a component raises, the request is answered
        _failed("retrieve", "popular items instead", error, notes)
        found = None
    if found is not None and any(queries.texts) and not _listens(parts.retriever):
        notes.append("the stated wish was not heard: no retriever of this recipe reads texts")
    if found is not None and (found.items >= 0).all():
        return found
    spare = parts.fallback.retrieve(queries, n)
    return spare if found is None else fill(found, spare)


def _listens(retriever: Retriever[Dataset] | None) -> bool:
    # A retriever that says nothing of texts is taken at its word that it reads them.
    return bool(getattr(retriever, "reads_texts", True))


def _guarded(stage: str, step: Step, queries: Queries, before: Candidates, notes: list[str]) -> Candidates:
    try:
        after = step(queries, before)
        good = is_permutation(before, after)
    except Exception as error:  # whatever a component raises, the request is answered
        _failed(stage, "order kept", error, notes)
        return before
    late = after.features.get(f"{stage}.out_of_time")
    if late is not None and late.any():
        notes.append(
            f"{stage} ran out of time: {int(late.any(axis=1).sum())} of {len(late)} users keep their order"
        )
    if good.all():
        return after
    notes.append(f"{stage} changed the candidates of {int((~good).sum())} users, their order kept")
    log.warning("not a permutation", stage=stage, users=int((~good).sum()))
    return before if before.items.shape != after.items.shape else _rows_of(good, after, before)


def _rows_of(good: BoolArray, after: Candidates, before: Candidates) -> Candidates:
    """The good rows of ``after``, the others of ``before``; features that both have."""
    rows = good[:, None]
    features = {
        name: np.where(rows if values.ndim == 2 else rows[:, :, None], values, before.features[name])
        for name, values in after.features.items()
        if name in before.features
    }
    return Candidates(
        np.where(rows, after.items, before.items), np.where(rows, after.scores, before.scores), features
    )


def _failed(stage: str, instead: str, error: Exception, notes: list[str]) -> None:
    notes.append(f"{stage} failed, {instead}: {_first_line(error)}")
    log.warning("stage failed", stage=stage, kind=type(error).__name__, error=_first_line(error))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def _timed(into: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    into[stage] = (time.perf_counter() - start) * 1000
