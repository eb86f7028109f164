"""The loop that all ways of tuning share: steps, guards, early stopping, resuming; knows no method."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import expit
from torch import Tensor

from zhiyin.checkpoint import Checkpoint
from zhiyin.draws import generator
from zhiyin.errors import ArtifactError, InputError
from zhiyin.evaluate import prediction
from zhiyin.lm.tuning.config import TuningConfig
from zhiyin.lm.tuning.examples import TokenExample
from zhiyin.lm.tuning.learner import Learner
from zhiyin.lm.tuning.objectives import OBJECTIVES
from zhiyin.lm.tuning.rows import Row, lay_out
from zhiyin.logs import get_logger, progress
from zhiyin.tracking import Tracker
from zhiyin.types import FloatArray

__all__ = ["Course", "Guarding", "Look", "train"]

log = get_logger("tuning")
SAVE_SECONDS = 20.0
OFFSET_LABELS = 512
SAVE_SHARE = 0.05  # of the time, at most, goes into checkpoints


class Guarding(Protocol):
    """Something else to keep small beside the objective."""

    def backward(self, step: int) -> None:
        """Add the gradient of the weighted penalty."""
        ...


@dataclass(frozen=True)
class Look:
    """Validation after ``labels`` labels; ``auc`` is None without validation, ``kl`` without texts."""

    step: int
    labels: int
    auc: float | None
    kl: float | None


@dataclass
class Course:
    """What came out: ``best`` is the step whose weights are kept; a loss for each step.

    ``offset`` is added to the margins before the loss: with it the base model says yes as often as the labels
    do, so that the weights need not move for what a single number can do.
    """

    best: int = 0
    offset: float = 0.0
    losses: list[float] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    seconds: float = 0.0
    tokens: int = 0

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Course:
        """Read what ``asdict`` gave."""
        return cls(**{**plain, "looks": [Look(**one) for one in plain["looks"]]})


@dataclass(frozen=True)
class Lesson:
    """What is learned from, and what is asked on the way.

    ``forget``: KL per token against the base model now, None: not asked.
    """

    train: Sequence[TokenExample]
    valid: Sequence[TokenExample]
    guards: Sequence[Guarding] = ()
    forget: Callable[[], float] | None = None


def train(
    learner: Learner,
    lesson: Lesson,
    config: TuningConfig,
    *,
    rate: float,
    name: str,
    checkpoint: Checkpoint,
) -> Course:
    """Train in place; at the end the learner holds the weights of the best look.

    Each step draws from (seed, step), so that a run that was killed and started again gives what an unbroken
    one gives. Without validation the last weights are kept, unless they forget too much.

    Parameters
    ----------
    learner : Learner
    lesson : Lesson
    config : TuningConfig
    rate : float
        Highest learning rate.
    name : str
        For bars, logs and trackers.
    checkpoint : Checkpoint
        Where a long run keeps what it has, and goes on from; what it holds at the end gives the same result
        at once.

    Raises
    ------
    InputError
        When there is nothing to learn, or the loss is no number any more.
    """
    if not lesson.train or not learner.trained:
        raise InputError("There is nothing to tune on", expected="examples with labels", received="none")
    run = _Run(learner, lesson, config, rate, checkpoint)
    begun = run.resume()
    plan = _steps(lesson.train, config)
    settings = config.model_dump()
    with torch.random.fork_rng(devices=[]), Tracker.of(config.track, name, settings, begun=begun) as tracker:
        if not run.course.looks:
            run.begin()
            run.look(tracker)
        for step, rows in enumerate(progress(plan, f"tuning {name}", total=run.count)):
            if step < begun:
                continue
            if begun and run.number == begun and run.stale():
                break  # it had stopped already
            run.step(rows)
            told = {"loss": run.course.losses[-1], "labels": run.labels}
            tracker.log(told, run.number)
            if run.number in run.looking:
                run.look(tracker)
                if run.stale():
                    log.info("stopped early", step=run.number, best=run.course.best)
                    break
            run.keep()
    run.finish()
    return run.course


def _steps(examples: Sequence[TokenExample], config: TuningConfig) -> Iterator[list[Row]]:
    """The rows of each step, all epochs; what is left of one, below half a batch, joins its last step."""
    for epoch in range(config.epochs):
        order = generator(config.seed, epoch, stream="examples").permutation(len(examples))
        rows: list[Row] = []
        full: list[Row] = []
        count = 0
        whole = config.objective == "ranking"  # the answers of one group are compared
        for row in lay_out((examples[place] for place in order), config.row_tokens, whole=whole):
            rows.append(row)
            count += len(row.labels)
            if count >= config.batch:
                if full:
                    yield full
                full, rows, count = rows, [], 0
        if full and count >= config.batch / 2:
            yield full
            full = []
        yield full + rows


class _Run:
    """A learner on its way, its optimiser, and the best so far."""

    def __init__(
        self, learner: Learner, lesson: Lesson, config: TuningConfig, rate: float, checkpoint: Checkpoint
    ) -> None:
        self.learner, self.lesson, self.config, self.rate = learner, lesson, config, rate
        self.checkpoint = checkpoint
        self.trained = learner.trained
        self.optimiser = _optimiser(self.trained, config.weight_decay)
        self.course = Course()
        self.best: dict[str, Tensor] = {}
        self.number = self.labels = 0
        sizes = [sum(len(row.labels) for row in rows) for rows in _steps(lesson.train, config)]
        self.count, self.total = len(sizes), sum(sizes)
        each = self.count / (config.epochs * config.evaluations)
        self.looking = {round(each * (turn + 1)) for turn in range(config.epochs * config.evaluations)}
        self.saved, self.saving = time.monotonic(), 0.0

    def begin(self) -> None:
        """Set the offset on some of what is learned from."""
        some, count = [], 0
        for place in generator(self.config.seed, 0, stream="examples").permutation(len(self.lesson.train)):
            some.append(self.lesson.train[place])
            count += len(some[-1].labels)
            if count >= OFFSET_LABELS:
                break
        labels = ordered(some, [one.labels for one in some])
        priors = ordered(some, [one.priors for one in some])
        self.course.offset = balanced(self.learner.scores(some) + priors, float(labels.mean()))

    def step(self, rows: Sequence[Row]) -> None:
        """Learn from one batch."""
        start = time.perf_counter()
        torch.manual_seed(int(generator(self.config.seed, self.number, stream="torch").integers(2**31)))
        self.learner.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        count = sum(len(row.labels) for row in rows)
        loss = self._learn(rows)
        for guard in self.lesson.guards:
            guard.backward(self.number)
        if not math.isfinite(loss):
            raise InputError(
                "Tuning has left the numbers",
                expected="a finite loss",
                received=str(loss),
                hint="Use a smaller learning_rate.",
            )
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * _share(self.labels + count / 2, self.total, self.config.warm_up)
        torch.nn.utils.clip_grad_norm_(self.trained.values(), self.config.clip)
        self.optimiser.step()
        self.number += 1
        self.labels += count
        self.course.losses.append(loss)
        self.course.seconds += time.perf_counter() - start

    def _learn(self, rows: Sequence[Row]) -> float:
        """Derivatives of the mean loss, and that."""
        objective, smooth = OBJECTIVES[self.config.objective], self.config.label_smoothing
        total, count = 0.0, 0
        for row in rows:
            labels = row.labels * (1 - smooth) + smooth / 2
            margins = self.learner.margins(row) + row.priors + self.course.offset
            losses = objective(margins, labels, row.groups)
            losses.sum().backward()  # type: ignore[no-untyped-call]
            total, count = total + float(losses.detach().sum()), count + len(losses)
            self.course.tokens += len(row.tokens)
        for one in self.trained.values():
            if one.grad is not None:
                one.grad /= max(count, 1)
        return total / max(count, 1)

    def look(self, tracker: Tracker) -> None:
        """Ask validation; the weights are kept where it is the best so far that forgets little enough."""
        found = Look(self.number, self.labels, self._auc(), self._kl())
        self.course.looks.append(found)
        told = {name: value for name, value in asdict(found).items() if value is not None}
        log.debug("look", **told)
        tracker.log(told, self.number)
        if self._best() is found:
            self.course.best = self.number
            self.best = {name: one.detach().clone() for name, one in self.trained.items()}

    def stale(self) -> bool:
        """Whether it is time to stop."""
        best = next(at for at, one in enumerate(self.course.looks) if one.step == self.course.best)
        return len(self.course.looks) - 1 - best >= self.config.patience

    def _best(self) -> Look:
        """Of all looks; the first one, of the base model, is always allowed."""
        most = self.config.guard.most_kl
        first, *later = self.course.looks
        allowed = [first, *(one for one in later if most is None or one.kl is None or one.kl <= most)]
        if all(one.auc is None for one in allowed):
            return allowed[-1]
        return max(allowed, key=lambda one: -1.0 if one.auc is None else one.auc)

    def _auc(self) -> float | None:
        if not self.lesson.valid:
            return None
        scores = self.learner.scores(self.lesson.valid)
        scores += ordered(self.lesson.valid, [one.priors for one in self.lesson.valid])
        labels = ordered(self.lesson.valid, [one.labels for one in self.lesson.valid])
        return prediction.auc(labels > 0.5, scores) if 0 < (labels > 0.5).sum() < len(labels) else None

    def _kl(self) -> float | None:
        return None if self.lesson.forget is None else self.lesson.forget()

    def keep(self, *, last: bool = False) -> None:
        """Write what there is, where that is some while ago, or the last of a long run."""
        wait = 0.0 if last else max(SAVE_SECONDS, self.saving / SAVE_SHARE)
        brief = last and self.course.seconds < SAVE_SECONDS
        if self.checkpoint.file is None or brief or time.monotonic() - self.saved <= wait:
            return
        course = {**vars(self.course), "looks": [asdict(one) for one in self.course.looks]}
        numbers = {"course": course, "number": self.number, "labels": self.labels}
        begun = time.monotonic()
        try:
            state = {name: one.detach() for name, one in self.trained.items()}
            self.checkpoint.write(state, self.best, [self.optimiser], numbers)
        except (ArtifactError, OSError) as error:
            log.warning("tuning goes on without checkpoints", reason=str(error))
            self.checkpoint = Checkpoint(None)
        self.saved = time.monotonic()
        self.saving = self.saved - begun

    def resume(self) -> int:
        """Go on from what is kept; the steps that are behind."""
        kept = self.checkpoint.read(
            {name: one.detach() for name, one in self.trained.items()}, [self.optimiser]
        )
        if kept is None:
            return 0
        _put(self.trained, kept.now)
        self.best, self.number, self.labels = kept.best, kept.numbers["number"], kept.numbers["labels"]
        self.course = Course.of(kept.numbers["course"])
        log.info("resumed", steps=self.number)
        return self.number

    def finish(self) -> None:
        """Take the best weights; what led to them stays kept until they are saved."""
        self.keep(last=True)
        _put(self.trained, self.best)
        self.learner.network.eval()


def balanced(margins: FloatArray, share: float) -> float:
    """The number that, added to all margins, makes the mean probability of yes equal to ``share``.

    Examples
    --------
    >>> round(balanced(np.array([-2.0, -2.0]), 0.5), 6)
    2.0
    """
    wanted = min(max(share, 0.01), 0.99)
    found: float = brentq(lambda b: float(expit(margins + b).mean()) - wanted, -1e3, 1e3)
    return found


def ordered(examples: Sequence[TokenExample], values: Sequence[FloatArray]) -> FloatArray:
    """Values of the branches of each example, by their places among all."""
    places = np.concatenate([one.places for one in examples])
    found = np.empty(len(places))
    found[np.argsort(np.argsort(places))] = np.concatenate(values)
    return found


def _put(trained: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, one in trained.items():
            one.copy_(state[name])


def _share(labels: float, total: int, warm_up: float) -> float:
    """Of the highest rate, after so many labels."""
    done = min(labels / total, 1.0)
    if done < warm_up:
        return done / warm_up
    return (1 + math.cos(math.pi * (done - warm_up) / (1 - warm_up))) / 2


def _optimiser(trained: Mapping[str, Tensor], decay: float) -> torch.optim.Optimizer:
    """AdamW, decaying matrices only."""
    groups: list[dict[str, Any]] = [
        {"params": [one for one in trained.values() if one.ndim > 1], "weight_decay": decay},
        {"params": [one for one in trained.values() if one.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], fused=True)
