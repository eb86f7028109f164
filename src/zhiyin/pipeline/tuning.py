"""From events to a tuned language model in a folder; knows no weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zhiyin.config import Recipe
from zhiyin.data import Dataset
from zhiyin.errors import ConfigError, DataError
from zhiyin.lm import load_language_model
from zhiyin.lm.retention.exam import Examiner
from zhiyin.lm.retention.report import retention_dict, write_retention_report
from zhiyin.lm.retention.standing import chosen
from zhiyin.lm.tuning import PackedExample
from zhiyin.lm.tuning.keeping import check_free
from zhiyin.logs import get_logger
from zhiyin.pipeline.retention import product_exam, standings
from zhiyin.pipeline.tuning_examples import history_told, newcomers, tuning_examples
from zhiyin.pipeline.verdict import verdict
from zhiyin.rank.timeline import Telling
from zhiyin.registry import resolve

__all__ = ["GUARD", "TuningReport", "prepared", "tune"]

log = get_logger("tuning")
GUARD: Mapping[str, Any] = {"kl": 3.0, "most_kl": 0.02}
"""The weight that is tried in docs/experiments.md, and what no kept weights may forget."""


@dataclass(frozen=True)
class TuningReport:
    """What came out.

    ``looks``: step, labels, AUC on validation, KL to the base model; first of the base. ``scale``: how much
    of the adapter is used. ``test``: what the newest events say, which nothing has looked at before, as
    ``PredictionTable.to_dict`` tells it: the systems of ``zhiyin.pipeline.verdict.verdict``; None where they
    tell nothing.
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
    test: dict[str, Any] | None = None

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
    test: float = 0.1,
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
    valid, test : float
        Shares of the events, the newest ones: those before ``test`` choose the weights and the scale, the
        very newest say in the end what came out. What is learned of lists is a share ``valid`` before both.
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
        Of the tuner. Unless they say otherwise the model is guarded: ``GUARD``.

    Raises
    ------
    DataError
        When nobody did anything that could be learned from, no item has a title, or scales cannot be told
        apart.
    """
    tuner = prepared(
        recipe, out, method=method, valid=valid, test=test, likes=likes, scales=scales, params=params
    )
    _check_titles(dataset)
    model = load_language_model(str(recipe.stages.rank.params.get("model", "smollm2-135m")))
    lessons = tuning_examples(recipe, dataset, valid=valid, test=test, likes=likes, people=people)
    _check(lessons.train, lessons.valid, likes, scales)
    tuner.fit(model, lessons.train, lessons.valid)
    about = {
        "dataset": dataset.fingerprint,
        "shares": {"valid": valid, "test": test},
        "people": people,
        "learned_until": lessons.learned_until,
        "chosen_until": lessons.chosen_until,
        **_prompts(recipe, likes),
    }
    scale, shown, used = 1.0, None, None
    if tuner.course_.best == 0:
        log.warning("tuning has not helped on validation: what is saved is the base model")
    elif scales:
        new = newcomers(dataset.catalogue.titles, (*lessons.train, *lessons.valid))
        if not new:
            log.warning("no description is measured: the model has learned of every item that has a title")
        exam = product_exam(model, new, language=recipe.language)
        shown = standings(tuner, lessons.valid, Examiner(model, exam), scales)
        used = chosen(shown, most_kl=tuner.config.guard.most_kl)
        scale = used.scale
    table = verdict(tuner, lessons.test, scale, Telling(recipe.language, recipe.scenario))
    found = None if table is None else table.to_dict()
    whole = {"recipe": recipe.model_dump(mode="json"), **about, "scale": scale, "test": found}
    tuner.save(out, about=whole)
    if shown is not None:
        quality = f"AUC on validation, {_answers(lessons.valid):,} answers"
        told = {**about, "method": method, "base": model.name, **tuner.config.model_dump(mode="json")}
        write_retention_report(out, retention_dict(shown, quality=quality, used=used, about=told))
    course = tuner.course_
    return TuningReport(
        folder=str(out),
        method=method,
        base=model.name,
        train_users=len({one.group for one in lessons.train}),
        train_labels=_answers(lessons.train),
        valid_labels=_answers(lessons.valid),
        best_step=course.best,
        seconds=course.seconds,
        tokens=course.tokens,
        looks=[asdict(one) for one in course.looks],
        scale=scale,
        test=found,
    )


def prepared(
    recipe: Recipe,
    out: Path,
    *,
    method: str = "lora",
    valid: float = 0.1,
    test: float = 0.1,
    likes: float | None = None,
    scales: Sequence[float] = (),
    params: Mapping[str, Any] | None = None,
) -> Any:
    """What tunes, not yet fitted: all that can be refused without data is refused here; as in ``tune``.

    Raises
    ------
    ArtifactError, ConfigError
        When the folder cannot be written, or a setting is wrong.
    """
    check_free(out)
    _check_given(recipe, likes, scales, valid, test)
    return resolve("tuner", method)(**_settings(recipe, likes, params or {}))


def _check_given(
    recipe: Recipe, likes: float | None, scales: Sequence[float], valid: float, test: float
) -> None:
    apart = (1 if likes is not None else 2) * valid + test  # lists are learned of in a share of their own
    if not (valid > 0 and test > 0 and apart < 1):
        raise ConfigError(
            "The shares leave nothing to learn from",
            expected="--valid and --test above 0, together below 1, without --likes --valid twice",
            received=f"valid {valid:g}, test {test:g}",
        )
    if likes is not None and recipe.stages.rank.params.get("company"):
        raise ConfigError(
            "Company is told of lists alone",
            expected="company = true without likes, or likes without company",
            received="both",
            hint="Leave out --likes, or set stages.rank.params.company to false.",
        )
    if not all(0.0 < scale <= 1.0 for scale in scales):
        raise ConfigError("A scale is out of range", expected="(0, 1]", received=str(list(scales)))


def _check_titles(dataset: Dataset) -> None:
    """Titles are all that the model is told of items."""
    titles = dataset.catalogue.titles
    named = sum(bool(title.strip()) for title in titles)
    if not named:
        raise DataError(
            "No item has a title",
            expected="items with titles, which are what a language model reads",
            received=f"{len(titles):,} items without",
            hint="Give the catalogue with titles.",
        )
    if named < len(titles):
        log.warning("items without a title tell the model nothing", count=len(titles) - named)


def _prompts(recipe: Recipe, likes: float | None) -> dict[str, Any]:
    """How the model is asked, which a ranker must do likewise."""
    return {
        "language": recipe.language,
        "scenario": recipe.scenario,
        "likes": likes,
        "history": history_told(recipe, likes),
        "company": likes is None and bool(recipe.stages.rank.params.get("company")),
    }


def _answers(examples: Sequence[PackedExample]) -> int:
    return sum(len(one.labels) for one in examples)


def _settings(recipe: Recipe, likes: float | None, params: Mapping[str, Any]) -> dict[str, Any]:
    """The tuner's config: the recipe's seed and language and a guard, unless something else is given."""
    given = params.get("guard", {})
    if not isinstance(given, Mapping):
        raise ConfigError("guard is no table", expected="guard.kl=1 and the like", received=str(given))
    guard = {**GUARD, "language": recipe.language, **given}
    answers = Telling(recipe.language, recipe.scenario).answers
    objective = "ranking" if likes is None else "yes-no"
    return {"seed": recipe.seed, "answers": answers, "objective": objective, **params, "guard": guard}


def _check(
    train: Sequence[PackedExample],
    valid: Sequence[PackedExample],
    likes: float | None,
    scales: Sequence[float],
) -> None:
    if not train:
        raise DataError(
            "There is nothing to tune on",
            expected="users who took one of the items that retrieval puts first, after the cut",
            received="none",
            hint="Give more events, or a larger share with --valid.",
        )
    if likes is not None and len({label for one in train for label in one.labels}) < 2:
        raise DataError(
            "All answers are alike",
            expected=f"events on both sides of {likes:g}",
            received="all on one side",
            hint="Give events with values, and a --likes between them.",
        )
    if len({label for one in valid for label in one.labels}) < 2:
        if scales:
            raise DataError(
                "There is nothing to tell scales apart by",
                expected="validation users with both answers",
                received=f"{len(valid)} examples",
                hint="Give more events, or a larger share with --valid.",
            )
        log.warning("validation tells nothing: the last weights are kept", examples=len(valid))
