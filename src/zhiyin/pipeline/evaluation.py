"""Lists of a fitted recommender, stage by stage, and the trivial rules beside them."""

from __future__ import annotations

import difflib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np

from zhiyin import __version__
from zhiyin.config import Recipe
from zhiyin.data import Dataset, Task
from zhiyin.errors import InputError
from zhiyin.evaluate import leaks
from zhiyin.evaluate.intervals import Interval, paired_difference
from zhiyin.evaluate.table import EvaluationTable, evaluate_lists
from zhiyin.pipeline.background import background_of
from zhiyin.pipeline.recommender import Recommender
from zhiyin.pipeline.stages import Trace
from zhiyin.rank.behaviour_ranker import BehaviourRanker
from zhiyin.retrieve import ManyRetrievers, make_retriever
from zhiyin.types import IntArray

__all__ = ["learned", "evaluate_recommender", "evaluate_task", "stage_lists", "step_gains", "trivial_lists"]

STEP = "+ "  # begins the name of each list behind the first
LATER = ("rank", "diversify")
FIRST_STAGE = "retrieved"
LAST_STAGE = "+ explore"


def trivial_lists(known: Dataset, task: Task, n: int, *, seed: int) -> dict[str, IntArray]:
    """Random, popular and recent-popular lists, fitted on what was known."""
    rules = {"random": {"seed": seed}, "popular": {}, "recent-popular": {}}
    return {
        name: make_retriever(name, **params).fit(known).retrieve(task.queries, n).items
        for name, params in rules.items()
    }


def stage_lists(
    recommender: Recommender, task: Task, *, k: int, ranker_alone: bool = False
) -> tuple[dict[str, IntArray], Trace]:
    """The first k places after each stage, in the order of the way, from one run.

    The members of a fusion or blend come first, each alone; with ``ranker_alone`` also the order that the
    ranker gives to the first retrieved candidates without their retrieval score.
    """
    parts = recommender.components
    lists: dict[str, IntArray] = {}
    for name, member in getattr(parts.retriever, "members_", {}).items():
        if name not in {"random", "popular", "recent-popular"}:
            lists[name] = member.retrieve(task.queries, k).items
    trace = recommender.run(task.queries, k=k)
    alone = getattr(parts.ranker, "alone", None)
    if ranker_alone and alone is not None:
        lists["language model's order"] = alone(task.queries, trace.stages["retrieve"]).items[:, :k]
    for stage, candidates in trace.stages.items():
        name = FIRST_STAGE if stage == "retrieve" else _step(recommender.recipe, stage)
        lists[name] = candidates.items[:, :k]
    lists[LAST_STAGE] = trace.slates.items
    return lists, trace


def _step(recipe: Recipe, stage: str) -> str:
    """What the order behind a stage is called: a ranker by its name, since there are several."""
    return STEP + (recipe.stages.rank.method.replace("-", " ") if stage == "rank" else stage)


def list_names(recipe: Recipe) -> list[str]:
    """What ``stage_lists`` calls the lists of a recipe, without fitting it."""
    stages = recipe.stages
    members = [str(member.get("method")) for member in stages.retrieve.params.get("members", [])]
    later = [_step(recipe, stage) for stage in LATER if getattr(stages, stage).active]
    return [*members, FIRST_STAGE, *later, LAST_STAGE]


def check_baseline(baseline: str, names: Sequence[str]) -> None:
    """A baseline is one of the lists.

    Raises
    ------
    InputError
        When it is not; the hint names the nearest.
    """
    if baseline not in names:
        near = difflib.get_close_matches(baseline, names, n=1)
        raise InputError(
            f"The baseline {baseline!r} is not among the lists",
            expected=", ".join(names),
            received=baseline,
            hint=f"Did you mean {near[0]!r}?" if near else "Name one of these.",
        )


def evaluate_recommender(
    recommender: Recommender,
    task: Task,
    *,
    k: int = 10,
    baseline: str = "recent-popular",
    seed: int = 7,
    ranker_alone: bool = False,
    others: Mapping[str, IntArray] | None = None,
    notes: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
) -> tuple[EvaluationTable, dict[str, IntArray], Trace]:
    """Every stage as it is added, beside the trivial rules, on the same users.

    Parameters
    ----------
    recommender : Recommender
        Fitted on what came before the task.
    task : Task
        Held-out questions.
    k : int
        Places that count.
    baseline : str
        The rule that NDCG and recall are paired with.
    ranker_alone : bool
        Add the order of the ranker alone: it is asked even where its learned weight is 0.
    others : Mapping or None
        Lists of other systems, int32 [U, n], to stand beside the stages.
    notes, about
        As in ``evaluate_task``.

    Returns
    -------
    table, lists, trace
        Numbers with intervals; the lists behind them; what the stages did.
    """
    known = recommender.dataset
    lists = trivial_lists(known, task, k, seed=seed)
    own, trace = stage_lists(recommender, task, k=k, ranker_alone=ranker_alone)
    for name, items in (others or {}).items():
        if name in lists or name in own or name.startswith(STEP):
            raise InputError(f"{name!r} is the name of a rule or a stage", hint="Choose another name.")
        lists[name] = items
    lists.update(own)
    table = evaluate_task(
        lists,
        known,
        task,
        k=k,
        baseline=baseline,
        encoder=recommender.recipe.encoder,
        seed=seed,
        notes=notes,
        about=about,
    )
    return table, lists, trace


def evaluate_task(
    lists: Mapping[str, IntArray],
    known: Dataset,
    task: Task,
    *,
    k: int,
    baseline: str,
    encoder: str,
    seed: int,
    notes: Sequence[str] = (),
    about: Mapping[str, Any] | None = None,
) -> EvaluationTable:
    """Lists for one task, checked for leaks, measured with all that is known of items and users.

    ``notes`` and ``about`` (how the lists and the task were made) are added to those of the table.

    Raises
    ------
    LeakError, InputError
    """
    leaks.check_task(task, ids=known.catalogue.ids)
    times = np.full(len(task.queries), known.cut) if task.queries.times is None else task.queries.times
    for name, items in lists.items():
        leaks.check_candidates(
            items[:, :k], times, known.catalogue.available_from, name=name, ids=known.catalogue.ids,
            users=task.queries.users,
        )  # fmt: skip
    table = evaluate_lists(
        lists,
        task.relevant,
        k=k,
        catalogue_size=known.n_items,
        background=background_of(known, task, encoder=encoder, seed=seed),
        baseline=baseline,
        seed=seed,
    )
    return replace(
        table,
        remarks=(*table.remarks, *notes),
        about={**(about or {}), **_about(known, encoder), "exclude_seen": task.queries.exclude_seen},
    )


def _about(known: Dataset, encoder: str) -> dict[str, Any]:
    """What makes the numbers again."""
    return {
        "data": known.fingerprint,
        "cut": known.cut,
        "events": known.n_events,
        "encoder": encoder,
        "zhiyin": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def step_gains(table: EvaluationTable, metric: str) -> dict[str, Interval]:
    """What each stage adds: paired difference from the stage before it, on the same users.

    Returns
    -------
    dict
        Name of a stage -> interval, for every stage behind the first.
    """
    names = list(table.names)
    first = next(place for place, name in enumerate(names) if name.startswith(STEP)) - 1
    return {
        after: paired_difference(table.values[after][metric], table.values[before][metric], seed=table.seed)
        for before, after in pairwise(names[first:])
    }


def learned(recommender: Recommender) -> dict[str, Any]:
    """What was learned on validation, as plain values: weights of retrieval, the ranker's weight.

    ``weight`` is the one in use; ``language_model`` holds each way to ask with its interval.
    """
    parts = recommender.components
    trials = getattr(parts.ranker, "trials_", {})
    joined: dict[str, float] = parts.retriever.weights_ if isinstance(parts.retriever, ManyRetrievers) else {}
    return {
        "weight": getattr(parts.ranker, "weight", 0.0),
        "behaviour": asdict(parts.ranker.blend_) if isinstance(parts.ranker, BehaviourRanker) else None,
        "retrieval": {name: weight for name, weight in joined.items() if weight > 0},
        "language_model": {
            way: {"weight": blend.weight, "low": blend.low, "high": blend.high, "gain": blend.gain,
                  "users": blend.users, "chosen": way == getattr(parts.ranker, "scoring_", None)}
            for way, blend in trials.items()
        },
    }  # fmt: skip
