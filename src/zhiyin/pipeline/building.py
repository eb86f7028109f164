"""From a recipe to fitted components; the one place that knows which stage needs what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from zhiyin.config import Recipe, Stage
from zhiyin.data import Catalogue, Dataset, Task, held_out_task
from zhiyin.diversify import EmbeddingDiversifier
from zhiyin.draws import generator
from zhiyin.explore import make_policy
from zhiyin.interest import encode_texts, item_cards, item_vectors
from zhiyin.logs import get_logger
from zhiyin.pipeline.stages import Components, fill
from zhiyin.registry import resolve
from zhiyin.retrieve import ManyRetrievers, make_retriever, updated_component
from zhiyin.types import (
    BoolArray,
    Candidates,
    Diversifier,
    IntArray,
    Policy,
    Ragged,
    Ranker,
    RankingExamples,
    Retriever,
)

__all__ = ["fit_components", "policy_of", "ranking_examples", "retriever_of", "update_components"]

log = get_logger("pipeline")
FALLBACK = Stage(method="recent-popular")
EXAMPLES = 1000
FEW = 0.3  # of the users, who can be left out of the teaching


def fit_components(recipe: Recipe, train: Dataset, valid: Dataset | None) -> Components:
    """Fit every stage of a recipe.

    Retrievers learn from ``train``; with ``valid`` fusion and blend learn to join, and the ranker its weight
    from what would have been shown to users that taught them nothing. Then (``recipe.refit``) the retrievers
    learn once more from both parts.
    """
    known = train if valid is None else train.joined(valid)
    retriever = retriever_of(recipe)
    fallback: Retriever[Dataset] = make_retriever(FALLBACK.method, **FALLBACK.params).fit(train)
    if retriever is not None:
        retriever.fit(train, valid)
    ranker = _ranker(recipe, train, valid, retriever, fallback)
    if recipe.refit and valid is not None:
        fallback.fit(known)
        if retriever is not None:
            retriever.fit(known)
    return Components(
        fallback=fallback,
        policy=policy_of(recipe),
        retriever=retriever,
        ranker=ranker,
        diversifier=_diversifier(recipe, known),
    )


def update_components(
    parts: Components, catalogue: Catalogue, changed: IntArray, *, encoder: str
) -> Components:
    """Snapshots of the stages for a changed catalogue; what learns from behaviour stays as it is."""
    diversifier = parts.diversifier
    if isinstance(diversifier, EmbeddingDiversifier) and len(changed):
        vectors = encode_texts(item_cards(catalogue, changed), encoder)
        diversifier = diversifier.with_vectors(changed, vectors)
    retriever = parts.retriever
    return replace(
        parts,
        fallback=updated_component(parts.fallback, catalogue, changed),
        retriever=None if retriever is None else updated_component(retriever, catalogue, changed),
        diversifier=diversifier,
    )


def policy_of(recipe: Recipe) -> Policy:
    """The policy of a recipe; "none" is greedy."""
    stage = recipe.stages.explore
    policy: Policy = make_policy(stage.method if stage.active else "greedy", **stage.params)
    return policy


def ranking_examples(
    task: Task, candidates: Candidates, known: Dataset, held: Dataset | None = None
) -> RankingExamples:
    """Candidates with the answer to "did the user take it afterwards?"; ``held`` tells in which ways."""
    behaviours = {}
    if held is not None:
        later = held.histories(held.index_of_users(task.queries.users))
        for code, kind in enumerate(held.event_types):
            behaviours[kind] = _met(candidates, later.keep(later.events == code), known.n_items)
    return RankingExamples(
        task.queries,
        candidates,
        _met(candidates, task.relevant, known.n_items),
        known.catalogue.titles,
        known.catalogue.prices,
        behaviours,
        known.histories(),
    )


def _met(candidates: Candidates, events: Ragged, n_items: int) -> BoolArray:
    """Which candidates are among each user's events, bool [U, n]."""
    found = np.zeros((len(candidates), n_items), dtype=bool)
    found[events.rows, events.items] = True
    met: BoolArray = np.take_along_axis(found, np.maximum(candidates.items, 0), axis=1)
    return met & (candidates.items >= 0)


def retriever_of(recipe: Recipe) -> Retriever[Dataset] | None:
    """The unfitted retriever of a recipe; None: it has none."""
    stage = recipe.stages.retrieve
    if not stage.active:
        return None
    kind = resolve("retriever", stage.method)
    return make_retriever(stage.method, **{**_known(kind, {"seed": recipe.seed}), **stage.params})


def _known(kind: type, values: dict[str, object]) -> dict[str, object]:
    """The recipe's values that a component has a parameter for."""
    fields = getattr(getattr(kind, "Config", None), "model_fields", {})
    return {name: value for name, value in values.items() if name in fields}


def _ranker(
    recipe: Recipe,
    train: Dataset,
    valid: Dataset | None,
    retriever: Retriever[Dataset] | None,
    fallback: Retriever[Dataset],
) -> Ranker | None:
    stage = recipe.stages.rank
    if not stage.active:
        return None
    kind = resolve("ranker", stage.method)
    own = _known(kind, {"language": recipe.language, "scenario": recipe.scenario, "seed": recipe.seed})
    ranker: Ranker = kind(**{**own, **stage.params})
    if valid is None:
        log.warning("the rank stage is left out: it learns its weight from validation data")
        return None
    examples = getattr(getattr(ranker, "config", None), "examples", EXAMPLES)
    whole = held_out_task(train, valid)
    rows = _learnable(whole, examples, recipe.seed)
    task = whole.take(rows)
    found = fallback.retrieve(task.queries, recipe.candidates)
    if retriever is not None:
        found = fill(_shown(retriever, train, whole, rows, recipe.candidates), found)
    return ranker.fit(ranking_examples(task, found, train, valid))


def _learnable(task: Task, n: int, seed: int) -> npt.NDArray[np.int64]:
    """Users with a history, at random: a user without one gives the model nothing to read."""
    rows = np.flatnonzero(task.queries.histories.lengths > 0)
    return np.sort(generator(seed, 1, stream="examples").permutation(rows)[:n])


def _shown(
    retriever: Retriever[Dataset], train: Dataset, whole: Task, rows: npt.NDArray[np.int64], n: int
) -> Candidates:
    """What the users of ``rows`` would have been shown by one that has not learned from their choices."""
    if not isinstance(retriever, ManyRetrievers):
        return retriever.retrieve(whole.queries.take(rows), n)
    # Where nearly all users are examples, each half is answered by what the other half has taught.
    halves = [rows] if len(rows) < FEW * len(whole.queries) else [rows[::2], rows[1::2]]
    parts = []
    for half in halves:
        others = np.setdiff1d(np.arange(len(whole.queries)), half)
        taught = retriever.taught_by(train, whole.take(others))
        parts.append(taught.retrieve(whole.queries.take(half), n))
    order = np.argsort(np.concatenate(halves))
    return Candidates(
        np.concatenate([part.items for part in parts])[order],
        np.concatenate([part.scores for part in parts])[order],
        {name: np.concatenate([one.features[name] for one in parts])[order] for name in parts[0].features},
    )


def _diversifier(recipe: Recipe, known: Dataset) -> Diversifier | None:
    stage = recipe.stages.diversify
    if not stage.active:
        return None
    vectors = item_vectors(known.catalogue, recipe.encoder)
    diversifier: Diversifier = resolve("diversifier", stage.method)(**stage.params).fit(vectors)
    return diversifier
