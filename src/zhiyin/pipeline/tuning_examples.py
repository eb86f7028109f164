"""What a language model is asked when it is tuned on a data set; knows no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from zhiyin.config import Recipe
from zhiyin.data import Dataset, cut_by_time, held_out_task
from zhiyin.draws import generator
from zhiyin.errors import ConfigError
from zhiyin.lm.tuning import PackedExample
from zhiyin.pipeline.building import ranking_examples, retriever_of
from zhiyin.pipeline.retention import DESCRIBED
from zhiyin.rank.blend import slope, standardise
from zhiyin.rank.company import Company, in_words
from zhiyin.rank.timeline import Asked, Events, Telling, timeline
from zhiyin.rank.titles import readable
from zhiyin.types import RankingExamples

__all__ = [
    "Lessons",
    "history_told",
    "liked_examples",
    "listed",
    "newcomers",
    "ranked_examples",
    "tuning_examples",
    "worth",
]

DEPTH = 20  # of the rank stage, where the recipe does not say
TAKEN, LIKED = 12, 50  # newest events that are told


@dataclass(frozen=True)
class Lessons:
    """What is learned from, what chooses on the way, and what nothing looks at before the end.

    ``learned_until``, ``chosen_until``: all events before these moments taught or chose.
    """

    train: list[PackedExample]
    valid: list[PackedExample]
    test: list[PackedExample]
    learned_until: float
    chosen_until: float


def tuning_examples(
    recipe: Recipe, dataset: Dataset, *, valid: float, test: float, likes: float | None, people: int
) -> Lessons:
    """Three parts by global time; see ``zhiyin.pipeline.tuning.tune``."""
    rest, last = cut_by_time(dataset, test)
    share = valid / (1 - test)
    known, late = cut_by_time(rest, share)
    few = max(people // 2, 1)
    if likes is not None:
        parts = [
            liked_examples(recipe, past, asked, likes, people=count)
            for past, asked, count in ((known, None, people), (known, late, few), (rest, last, few))
        ]
    else:
        share = share / (1 - share)
        early, middle = cut_by_time(known, share)
        learned = listed(recipe, early, middle, newest=share)
        unit = worth(learned)
        parts = [ranked_examples(recipe, learned, unit, people=people)]
        for past, asked in ((known, late), (rest, last)):
            parts.append(ranked_examples(recipe, listed(recipe, past, asked, newest=share), unit, people=few))
    return Lessons(parts[0], parts[1], parts[2], known.cut, rest.cut)


def newcomers(titles: Sequence[str], examples: Sequence[PackedExample]) -> list[str]:
    """Some titles that no example tells of or asks about."""
    known = "".join(text for one in examples for text in (*one.segments, *one.branches))
    return list(islice((one for one in titles if one and readable(one) not in known), DESCRIBED))


def history_told(recipe: Recipe, likes: float | None) -> int:
    """How many of the newest events the model is told, where a recipe does not say."""
    return int(recipe.stages.rank.params.get("history") or (TAKEN if likes is None else LIKED))


def liked_examples(
    recipe: Recipe, known: Dataset, later: Dataset | None, likes: float, *, people: int
) -> list[PackedExample]:
    """Every event is asked about, each after the user's earlier ones.

    ``later`` None: the events of ``known`` itself; else those of ``later``, after all earlier ones.
    """
    telling = Telling(recipe.language, recipe.scenario)
    whole = known if later is None else known.joined(later)
    asking = whole if later is None else later
    past = whole.histories(whole.index_of_users(asking.user_ids))
    new, titles, found = asking.histories(), whole.catalogue.titles, []
    active = np.flatnonzero(new.lengths > 0)
    for row in np.sort(generator(recipe.seed, 0, stream="people").permutation(active)[:people]):
        user = asking.user_ids[row]
        told, wanted = past.slice(row), new.slice(row)
        events = Events(
            past.times[told], [titles[item] for item in past.items[told]], past.values[told] >= likes
        )
        labels = (new.values[wanted] >= likes).astype(np.float64)
        asked = Asked(new.times[wanted], [titles[item] for item in new.items[wanted]], labels)
        most = history_told(recipe, likes)
        found += [one for one, _ in timeline(telling, events, asked, name=user, most=most)]
    return found


def listed(recipe: Recipe, known: Dataset, later: Dataset, *, newest: float) -> RankingExamples:
    """What retrieval fitted on ``known`` puts first, and what of it was taken later.

    ``newest``: share of ``known`` that retrieval learns to join its members on.
    """
    retriever = retriever_of(recipe)
    if retriever is None:
        raise ConfigError(
            "The recipe retrieves nothing", expected="a method for stages.retrieve", received="none"
        )
    retriever.fit(*cut_by_time(known, newest)).fit(known)
    task = held_out_task(known, later)
    depth = int(recipe.stages.rank.params.get("depth", DEPTH))
    return ranking_examples(task, retriever.retrieve(task.queries, depth), known)


def worth(examples: RankingExamples) -> float:
    """Log-odds of being taken that one standard deviation of retrieval's score is worth."""
    present = examples.candidates.items >= 0
    scores = standardise(examples.candidates.scores.astype(np.float64), present)
    return slope(scores, examples.labels, present)


def ranked_examples(
    recipe: Recipe, examples: RankingExamples, unit: float, *, people: int
) -> list[PackedExample]:
    """Some users who took one candidate and left another; the history once, a branch a candidate.

    ``unit``: what one standard deviation of retrieval's score is worth. That is their prior: the model learns
    what retrieval does not know. The rank stage of the recipe says how much of the history is told, and
    whether beside each candidate how many took it.
    """
    telling, params = Telling(recipe.language, recipe.scenario), recipe.stages.rank.params
    newest = history_told(recipe, None)
    company = None
    if params.get("company") and examples.others is not None:
        company = Company(examples.others, len(examples.titles))
    present = examples.candidates.items >= 0
    priors = unit * standardise(examples.candidates.scores.astype(np.float64), present)
    useful = (examples.labels & present).any(1) & (~examples.labels & present).any(1)
    useful &= examples.queries.histories.lengths > 0
    rows = np.flatnonzero(useful)
    order = generator(recipe.seed, 0, stream="people").permutation(len(rows))[:people]
    found = []
    for row in rows[np.sort(order)]:
        items = examples.candidates.items[row][present[row]]
        whole = examples.queries.histories.items[examples.queries.histories.slice(row)]
        segments = [telling.head, *(telling.event(examples.titles[item], True) for item in whole[-newest:])]
        names = [readable(examples.titles[item]) for item in items]
        if company is not None:
            pairs = zip(names, company.shares(whole, items), strict=True)
            names = [in_words(name, share, telling.language) for name, share in pairs]
        found.append(
            PackedExample(
                tuple(segments),
                tuple(telling.question(name) for name in names),
                (len(segments),) * len(items),
                tuple(examples.labels[row][present[row]].astype(float).tolist()),
                str(row),
                tuple(priors[row][present[row]].tolist()),
            )
        )
    return found
