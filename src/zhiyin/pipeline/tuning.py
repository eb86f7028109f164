"""From events to a tuned language model: what is asked of it, and what it has learned; knows no weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zhiyin.config import Recipe
from zhiyin.data import Dataset, cut_by_time, held_out_task
from zhiyin.draws import generator
from zhiyin.errors import ConfigError, DataError
from zhiyin.lm import load_language_model
from zhiyin.lm.causal import CausalLanguageModel
from zhiyin.lm.retention.exam import Examiner
from zhiyin.lm.retention.report import retention_dict, write_retention_report
from zhiyin.lm.retention.standing import Standing, chosen
from zhiyin.lm.tuning import PackedExample
from zhiyin.logs import get_logger
from zhiyin.pipeline.building import ranking_examples, retriever_of
from zhiyin.pipeline.retention import DESCRIBED, product_exam, standings
from zhiyin.rank.company import Company, in_words
from zhiyin.rank.timeline import Asked, Events, Telling, timeline
from zhiyin.rank.titles import readable
from zhiyin.registry import resolve
from zhiyin.types import RankingExamples

__all__ = ["TuningReport", "liked_examples", "ranked_examples", "tune"]

if TYPE_CHECKING:
    from zhiyin.lm.tuning.tuner import Tuner

log = get_logger("tuning")
DEPTH = 20
NEWEST = 12


@dataclass(frozen=True)
class TuningReport:
    """What came out.

    ``looks``: step, labels, AUC on validation, KL to the base model; first of the base. ``scale``: how much
    of the adapter is used.
    """

    folder: str
    method: str
    base: str
    train_users: int
    train_labels: int
    valid_labels: int
    best_step: int
    seconds: float
    tokens: int
    looks: list[dict[str, Any]]
    scale: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """Give everything, ready for JSON."""
        return asdict(self)


def tune(
    recipe: Recipe,
    dataset: Dataset,
    out: Path,
    *,
    method: str = "lora",
    valid: float = 0.1,
    likes: float | None = None,
    people: int = 300,
    scales: Sequence[float] = (),
    params: dict[str, Any] | None = None,
) -> TuningReport:
    """Tune the recipe's language model on behaviour, and save it.

    Parameters
    ----------
    recipe : Recipe
        Its language, scenario, seed and retrieval, and the model of its rank stage.
    dataset : Dataset
    out : Path
        Folder for the adapter.
    method : str
        A registered tuner.
    valid : float
        Share of the newest events that is validated on, and of those before them that is learned from.
    likes : float or None
        Least strength of an event, its value times the weight of its type, that counts as liked: then all
        events are asked about. None: the model learns which of the items that retrieval puts first a user
        takes next.
    people : int
        Users to learn from at most, at random; half as many are validated on.
    scales : sequence of float
        How much of the adapter may be used, each in (0, 1]: the one that forgets least and keeps 97 % of the
        gain on validation is, and retention.json and retention.html beside the adapter show all. Empty: all
        of it.
    params : dict or None
        Of the tuner.

    Raises
    ------
    DataError
        When nobody did anything that could be learned from, or scales cannot be told apart.
    """
    telling = Telling(recipe.language, recipe.scenario)
    known, late = cut_by_time(dataset, valid)
    if likes is not None:
        train = liked_examples(telling, known, None, likes, people=people, seed=recipe.seed)
        held = liked_examples(telling, known, late, likes, people=people // 2, seed=recipe.seed)
    else:
        early, middle = cut_by_time(known, valid)
        train = ranked_examples(telling, recipe, early, middle, people=people, newest=valid)
        held = ranked_examples(telling, recipe, known, late, people=people // 2, newest=valid)
    if not train:
        raise DataError(
            "There is nothing to tune on",
            expected="users who took one of the items that retrieval puts first, after the cut",
            received="none",
            hint="Give more events, or a larger share with --valid.",
        )
    if len({label for one in train for label in one.labels}) < 2:
        raise DataError(
            "All answers are alike",
            expected=f"events on both sides of {likes:g}",
            received="all on one side",
            hint="Give events with values, and a --likes between them.",
        )
    model = load_language_model(str(recipe.stages.rank.params.get("model", "smollm2-135m")))
    given = dict(params or {})
    guard = {"language": recipe.language, **given.pop("guard", {})}
    settings = {"seed": recipe.seed, "answers": telling.answers, "guard": guard, **given}
    if likes is None:
        settings = {"objective": "ranking", **settings}
    tuner = resolve("tuner", method)(**settings)
    tuner.fit(model, train, held)
    about = {
        "dataset": dataset.fingerprint,
        "language": recipe.language,
        "scenario": recipe.scenario,
        "company": likes is None and bool(recipe.stages.rank.params.get("company")),
    }
    scale, shown = 1.0, None
    if scales:
        shown = _standings(tuner, model, held, newcomers(dataset.catalogue.titles, train), recipe, scales)
        scale = chosen(shown, most_kl=tuner.config.guard.most_kl).scale
    tuner.save(out, about={**about, "scale": scale})
    if shown is not None:
        quality = f"AUC on validation, {sum(len(one.labels) for one in held):,} answers"
        write_retention_report(out, retention_dict(shown, quality=quality, about={**about, "chosen": scale}))
    course = tuner.course_
    return TuningReport(
        folder=str(out),
        method=method,
        base=model.name,
        train_users=len({one.group for one in train}),
        train_labels=sum(len(one.labels) for one in train),
        valid_labels=sum(len(one.labels) for one in held),
        best_step=course.best,
        seconds=course.seconds,
        tokens=course.tokens,
        looks=[asdict(one) for one in course.looks],
        scale=scale,
    )


def _standings(
    tuner: Tuner,
    model: CausalLanguageModel,
    valid: Sequence[PackedExample],
    titles: Sequence[str],
    recipe: Recipe,
    scales: Sequence[float],
) -> list[Standing]:
    if len({label > 0.5 for one in valid for label in one.labels}) < 2:
        raise DataError(
            "There is nothing to tell scales apart by",
            expected="validation users with both answers",
            received=f"{len(valid)} examples",
            hint="Give more events, or a larger share with --valid.",
        )
    exam = product_exam(model, titles, language=recipe.language)
    return standings(tuner, valid, Examiner(model, exam), scales)


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

    ``company``: who tells beside each candidate how many took it; None: nobody.
    """
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
            )
        )
    return found
