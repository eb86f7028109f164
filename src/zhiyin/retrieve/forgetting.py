"""Older events count less, by half-lives chosen on validation; knows no method."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from pydantic import Field
from scipy import sparse

from zhiyin import config
from zhiyin.data import Columns, Dataset, Task, held_out_task
from zhiyin.evaluate import ranking
from zhiyin.retrieve.base import ScoringRetriever
from zhiyin.types import Queries

__all__ = ["HALF_LIVES", "MEMORIES", "FadingConfig", "ForgettingConfig", "ForgettingRetriever"]

HALF_LIVES: tuple[float, ...] = (np.inf, 32.0, 16.0, 8.0, 4.0, 2.0, 1.0, 0.5)  # the longest of equals wins
MEMORIES: tuple[float, ...] = (np.inf, 90.0, 30.0, 10.0)
TRIED_USERS = 1000
K = 10
DAY = 86_400.0


class ForgettingConfig(config.Config):
    """``half_life``: moments of the user (baskets, or single events) after which an event counts half.

    None: the best of ``HALF_LIVES`` by NDCG@10 on validation; without validation nothing is forgotten.
    """

    half_life: float | None = Field(default=None, gt=0)


class FadingConfig(ForgettingConfig):
    """``half_life``, and ``memory``: days after which an event counts half when the method learns.

    None: one of ``MEMORIES`` by NDCG@10 on validation, each shorter one tried as long as it is better.
    """

    memory: float | None = Field(default=None, gt=0)


class ForgettingRetriever(ScoringRetriever):
    """Base of methods that answer from the history: what was taken lately says more.

    The half-life acts when a question is answered, so that a choice costs one list a candidate; the memory,
    where the config has one, when the method learns. ``half_life_`` and ``memory_`` are those in use; fitted
    again without ``valid``, they are kept.
    """

    Config: ClassVar[type[ForgettingConfig]] = ForgettingConfig
    config: ForgettingConfig
    saved_numbers: ClassVar[tuple[str, ...]] = ("cut_", "half_life_", "memory_")

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        self.half_life_ = _or_never(self.config.half_life)
        self.memory_ = _or_never(getattr(self.config, "memory", None))

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Learn from ``train``; half-life and memory, where they are not given, are chosen on ``valid``.

        Returns
        -------
        Self
            This component, fitted.
        """
        chooses = self.config.half_life is None or self._chooses_memory(train)
        task = self._task(train, valid) if valid is not None and chooses else None
        if task is None or not self._chooses_memory(train):
            self._fit_faded(train)
            self._choose_half_life(task)
            return self
        best, kept = -np.inf, self.__dict__
        for memory in MEMORIES:
            self.memory_ = memory
            self._fit_faded(train)
            quality = self._choose_half_life(task)
            if quality <= best:
                break
            best, kept = quality, dict(self.__dict__)
        self.__dict__.clear()
        self.__dict__.update(kept)
        return self

    def _fit_faded(self, train: Dataset) -> None:
        super().fit(train if self.memory_ == np.inf else train.faded(self.memory_))

    def _chooses_memory(self, train: Dataset) -> bool:
        open_choice = isinstance(self.config, FadingConfig) and self.config.memory is None
        times = train.events[Columns.TIMESTAMP]
        return open_choice and float(times[-1] - times[0]) > min(MEMORIES) * DAY

    def _task(self, train: Dataset, valid: Dataset) -> Task:
        """Questions of users who have more than one moment to weigh."""
        task = held_out_task(train, valid)
        history = task.queries.histories
        old = np.flatnonzero(np.bincount(history.rows, weights=history.ages, minlength=len(history)))
        return task.take(old).sample(TRIED_USERS, seed=0)

    def _choose_half_life(self, task: Task | None) -> float:
        """Take the best half-life; its mean NDCG@10, 0 where nothing can be told."""
        if task is None:
            return 0.0
        trials = HALF_LIVES if self.config.half_life is None else (self.config.half_life,)
        found = []
        for self.half_life_ in trials:
            values = ranking.ndcg(self.retrieve(task.queries, K).items, task.relevant, K)
            known = values[~np.isnan(values)]
            found.append(float(known.mean()) if len(known) else 0.0)
        self.half_life_ = trials[int(np.argmax(found))]
        return max(found)

    def _history(self, queries: Queries) -> sparse.csr_array:
        """What users took, late events more: float32 [U, n_items]."""
        return queries.histories.matrix(self._known_items, self.half_life_)

    def _events(self, queries: Queries) -> sparse.csr_array:
        """2^(-age / half-life) of each event, summed by item, whatever its strength: float32 [U, n_items]."""
        n_items, history = self._known_items, queries.histories
        inside = (history.items >= 0) & (history.items < n_items)
        known = history.keep(inside)
        weights = np.exp2(-history.ages[inside] / self.half_life_).astype(np.float32)
        return sparse.csr_array((weights, known.items, known.offsets), shape=(len(known), n_items))


def _or_never(given: float | None) -> float:
    return float(np.inf) if given is None else given
