"""Train, validation and test without a look into the future; knows no model.

By global time (everyone is asked at one moment), or per user: by share of time, by last event, by
last basket. Parts share one catalogue and one user vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from zhiyin.data.columns import Columns
from zhiyin.data.dataset import Dataset
from zhiyin.draws import generator, keys_of
from zhiyin.errors import InputError
from zhiyin.types import FloatArray, IntArray, Queries, Ragged

__all__ = [
    "Split",
    "Task",
    "cut_by_time",
    "held_out_task",
    "leave_last_basket_out",
    "leave_last_out",
    "split_by_time",
    "split_users_by_time",
]

TRAIN, VALID, TEST = 0, 1, 2
Part = Literal["valid", "test"]


@dataclass(frozen=True, eq=False)
class Task:
    """What is asked of a recommender and what happened afterwards.

    ``relevant``: the items that each user of ``queries`` took in the held-out part.
    """

    queries: Queries
    relevant: Ragged

    def take(self, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Task:
        """The given rows, in that order."""
        return Task(self.queries.take(rows), self.relevant.take(rows))

    def sample(self, n: int, *, seed: int) -> Task:
        """``n`` rows at random, in ascending order; all where there are fewer."""
        if n >= len(self.queries):
            return self
        rows = generator(seed, 0, stream="sample").choice(len(self.queries), n, replace=False)
        return self.take(np.sort(rows))


@dataclass(frozen=True, eq=False)
class Split:
    """Three parts of one dataset."""

    train: Dataset
    valid: Dataset
    test: Dataset

    def task(self, part: Part, *, exclude_seen: bool = True) -> Task:
        """The questions of a part: each user with events in it, with everything older as history.

        The time of a question is the cut before the part, or the user's first held-out event where
        users are split one by one.
        """
        if part == "valid":
            return held_out_task(self.train, self.valid, exclude_seen=exclude_seen)
        return held_out_task(self.train.joined(self.valid), self.test, exclude_seen=exclude_seen)


def held_out_task(known: Dataset, held: Dataset, *, exclude_seen: bool = True) -> Task:
    """The questions that ``held`` answers: each of its users, with ``known`` as the history.

    Raises
    ------
    InputError
        When a user's history reaches beyond the question (a leak).
    """
    users = held.active_users
    histories = known.histories(users)
    relevant = held.histories(users)
    starts = relevant.times[relevant.offsets[:-1]]
    # One moment for all where the data allows it; else each user's own.
    times = np.full(len(users), known.cut) if (starts >= known.cut).all() else starts
    if (_last_times(histories) > times).any():
        raise InputError("A user's history reaches beyond the question", hint="Split by time.")
    names = tuple(held.user_ids[user] for user in users)
    queries = Queries(
        users=names, histories=histories, keys=keys_of(names), times=times, exclude_seen=exclude_seen
    )
    return Task(queries, relevant)


def split_by_time(dataset: Dataset, *, valid: float = 0.1, test: float = 0.1) -> Split:
    """Cut at two moments so that about these shares of the events come after them.

    Events of one moment stay together. The recommended way: nobody's future is known to anybody.

    Raises
    ------
    InputError
        When a share is not in (0, 1) or a part would be empty.

    Examples
    --------
    >>> times = [1.0, 2.0, 3.0, 4.0]
    >>> events = pl.DataFrame({"user_id": list("abab"), "item_id": list("wxyz"), "timestamp": times})
    >>> split = split_by_time(Dataset.from_frames(events), valid=0.25, test=0.25)
    >>> split.train.n_events, split.valid.n_events, split.test.n_events
    (2, 1, 1)
    """
    _check_shares(valid, test)
    times = dataset.events[Columns.TIMESTAMP].to_numpy()
    n = len(times)
    first, second = (times[min(round(n * share), n - 1)] for share in (1 - valid - test, 1 - test))
    part = np.where(times >= second, TEST, np.where(times >= first, VALID, TRAIN))
    return _split(dataset, part, cuts=(float(first), float(second)))


def cut_by_time(dataset: Dataset, newest: float) -> tuple[Dataset, Dataset]:
    """Two parts: what came before, and about this share of the newest events.

    Raises
    ------
    InputError
        When the share is not in (0, 1) or a part would be empty.
    """
    if not 0 < newest < 1:
        raise InputError("The share is out of range", expected="in (0, 1)", received=str(newest))
    times = dataset.events[Columns.TIMESTAMP].to_numpy()
    cut = float(times[min(round(len(times) * (1 - newest)), len(times) - 1)])
    late = dataset.events[Columns.TIMESTAMP] >= cut
    if not 0 < int(late.sum()) < len(times):
        raise InputError(
            "There is nothing before the cut",
            expected="events at different times",
            received=f"{len(times)} events, all newer",
            hint="Add a timestamp column, or more data.",
        )
    return dataset.where(~late, cut=cut), dataset.where(late, cut=dataset.cut)


def split_users_by_time(dataset: Dataset, *, valid: float = 0.1, test: float = 0.1) -> Split:
    """Each user's newest events are held out, by share of the user's own events (rounded).

    Raises
    ------
    InputError
        When a share is not in (0, 1) or a part would be empty.
    """
    _check_shares(valid, test)
    rank, count = _ranks(dataset)
    part = np.select([rank >= np.round(count * (1 - test)), rank >= np.round(count * (1 - valid - test))],
                     [TEST, VALID], TRAIN)  # fmt: skip
    return _split(dataset, part)


def leave_last_out(dataset: Dataset) -> Split:
    """Each user's last event is the test, the one before the validation.

    Users with fewer than three events stay whole in train. Where many events of a user share one
    moment (baskets), use ``leave_last_basket_out``.
    """
    rank, count = _ranks(dataset)
    part = np.select([rank == count - 1, rank == count - 2], [TEST, VALID], TRAIN)
    return _split(dataset, np.where(count < 3, TRAIN, part))


def leave_last_basket_out(dataset: Dataset) -> Split:
    """Each user's last basket is the test, the one before the validation.

    A basket is a session, or events of one moment where there are no sessions. Users with fewer
    than three baskets stay whole in train.
    """
    name, start = "_basket", "_start"
    basket = pl.coalesce(pl.col(Columns.SESSION_ID), pl.col(Columns.TIMESTAMP).cast(pl.String)).alias(name)
    marked = dataset.events.with_columns(basket).with_columns(
        pl.col(Columns.TIMESTAMP).min().over(Columns.USER, name).alias(start)
    )
    ranked = marked.with_columns(
        pl.struct(start, name).rank("dense").over(Columns.USER).alias("_rank"),
        pl.col(name).n_unique().over(Columns.USER).alias("_count"),
    )
    behind = (ranked["_count"] - ranked["_rank"]).to_numpy()
    part = np.select([behind == 0, behind == 1], [TEST, VALID], TRAIN)
    return _split(dataset, np.where(ranked["_count"].to_numpy() < 3, TRAIN, part))


def _ranks(dataset: Dataset) -> tuple[IntArray, IntArray]:
    users = dataset.events[Columns.USER].to_numpy()
    counts = np.bincount(users, minlength=dataset.n_users)
    order = np.argsort(users, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    rank = np.empty(len(users), dtype=np.int32)
    rank[order] = np.arange(len(users)) - np.repeat(starts, counts)
    return rank, counts[users].astype(np.int32)


def _last_times(histories: Ragged) -> FloatArray:
    last = np.full(len(histories), -np.inf)
    some = histories.lengths > 0
    last[some] = histories.times[histories.offsets[1:][some] - 1]
    return last


def _check_shares(valid: float, test: float) -> None:
    if not (0 < valid < 1 and 0 < test < 1 and valid + test < 1):
        raise InputError(
            "The shares leave no training data",
            expected="valid and test in (0, 1), together below 1",
            received=f"valid={valid}, test={test}",
        )


def _split(
    dataset: Dataset, part: Sequence[int] | np.ndarray, *, cuts: tuple[float, float] | None = None
) -> Split:
    labels = pl.Series(np.asarray(part))
    sizes = [int((labels == one).sum()) for one in (TRAIN, VALID, TEST)]
    if min(sizes) == 0:
        raise InputError(
            "A part of the split is empty",
            expected="events in train, valid and test",
            received=f"{sizes[0]}, {sizes[1]} and {sizes[2]} events",
            hint="Use larger shares, more data, or check that timestamps differ.",
        )
    ends = (*cuts, dataset.cut) if cuts is not None else (dataset.cut,) * 3
    parts = [
        dataset.where(labels == one, cut=end) for one, end in zip((TRAIN, VALID, TEST), ends, strict=True)
    ]
    return Split(*(replace(one, report=dataset.report) for one in parts))
