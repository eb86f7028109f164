"""Train, validation and test; knows no model.

By global time (``split_by_time``, ``cut_by_time``): everyone is asked at one moment, and nothing
newer is known to anybody; only this is without a look into the future. Per user (by share, by last
event, by last basket), as is usual in the literature: no *user's own* later events are known when
the user is asked, but train holds other users' later events and reaches to the end of the data, so
whatever depends on time (popularity, trends, "recent") has seen what came after most questions. Such
numbers are fit for comparison with papers, not as a forecast (Ji, Sun, Zhang & Li 2023, "A critical
study on data leakage in recommender system offline evaluation", doi:10.1145/3569930). Parts share
one catalogue and one user vocabulary.
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
    "split_at",
    "split_by_time",
    "split_cold_items",
    "split_cold_users",
    "split_users_by_time",
]

TRAIN, VALID, TEST, FOLD_IN = 0, 1, 2, 3
Part = Literal["valid", "test"]


@dataclass(frozen=True, eq=False)
class Task:
    """What is asked of a recommender and what happened afterwards.

    ``relevant``: the items that each user of ``queries`` took in the held-out part, each once, by
    time; empty where nothing is left that a list could hold (metrics are NaN there).
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
    """Three parts of one dataset.

    ``global_time`` is True where all are cut at the same moments, so that no part knows anything of
    a later one's time; False where users were split one by one. ``fold_in``: what is known of users when
    they are asked, and not for training. ``notes``: what is doubtful in it.
    """

    train: Dataset
    valid: Dataset
    test: Dataset
    global_time: bool = False
    fold_in: Dataset | None = None
    notes: tuple[str, ...] = ()

    def task(self, part: Part, *, exclude_seen: bool = True) -> Task:
        """The questions of a part: each user with events in it, with everything older as history.

        The time of a question is the cut before the part, or the user's first held-out event where
        users are split one by one.
        """
        held = self.valid if part == "valid" else self.test
        known = self.train if part == "valid" else self.train.joined(self.valid)
        if self.fold_in is not None:
            known = replace(known.joined(self.fold_in), cut=known.cut)
        return held_out_task(known, held, exclude_seen=exclude_seen)


def held_out_task(known: Dataset, held: Dataset, *, exclude_seen: bool = True) -> Task:
    """The questions that ``held`` answers: each of its users, with ``known`` as the history.

    Parameters
    ----------
    known, held : Dataset
        Two parts of one dataset; per user, ``known`` is not newer than ``held``.
    exclude_seen : bool
        Whether lists may not show what the history holds. If so, these items are no truth either: a
        list could not contain them. Bought again after all, they count with ``exclude_seen=False``.

    Returns
    -------
    Task
        ``relevant`` holds an item at most once a user, at its first held-out event of ``value`` > 0.
        Users without truth stay (their metrics are NaN). Items that are not available yet at the
        time of the question stay truth: missing them is a limit of the system, not of the question.

    Raises
    ------
    InputError
        When a user's history reaches beyond the question (a leak).

    Examples
    --------
    >>> events = pl.DataFrame({"user_id": ["a"] * 5, "item_id": list("xyxzz"),
    ...     "timestamp": [1.0, 2.0, 3.0, 4.0, 5.0]})
    >>> known, held = cut_by_time(Dataset.from_frames(events), 0.6)
    >>> [held_out_task(known, held, exclude_seen=seen).relevant.items.tolist() for seen in (True, False)]
    [[2], [0, 2]]
    """
    users = held.active_users
    histories = known.histories(users)
    taken = held.histories(users)
    starts = taken.times[taken.offsets[:-1]]
    # One moment for all where the data allows it; else each user's own.
    times = np.full(len(users), known.cut) if (starts >= known.cut).all() else starts
    if (_last_times(histories) > times).any():
        raise InputError("A user's history reaches beyond the question", hint="Split by time.")
    names = tuple(held.user_ids[user] for user in users)
    queries = Queries(
        users=names, histories=histories, keys=keys_of(names), times=times, exclude_seen=exclude_seen
    )
    return Task(queries, _truth(taken, histories if exclude_seen else None))


def _truth(taken: Ragged, seen: Ragged | None) -> Ragged:
    """What was taken with strength > 0, each item once a row, without what ``seen`` holds."""
    good = taken.keep(taken.values > 0)
    width = 1 + max(int(one.items.max(initial=0)) for one in (good, seen) if one is not None)
    pairs = good.rows * width + good.items
    fresh = np.zeros(len(pairs), dtype=bool)
    fresh[np.unique(pairs, return_index=True)[1]] = True
    if seen is not None:
        fresh &= ~np.isin(pairs, seen.rows * width + seen.items)
    return good.keep(fresh)


def split_by_time(dataset: Dataset, *, valid: float = 0.1, test: float = 0.1) -> Split:
    """Cut at two moments so that about these shares of the events come after them.

    Events of one moment stay together. The recommended way, and the only one of the four without a
    look into the future: nobody's future is known to anybody.

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


def split_at(dataset: Dataset, *, valid: float, test: float) -> Split:
    """Cut by global time at two moments that are given, such as those of somebody else's experiment.

    Parameters
    ----------
    valid, test : float
        Seconds at which validation and test begin.

    Raises
    ------
    InputError
        When a part would be empty.
    """
    times = dataset.events[Columns.TIMESTAMP].to_numpy()
    part = np.where(times >= test, TEST, np.where(times >= valid, VALID, TRAIN))
    return _split(dataset, part, cuts=(valid, test))


def cut_by_time(dataset: Dataset, newest: float) -> tuple[Dataset, Dataset]:
    """Two parts by global time: what came before, and about this share of the newest events.

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

    Other users' later events are in train, as is usual in the literature: see the module.

    Raises
    ------
    InputError
        When a share is not in (0, 1) or a part would be empty.
    """
    _check_shares(valid, test)
    rank, count = _ranks(dataset)
    part = np.select([rank >= np.round(count * (1 - test)), rank >= np.round(count * (1 - valid - test))],
                     [TEST, VALID], TRAIN)  # fmt: skip
    return _with_ties(_split(dataset, part), dataset, part)


def leave_last_out(dataset: Dataset) -> Split:
    """Each user's last event is the test, the one before the validation.

    Users with fewer than three events stay whole in train. Where many events of a user share one
    moment (baskets), use ``leave_last_basket_out``. Other users' later events are in train, as is
    usual in the literature: see the module.
    """
    rank, count = _ranks(dataset)
    part = np.select([rank == count - 1, rank == count - 2], [TEST, VALID], TRAIN)
    part = np.where(count < 3, TRAIN, part)
    return _with_ties(_split(dataset, part), dataset, part)


def leave_last_basket_out(dataset: Dataset) -> Split:
    """Each user's last basket is the test, the one before the validation.

    A basket is a session, or events of one moment where there are no sessions. Baskets of a user that
    overlap in time count as one, so that each begins when the one before has ended. Users with fewer
    than three baskets stay whole in train. Other users' later events are in train, as is usual in the
    literature: see the module.
    """
    rank, count = _baskets(dataset)
    part = np.select([rank == count - 1, rank == count - 2], [TEST, VALID], TRAIN)
    return _split(dataset, np.where(count < 3, TRAIN, part))


def split_cold_users(
    dataset: Dataset, *, valid: float = 0.1, test: float = 0.1, history: float = 0.8, seed: int = 7
) -> Split:
    """Some users are unknown to training: they are asked with the oldest share of their events.

    Known as strong generalisation. Other users' later events are in train.

    Parameters
    ----------
    valid, test : float
        Shares of the users, in (0, 1).
    history : float
        Share of their events that is known when they are asked, in [0, 1); 0: nothing at all.
    seed : int
        Of the choice of users.

    Raises
    ------
    InputError
        When a share is out of range or a part would be empty.

    Notes
    -----
    Marlin (2004), "Collaborative filtering: a machine learning perspective", section 2.3.
    """
    _check_shares(valid, test)
    if not 0.0 <= history < 1.0:
        raise InputError("The history is out of range", expected="in [0, 1)", received=str(history))
    users = dataset.active_users
    drawn = generator(seed, 0, stream="cold users").permutation(users)
    ends = [round(len(users) * share) for share in (test, test + valid)]
    whose = np.full(dataset.n_users, TRAIN)
    whose[drawn[: ends[0]]], whose[drawn[ends[0] : ends[1]]] = TEST, VALID
    rank, count = _ranks(dataset)
    owner = whose[dataset.events[Columns.USER].to_numpy()]
    folded = (owner != TRAIN) & (rank < np.floor(count * history))
    split = _split(dataset, np.where(folded, FOLD_IN, owner))
    return replace(split, fold_in=dataset.where(pl.Series(folded), cut=dataset.cut))


def split_cold_items(dataset: Dataset, *, valid: float = 0.1, test: float = 0.1) -> Split:
    """Cut by global time, and ask only for items that nobody had taken before.

    Only what reads texts or attributes can find them; whoever lists known items scores zero.

    Raises
    ------
    InputError
        When a share is not in (0, 1), or no new items appear in a part.
    """
    split = split_by_time(dataset, valid=valid, test=test)
    known = split.train.joined(split.valid)
    parts = [
        held.where(~held.events[Columns.ITEM].is_in(before.events[Columns.ITEM].implode()), cut=held.cut)
        for before, held in ((split.train, split.valid), (known, split.test))
    ]
    if min(part.n_events for part in parts) == 0:
        raise InputError(
            "A part of the split has no new items",
            expected="items that first appear in validation, and in test",
            received=f"{parts[0].n_events} and {parts[1].n_events} events on new items",
            hint="Use larger shares: the parts are the newest events.",
        )
    return replace(split, valid=parts[0], test=parts[1])


def _with_ties(split: Split, dataset: Dataset, part: IntArray) -> Split:
    """The split with a note where events of one user and moment came into different parts."""
    user, time = pl.col(Columns.USER), pl.col(Columns.TIMESTAMP)
    parted = (
        dataset.events.select(user, time, pl.Series("part", part))
        .group_by(user, time)
        .agg(pl.col("part").n_unique())
        .filter(pl.col("part") > 1)[Columns.USER]
        .n_unique()
    )
    if parted == 0:
        return split
    users = dataset.events[Columns.USER].n_unique()
    note = (
        f"{parted} of {users} users have events of one moment in different parts: which of them is held out"
        " depends on the order of the file; whole baskets: leave_last_basket_out (--split basket)"
    )
    return replace(split, notes=(note,))


def _baskets(dataset: Dataset) -> tuple[IntArray, IntArray]:
    """Of each event: the place of its basket among the user's (from 0), and how many those are."""
    name, start, end, rank = "_basket", "_start", "_end", "_rank"
    user, time = pl.col(Columns.USER), pl.col(Columns.TIMESTAMP)
    # Prefixed, so that no session is called like a moment.
    label = pl.coalesce("s" + pl.col(Columns.SESSION_ID).cast(pl.String), "t" + time.cast(pl.String)).alias(
        name
    )
    marked = dataset.events.select(user, time, label)
    baskets = (
        marked.group_by(user, name)
        .agg(time.min().alias(start), time.max().alias(end))
        .sort(Columns.USER, start, end, name)
        .with_columns(pl.col(end).cum_max().shift().over(user).alias("_before"))
        .with_columns((pl.col(start) >= pl.col("_before")).fill_null(False).alias("_new"))
        .with_columns(pl.col("_new").cast(pl.Int32).cum_sum().over(user).alias(rank))
        .with_columns((pl.col(rank).max().over(user) + 1).alias("_count"))
    )
    placed = marked.join(baskets, on=[Columns.USER, name], how="left", maintain_order="left")
    return placed[rank].to_numpy(), placed["_count"].to_numpy()


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
    train, valid, test = (replace(one, report=dataset.report) for one in parts)
    return Split(train, valid, test, global_time=cuts is not None)
