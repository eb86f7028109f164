"""Trials of ways to retrieve within a budget of time; kept in a file, so that they can go on later.

Each trial is fitted on train; what it chooses or weighs by itself, on one half of the validation users; it is
judged by NDCG@k on the other half. The first trials are each method as it comes, later ones are drawn where
good ones were (tree-structured Parzen estimator: Bergstra, Bardenet, Bengio & Kegl 2011, "Algorithms for
hyper-parameter optimization"). Joined methods join the best of each single one so far.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import DatabaseError

from zhiyin.config import Stage
from zhiyin.data import Columns, Split, Task, held_out_task
from zhiyin.draws import generator
from zhiyin.errors import InputError, MissingExtraError
from zhiyin.evaluate import ranking
from zhiyin.evaluate.intervals import Interval, bootstrap_mean, paired_difference
from zhiyin.logs import get_logger
from zhiyin.pipeline.search.space import JOINED, ORDER, SINGLE, defaults, suggest
from zhiyin.retrieve import make_retriever
from zhiyin.types import FloatArray

__all__ = ["Found", "Trial", "search_retriever"]

log = get_logger("search")
STAGE, SECONDS, LOOKS = "stage", "seconds", "looks at test"
WRONG = "does not suit the data"
RULE, GIVEN = "recent-popular", "as given"


@dataclass(frozen=True)
class Trial:
    """One way that was tried: ``quality`` NDCG@k on validation, NaN where it does not suit the data."""

    number: int
    method: str
    params: dict[str, Any]
    quality: float
    seconds: float


@dataclass(frozen=True)
class Found:
    """``best`` of all ``trials``; its ``test`` figure, that of the rule, and their paired difference.

    ``looks``: how often the test part was looked at, in this search and before; a figure of a later look is
    no longer untouched. ``untried``: methods that the budget did not reach.
    """

    best: Trial
    trials: tuple[Trial, ...]
    test: Interval
    rule: Interval
    gain: Interval
    looks: int
    untried: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give everything, ready for JSON."""
        plain = [vars(one) | {"quality": _plain(one.quality)} for one in self.trials]
        figures = {name: getattr(self, name).to_dict() for name in ("test", "rule", "gain")}
        best = vars(self.best)
        return {"best": best, **figures, "rule_method": RULE, "looks": self.looks,
                "untried": self.untried, "trials": plain}  # fmt: skip


def search_retriever(
    split: Split,
    file: Path,
    *,
    budget: float,
    trials: int | None = None,
    given: Stage | None = None,
    k: int = 10,
    seed: int = 7,
    tell: Callable[[Trial, Trial], None] | None = None,
) -> Found:
    """Try ways to retrieve until the time is spent, and look at the test part once.

    Parameters
    ----------
    split : Split
        Of train, validation and test.
    file : path
        SQLite file of the trials; one that is there is gone on with.
    budget : float
        Seconds of trials in all, those of the file included, > 0. A trial that has begun is finished.
    trials : int or None
        How many at most, those of the file included.
    given : Stage or None
        A way to retrieve that is tried before all others, such as the recipe's.
    k : int
        Places that count.
    seed : int
    tell : callable
        Called with each new trial and the best one so far.

    Raises
    ------
    InputError
        When the file is of another search, another search is at work in it, the budget or the number of
        trials is out of range, or nothing suits the data.
    """
    if not budget > 0:
        raise InputError("The budget is out of range", expected="seconds > 0", received=str(budget))
    if trials is not None and trials < 1:
        raise InputError("The number of trials is out of range", expected=">= 1", received=str(trials))
    with _alone(file):
        return _search(_study(split, file, given, k, seed), split, given, budget, trials, k, seed, tell)


def _search(
    study: optuna.Study,
    split: Split,
    given: Stage | None,
    budget: float,
    trials: int | None,
    k: int,
    seed: int,
    tell: Callable[[Trial, Trial], None] | None,
) -> Found:
    judge = _Judge(split, k, seed)
    while _wanted(study, budget, trials):
        untried = _untried(study, given)
        if untried and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.enqueue_trial(defaults(untried[0]))
        asked = study.ask()
        stage, quality, seconds = _tried(study, asked, judge, given, budget, seed)
        asked.set_user_attr(STAGE, stage)
        asked.set_user_attr(SECONDS, seconds)
        study.tell(asked, quality) if np.isfinite(quality) else study.tell(asked, state=TrialState.FAIL)
        if tell is not None:
            done = _done(study)
            tell(done[-1], max(done, key=lambda one: np.nan_to_num(one.quality, nan=-1.0)))
    done = _done(study)
    good = [one for one in done if np.isfinite(one.quality)]
    if not good:
        raise InputError(
            "No way to retrieve suits the data", received=f"{len(done)} trials", hint=_hint(budget)
        )
    best = max(good, key=lambda one: one.quality)
    study.set_user_attr(LOOKS, study.user_attrs.get(LOOKS, 0) + 1)
    mine, rule = judge.test(best), judge.test(Trial(-1, RULE, {}, 0.0, 0.0))
    return Found(
        best,
        tuple(done),
        bootstrap_mean(mine, seed=seed),
        bootstrap_mean(rule, seed=seed),
        paired_difference(mine, rule, seed=seed),
        study.user_attrs[LOOKS],
        tuple(_untried(study, given)),
    )


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Nobody else searches in this file meanwhile."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"Another search is at work in {file}",
                hint="Wait until it has ended, or choose another folder.",
            ) from None
        yield


class _Judge:
    """Quality of a way on validation, and on test."""

    def __init__(self, split: Split, k: int, seed: int) -> None:
        self.split, self.k = split, k
        users = generator(seed, 0, stream="search").permutation(split.valid.active_users)
        self.learned = np.sort(users[: (len(users) + 1) // 2])
        mine = split.valid.events[Columns.USER].is_in(self.learned.tolist())
        self.chosen = split.valid.where(mine, cut=split.valid.cut)
        self.task = held_out_task(split.train, split.valid.where(~mine, cut=split.valid.cut))

    def valid(self, method: str, params: dict[str, Any]) -> float:
        retriever = make_retriever(method, **params).fit(self.split.train, self.chosen)
        values = self._values(retriever.retrieve(self.task.queries, self.k).items, self.task)
        return float(values.mean())

    def test(self, best: Trial) -> FloatArray:
        retriever = make_retriever(best.method, **best.params).fit(self.split.train, self.split.valid)
        retriever = retriever.fit(self.split.train.joined(self.split.valid))
        task = self.split.task("test")
        return ranking.ndcg(retriever.retrieve(task.queries, self.k).items, task.relevant, self.k)

    def _values(self, lists: np.ndarray, task: Task) -> FloatArray:
        values = ranking.ndcg(lists, task.relevant, self.k)
        return values[~np.isnan(values)]


def _study(split: Split, file: Path, given: Stage | None, k: int, seed: int) -> optuna.Study:
    """The study of the file; a trial that was cut short is to be tried again first."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    facts = [
        split.train.fingerprint,
        split.valid.fingerprint,
        split.test.fingerprint,
        k,
        seed,
        SINGLE,
        JOINED,
        None if given is None else given.model_dump(mode="json"),
    ]
    name = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    storage = f"sqlite:///{file.resolve()}"
    try:
        others = [one for one in optuna.get_all_study_names(storage) if one != name] if file.exists() else []
    except DatabaseError:
        raise InputError(
            f"{file} cannot be read",
            expected="the trials of a search",
            received="a file that is no database, or a damaged one",
            hint="Remove it; the search then starts again.",
        ) from None
    if others:
        raise InputError(
            f"{file} is of another search",
            expected="the same data, split, recipe, seed and k",
            received=f"a search called {others[0]}",
            hint="Remove the file, or choose another folder.",
        )
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
    # Gone on with, it draws others than at first.
    study.sampler = optuna.samplers.TPESampler(
        seed=seed + len(study.trials), n_startup_trials=len(SINGLE) + len(JOINED) + 5
    )
    for trial in study.get_trials(deepcopy=False):
        if trial.state == TrialState.RUNNING:  # it was cut short
            begun = trial.params or trial.system_attrs.get("fixed_params", {})
            if begun.get("method", GIVEN) not in (GIVEN, *_untried(study, given)):
                study.enqueue_trial(begun)
            study.tell(trial.number, state=TrialState.FAIL)
    return study


def _untried(study: optuna.Study, given: Stage | None) -> list[str]:
    """Methods of which not even the default has been tried, in the order in which they are."""
    done = {one.params["method"] for one in study.get_trials(deepcopy=False) if STAGE in one.user_attrs}
    return [method for method in _methods(given) if method not in done]


def _methods(given: Stage | None) -> tuple[str, ...]:
    return (*(() if given is None else (GIVEN,)), *ORDER)


def _wanted(study: optuna.Study, budget: float, trials: int | None) -> bool:
    return _spent(study) < budget and (trials is None or len(_finished(study)) < trials)


def _spent(study: optuna.Study) -> float:
    """Seconds of all finished trials."""
    return float(sum(one.user_attrs[SECONDS] for one in _finished(study)))


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    every = study.get_trials(deepcopy=False)
    return [one for one in every if one.state.is_finished() and STAGE in one.user_attrs]


def _tried(
    study: optuna.Study, asked: optuna.Trial, judge: _Judge, given: Stage | None, budget: float, seed: int
) -> tuple[dict[str, Any], float, float]:
    method = asked.suggest_categorical("method", _methods(given))
    params = suggest(asked, method)
    if method == GIVEN and given is not None:
        method, params = given.method, dict(given.params)
    elif method in JOINED:
        params = {"members": _members(study, budget - _spent(study)), "seed": seed}
    start = time.perf_counter()
    try:
        quality = judge.valid(method, params)
    except (InputError, MissingExtraError) as error:
        log.info(WRONG, method=method, reason=error.message)
        quality = float("nan")
    return {"method": method, "params": params}, quality, time.perf_counter() - start


def _members(study: optuna.Study, left: float) -> list[dict[str, Any]]:
    """The best trial of each single method so far, better ones first, as far as the time left allows.

    The best one in any case.
    """
    best: dict[str, FrozenTrial] = {}
    for one in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        method = one.user_attrs[STAGE]["method"]
        if method in SINGLE and (method not in best or _value(one) > _value(best[method])):
            best[method] = one
    chosen: list[dict[str, Any]] = []
    for one in sorted(best.values(), key=lambda one: (-_value(one), one.number)):
        if not chosen or one.user_attrs[SECONDS] <= left:
            chosen.append(one.user_attrs[STAGE])
            left -= one.user_attrs[SECONDS]
    return chosen


def _value(trial: FrozenTrial) -> float:
    return -1.0 if trial.value is None else trial.value


def _done(study: optuna.Study) -> list[Trial]:
    return [
        Trial(
            one.number,
            one.user_attrs[STAGE]["method"],
            one.user_attrs[STAGE]["params"],
            float("nan") if one.value is None else one.value,
            one.user_attrs[SECONDS],
        )
        for one in study.get_trials(deepcopy=False)
        if one.state.is_finished() and STAGE in one.user_attrs
    ]


def _hint(budget: float) -> str:
    return f"Give it more time than {budget:g} seconds, or more data."


def _plain(value: float) -> float | None:
    return value if np.isfinite(value) else None
