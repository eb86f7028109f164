"""Histories as padded tensors, cut and drawn by index arithmetic; knows no method."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from zhiyin.types import BoolArray, FloatArray, Ragged

__all__ = ["GAPS", "Batch", "Sequences"]

Long = npt.NDArray[np.int64]
MINUTE = 60.0
GAPS = 24  # at once, and 23 powers of two of a minute: up to eight years
JITTER = 0.2  # by which lengths are mixed, so that batches differ from epoch to epoch


@dataclass(frozen=True, eq=False)
class Batch:
    """B pieces of histories, W events wide, oldest first; pads on the right hold item 0.

    ``items``, ``kinds``, ``gaps`` int64 [B, W]: what was taken, the code of the event's type, and how long
    it was until the next event (``GAPS`` steps). ``asked`` int64 [B, W]: the type of the next event.
    ``lengths`` int64 [B]; ``people`` int64 [B]: rows of what is known of the users, -1: nothing. To be
    predicted are ``targets`` int64 [N] of ``weights`` float32 [N], each from the place (``rows``, ``places``)
    int64 [N].
    """

    items: Tensor
    kinds: Tensor
    gaps: Tensor
    asked: Tensor
    lengths: Tensor
    people: Tensor
    rows: Tensor
    places: Tensor
    targets: Tensor
    weights: Tensor

    @property
    def inside(self) -> Tensor:
        """Where there is an event, bool [B, W]."""
        return torch.arange(self.items.shape[1])[None] < self.lengths[:, None]


@dataclass(frozen=True, eq=False)
class Sequences:
    """Histories of known items end to end, as tensors of N events; and the pieces they are cut into.

    ``asked_kind``: the type of event that a question is about. ``worth`` float32 [N]: the weight of each
    event when it is to be predicted, 0: never. ``ends`` int64 [N]: behind the last of the events that are
    predicted from each: the next one, or all of the next moment where the event is the last of its own (a
    basket is one moment, in which order means little).
    """

    offsets: Long
    items: Tensor
    kinds: Tensor
    gaps: Tensor
    worth: Tensor
    ends: Long
    asked_kind: int
    people: Long

    @classmethod
    def of(
        cls,
        histories: Ragged,
        known: BoolArray,
        *,
        until: FloatArray | None = None,
        kinds: int = 1,
        asked_kind: int = 0,
        propensity: FloatArray | None = None,
        people: Long | None = None,
    ) -> Self:
        """Take over histories without the items that are not known.

        Parameters
        ----------
        histories : Ragged
        known : bool [n_items]
            Items that have a vector.
        until : float64 [U] or None
            When each user is asked; None: nobody is.
        kinds : int
            How many types of events there are; others count as the first.
        asked_kind : int
        propensity : float64 [n_items] or None
            How easily an item is taken; events are worth their strength / propensity.
        people : int64 [U] or None
            Rows of what is known of the users, -1: nothing.
        """
        inside = (histories.items >= 0) & (histories.items < len(known))
        inside[inside] = known[histories.items[inside]]
        kept = histories.keep(inside)
        codes = np.where((kept.events >= 0) & (kept.events < kinds), kept.events, 0)
        worth = np.maximum(kept.values, 0).astype(np.float32)
        if propensity is not None:
            worth /= propensity[kept.items]
        return cls(
            np.asarray(kept.offsets),
            torch.from_numpy(kept.items.astype(np.int64)),
            torch.from_numpy(codes.astype(np.int64)),
            torch.from_numpy(_steps(_waits(kept, until))),
            torch.from_numpy(worth.astype(np.float32)),
            _ends(kept),
            asked_kind,
            np.full(len(histories), -1, dtype=np.int64) if people is None else people,
        )

    @cached_property
    def lengths(self) -> Long:
        """Events of each user, int64 [U]."""
        return np.diff(self.offsets)

    def pieces(self, length: int) -> Pieces:
        """Pieces of at most ``length`` events, so that each event but a user's newest is once in one."""
        inputs = np.maximum(self.lengths - 1, 0)
        counts = -(-inputs // length)
        users = np.repeat(np.arange(len(counts)), counts)
        nth = np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)
        ends = self.offsets[1:][users] - 1 - nth * length  # counted from the newest, which is whole
        starts = np.maximum(ends - length, self.offsets[:-1][users])
        return Pieces(self, users, starts, ends - starts)

    def newest(self, length: int) -> Pieces:
        """The newest ``length`` events of each user, nothing left to predict."""
        sizes = np.minimum(self.lengths, length)
        return Pieces(self, np.arange(len(sizes)), self.offsets[1:] - sizes, sizes)


@dataclass(frozen=True, eq=False)
class Pieces:
    """Consecutive events of users: where each piece starts and how long it is."""

    sequences: Sequences
    users: Long
    starts: Long
    lengths: Long

    def __len__(self) -> int:
        return len(self.users)

    def take(self, rows: Any) -> Self:
        """The given pieces, in that order."""
        return replace(self, users=self.users[rows], starts=self.starts[rows], lengths=self.lengths[rows])

    def shuffled(self, draw: np.random.Generator, events: int) -> Iterator[Batch]:
        """Batches of about ``events`` places of pieces about as long as each other, in random order."""
        mixed = draw.permutation(np.flatnonzero(self.lengths))
        order = mixed[np.argsort(self.lengths[mixed] * draw.uniform(1, 1 + JITTER, len(mixed)))]
        cuts = _cuts(self.lengths[order], events)
        for at in draw.permutation(len(cuts) - 1):
            yield self.take(order[cuts[at] : cuts[at + 1]]).batch()

    def by_length(self, events: int) -> Iterator[tuple[Long, Batch]]:
        """All pieces that hold an event, as rows and batches of about ``events`` places."""
        some = np.flatnonzero(self.lengths)
        order = some[np.argsort(self.lengths[some], kind="stable")]
        cuts = _cuts(self.lengths[order], events)
        for start, end in pairwise(cuts.tolist()):
            yield order[start:end], self.take(order[start:end]).batch()

    def batch(self) -> Batch:
        """All pieces as one batch."""
        every = self.sequences
        width = max(int(self.lengths.max(initial=0)), 1)
        lengths = torch.from_numpy(self.lengths)
        inside = torch.arange(width)[None] < lengths[:, None]
        where = (torch.from_numpy(self.starts)[:, None] + torch.arange(width)).where(inside, 0)
        last = torch.from_numpy(every.offsets[1:][self.users])[:, None] - 1
        later = torch.minimum(where + 1, last)
        asked = every.kinds[later].where(inside & (where < last), every.asked_kind)
        rows, places = torch.nonzero(inside, as_tuple=True)
        sources = where[rows, places].numpy()
        counts = every.ends[sources] - sources - 1
        of = np.repeat(np.arange(len(sources)), counts)
        targets = sources[of] + 1 + np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
        worth = every.worth[targets]
        good = worth > 0
        at = torch.from_numpy(of)[good]
        return Batch(
            every.items[where].where(inside, 0),
            every.kinds[where],
            every.gaps[where],
            asked,
            lengths,
            torch.from_numpy(every.people[self.users]),
            rows[at],
            places[at],
            every.items[targets][good],
            worth[good],
        )


def _ends(histories: Ragged) -> Long:
    """Behind the last event that is predicted from each, int64 [N]; behind itself: nothing."""
    n, rows, times = len(histories.items), histories.rows, histories.times
    if n == 0:
        return np.empty(0, dtype=np.int64)
    fresh = np.ones(n, dtype=bool)
    fresh[1:] = (rows[1:] != rows[:-1]) | (times[1:] != times[:-1])
    begins = np.append(np.flatnonzero(fresh), n)  # of moments
    moment = np.cumsum(fresh) - 1
    closes = begins[moment + 1] - 1 == np.arange(n)
    following = begins[np.minimum(moment + 2, len(begins) - 1)]
    ends = np.where(closes, following, np.arange(n) + 2)
    return np.minimum(ends, histories.offsets[1:][rows])


def _waits(histories: Ragged, until: FloatArray | None) -> FloatArray:
    """Seconds from each event to the user's next one, or to the question; 0 where there is none."""
    waits = np.zeros(len(histories.times))
    waits[:-1] = np.diff(histories.times)
    some = histories.lengths > 0
    last = histories.offsets[1:][some] - 1
    waits[last] = 0.0 if until is None else until[some] - histories.times[last]
    return waits


def _steps(seconds: FloatArray) -> Long:
    """0: at once; else 1 and more, one step each doubling of a minute; int64 [N] below ``GAPS``."""
    doublings = np.floor(np.log2(np.maximum(seconds, MINUTE) / MINUTE))
    steps = np.where(seconds > 0, 1 + np.minimum(doublings, GAPS - 2), 0)
    return steps.astype(np.int64)


def _cuts(lengths: Long, events: int) -> Long:
    """Where to cut rows of about rising length, so that no part is much more than ``events`` places."""
    widest = np.maximum.accumulate(lengths)
    cuts = [0]
    while cuts[-1] < len(lengths):
        start = cuts[-1]
        # Rows of a part times its width: found as if its width were that of the first, then made narrower.
        end = min(start + max(events // max(int(widest[start]), 1), 1), len(lengths))
        while end > start + 1 and (end - start) * int(widest[end - 1]) > events:
            end = start + max(events // int(widest[end - 1]), 1)
        cuts.append(end)
    return np.array(cuts, dtype=np.int64)
