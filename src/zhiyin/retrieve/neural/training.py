"""The loop that all networks share: epochs, early stopping, resuming; knows batches and losses, no items."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from zhiyin import config
from zhiyin.checkpoint import Checkpoint
from zhiyin.draws import generator
from zhiyin.errors import ArtifactError, InputError
from zhiyin.logs import get_logger, progress
from zhiyin.tracking import Tracker

__all__ = ["MOST_DIMENSIONS", "Course", "Lesson", "TrainingConfig", "train"]

log = get_logger("training")
B = TypeVar("B")
Precision = Literal["auto", "float32", "bfloat16"]
MOST_DIMENSIONS = 8192  # of vectors
WARM_UP = 100  # steps, of the first epoch
SLOWEST = 0.02  # of the rate, in the last epoch
SAVE_SECONDS = 20.0


class TrainingConfig(config.Config):
    """How long and how fast.

    ``epochs``: the most there may be; without validation, how many there are. The rate begins at
    ``learning_rate`` and falls along half a cosine, to a fiftieth in the last of them. ``patience``: epochs
    without a better NDCG@10 on validation after which it stops. ``batch``: events a step. ``precision``:
    "auto" is bfloat16 for large products where the machine has it in hardware. ``track``: where each epoch's
    numbers are written as well, "tensorboard:folder".
    """

    epochs: int = Field(default=24, ge=1)
    patience: int = Field(default=6, ge=1)
    batch: int = Field(default=512, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=0.03, ge=0)
    precision: Precision = "auto"
    seed: int = Field(default=7, ge=0, lt=2**31)
    track: str | None = None


@dataclass(frozen=True)
class Lesson(Generic[B]):
    """What is learned: ``loss`` of a batch, the mean over ``size`` of it."""

    module: nn.Module
    batches: Callable[[np.random.Generator], Iterator[B]]
    loss: Callable[[B], Tensor]
    size: Callable[[B], int]


@dataclass
class Course:
    """What came out: ``epochs``, the best of them counted from 1; one entry an epoch in the lists."""

    epochs: int = 0
    losses: list[float] = field(default_factory=list)
    qualities: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def train(
    lesson: Lesson[B],
    config: TrainingConfig,
    *,
    judge: Callable[[], float] | None,
    name: str,
    epochs: int | None = None,
    file: Path | None = None,
) -> Course:
    """Train the module in place; at the end it holds the weights of the best epoch.

    Each epoch draws from (seed, epoch), so that a run that was stopped and resumed gives what an unbroken one
    gives.

    Parameters
    ----------
    lesson : Lesson
    config : TrainingConfig
    judge : callable or None
        Quality on validation, larger is better, asked after each epoch in evaluation mode; None: all epochs
        are made.
    name : str
        For bars, logs and trackers.
    epochs : int or None
        The most; None: as the config says.
    file : path or None
        Where a long run keeps what it has, and goes on from; removed at the end.

    Raises
    ------
    InputError
        When there are no batches, or the loss is no number any more.
    """
    run = _Run(lesson, config, Checkpoint(file))
    most = config.epochs if epochs is None else epochs
    begun = run.resume()
    settings = config.model_dump()
    with torch.random.fork_rng(devices=[]), Tracker.of(config.track, name, settings, begun=begun) as tracker:
        for epoch in progress(range(begun, most), f"training {name}", total=most - begun):
            run.epoch(epoch)
            told = {"loss": run.course.losses[-1], "seconds": run.course.seconds[-1]}
            if judge is not None:
                told["quality"] = run.judge(judge)
            log.debug("epoch", method=name, epoch=epoch + 1, **told)
            tracker.log(told, epoch + 1)
            if judge is not None and epoch + 1 - run.course.epochs >= config.patience:
                break
            run.keep()
    run.finish()
    return run.course


class _Run(Generic[B]):
    """A module on its way, its optimisers, and the best so far."""

    def __init__(self, lesson: Lesson[B], config: TrainingConfig, checkpoint: Checkpoint) -> None:
        self.lesson, self.config, self.checkpoint = lesson, config, checkpoint
        self.optimisers = _optimisers(lesson.module, config)
        self.course = Course()
        self.best: dict[str, Tensor] = {}
        self.steps, self.rate, self.warm = 0, config.learning_rate, False
        self.saved = time.monotonic()

    def epoch(self, epoch: int) -> None:
        """One pass over all batches."""
        torch.manual_seed(int(generator(self.config.seed, epoch, stream="torch").integers(2**31)))
        start, total, count = time.perf_counter(), 0.0, 0
        self.rate, self.warm = _rate(self.config, epoch), epoch > 0
        self.lesson.module.train()
        for batch in self.lesson.batches(generator(self.config.seed, epoch, stream="batches")):
            size = self.lesson.size(batch)
            if not size:
                continue
            total += self._step(batch) * size
            count += size
        if not count:
            raise InputError(
                "There is nothing to train on",
                expected="users with two events or more, of values above 0 and of items with something known",
                received="none",
                hint="Use a method that needs no sequences, such as popular.",
            )
        if not np.isfinite(total):
            raise InputError(
                "Training has left the numbers",
                expected="a finite loss",
                received=str(total),
                hint="Use a smaller learning_rate, or precision float32.",
            )
        self.course.losses.append(total / count)
        self.course.seconds.append(time.perf_counter() - start)

    def _step(self, batch: B) -> float:
        self.steps += 1
        loss = self.lesson.loss(batch)
        for optimiser in self.optimisers:
            optimiser.zero_grad()
            for group in optimiser.param_groups:
                group["lr"] = self.rate * (1.0 if self.warm else min(1.0, self.steps / WARM_UP))
        loss.backward()  # type: ignore[no-untyped-call]
        for optimiser in self.optimisers:
            optimiser.step()
        return float(loss.detach())

    def judge(self, judge: Callable[[], float]) -> float:
        """Quality now; the weights are kept where it is the best so far."""
        self.lesson.module.eval()
        with torch.inference_mode():
            quality = judge()
        if not self.course.qualities or quality > max(self.course.qualities):
            self.course.epochs = len(self.course.losses)
            self.best = {
                name: value.detach().clone() for name, value in self.lesson.module.state_dict().items()
            }
        self.course.qualities.append(quality)
        return quality

    def keep(self) -> None:
        """Write what there is, where that is some while ago."""
        if self.checkpoint.file is not None and time.monotonic() - self.saved > SAVE_SECONDS:
            numbers = {**vars(self.course), "steps": self.steps}
            try:
                self.checkpoint.write(self.lesson.module.state_dict(), self.best, self.optimisers, numbers)
            except (ArtifactError, OSError) as error:
                log.warning("training goes on without checkpoints", reason=str(error))
                self.checkpoint = Checkpoint(None)
            self.saved = time.monotonic()

    def resume(self) -> int:
        """Go on from what is kept; the epochs that are behind."""
        kept = self.checkpoint.read(self.lesson.module.state_dict(), self.optimisers)
        if kept is None:
            return 0
        self.lesson.module.load_state_dict(kept.now)
        self.best = kept.best
        self.steps = kept.numbers.pop("steps")
        self.course = Course(**kept.numbers)
        log.info("resumed", epochs=len(self.course.losses))
        return len(self.course.losses)

    def finish(self) -> None:
        """Take the best weights and forget what was kept."""
        if self.best:
            self.lesson.module.load_state_dict(self.best)
        else:
            self.course.epochs = len(self.course.losses)
        self.lesson.module.eval()
        self.checkpoint.remove()


def _rate(config: TrainingConfig, epoch: int) -> float:
    """Of an epoch counted from 0; those beyond the planned ones go on slowly."""
    done = min(epoch / max(config.epochs - 1, 1), 1.0)
    return config.learning_rate * (SLOWEST + (1 - SLOWEST) * (1 + math.cos(math.pi * done)) / 2)


def _optimisers(module: nn.Module, config: TrainingConfig) -> list[torch.optim.Optimizer]:
    """AdamW, decaying matrices only; SparseAdam where few rows of a table change in a step."""
    tables = [m for m in module.modules() if isinstance(m, nn.Embedding) and m.sparse]
    sparse = [table.weight for table in tables if table.weight.requires_grad]
    kept = {id(one) for one in sparse}
    dense = [one for one in module.parameters() if id(one) not in kept and one.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [one for one in dense if one.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [one for one in dense if one.ndim <= 1], "weight_decay": 0.0},
    ]
    rate, betas = config.learning_rate, (0.9, 0.98)
    made: list[torch.optim.Optimizer] = []
    if dense:
        made.append(torch.optim.AdamW(groups, lr=rate, betas=betas, fused=True))
    if sparse:
        made.append(torch.optim.SparseAdam(sparse, lr=rate, betas=betas))
    return made
