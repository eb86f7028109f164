"""What a language model is asked when it is tuned on a data set; knows no model."""

from __future__ import annotations

from collections.abc import Sequence
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

__all__ = ["liked_examples", "newcomers", "packed", "ranked_examples", "tuning_examples"]

DEPTH = 20
NEWEST = 12


def tuning_examples(
    recipe: Recipe, dataset: Dataset, *, valid: float, likes: float | None, people: int
) -> tuple[list[PackedExample], list[PackedExample]]:
    """What is learned from, and what is validated on; see ``zhiyin.pipeline.tuning.tune``."""
    telling = Telling(recipe.language, recipe.scenario)
    known, late = cut_by_time(dataset, valid)
    if likes is not None:
        train = liked_examples(telling, known, None, likes, people=people, seed=recipe.seed)
        held = liked_examples(telling, known, late, likes, people=people // 2, seed=recipe.seed)
    else:
        early, middle = cut_by_time(known, valid)
        train = ranked_examples(telling, recipe, early, middle, people=people, newest=valid)
        held = ranked_examples(telling, recipe, known, late, people=people // 2, newest=valid)
    return train, held


def newcomers(titles: Sequence[str], examples: Sequence[PackedExample]) -> list[str]:
    """Some titles that no example tells of or asks about; where there are none, the first ones."""
    known = "".join(text for one in examples for text in (*one.segments, *one.branches))
    found = (title for title in titles if title and readable(title) not in known)
    return list(islice(found, DESCRIBED)) or [title for title in titles if title][:DESCRIBED]


def liked_examples(
    telling: Telling, known: Dataset, later: Dataset | None, likes: float, *, people: int, seed: int
) -> list[PackedExample]:
    """Every event is asked about, each after the user's earlier ones.

    ``later`` None: the events of ``known`` itself; else those of ``later``, after all earlier ones.
    """
    whole = known if later is None else known.joined(later)
    asking = whole if later is None else later
    past = whole.histories(whole.index_of_users(asking.user_ids))
    new, titles, found = asking.histories(), whole.catalogue.titles, []
    active = np.flatnonzero(new.lengths > 0)
    for row in np.sort(generator(seed, 0, stream="people").permutation(active)[:people]):
        user = asking.user_ids[row]
        told, wanted = past.slice(row), new.slice(row)
        events = Events(
            past.times[told], [titles[item] for item in past.items[told]], past.values[told] >= likes
        )
        labels = (new.values[wanted] >= likes).astype(np.float64)
        asked = Asked(new.times[wanted], [titles[item] for item in new.items[wanted]], labels)
        found += [one for one, _ in timeline(telling, events, asked, name=user)]
    return found


def ranked_examples(
    telling: Telling, recipe: Recipe, known: Dataset, later: Dataset, *, people: int, newest: float = 0.1
) -> list[PackedExample]:
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
    made = ranking_examples(task, retriever.retrieve(task.queries, DEPTH), known)
    company = None
    if recipe.stages.rank.params.get("company") and made.others is not None:
        company = Company(made.others, known.n_items)
    found = packed(telling, made, company)
    chosen = generator(recipe.seed, 0, stream="people").permutation(len(found))[:people]
    return [found[place] for place in np.sort(chosen)]


def packed(telling: Telling, examples: RankingExamples, company: Company | None) -> list[PackedExample]:
    """Those of users who took one candidate and left another; the history once, a branch a candidate.

    What retrieval's score is worth is their prior: the model learns what retrieval does not know.
    ``company``: who tells beside each candidate how many took it; None: nobody.
    """
    present = examples.candidates.items >= 0
    scores = standardise(examples.candidates.scores.astype(np.float64), present)
    priors = slope(scores, examples.labels, present) * scores
    found = []
    for row in range(len(examples.candidates)):
        items = examples.candidates.items[row]
        items, labels = items[items >= 0], examples.labels[row][items >= 0]
        whole = examples.queries.histories.items[examples.queries.histories.slice(row)]
        past = whole[-NEWEST:]
        if not len(past) or labels.all() or not labels.any():
            continue
        segments = [telling.head, *(telling.event(examples.titles[item], True) for item in past)]
        names = [readable(examples.titles[item]) for item in items]
        if company is not None:
            pairs = zip(names, company.shares(whole, items), strict=True)
            names = [in_words(name, share, telling.language) for name, share in pairs]
        found.append(
            PackedExample(
                tuple(segments),
                tuple(telling.question(name) for name in names),
                (len(segments),) * len(items),
                tuple(float(one) for one in labels),
                str(row),
                tuple(priors[row][present[row]].tolist()),
            )
        )
    return found
