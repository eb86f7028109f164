"""Rows of feedback as numbers, each from what was known before it; knows no model and no list.

A row is a user, an item, a time, and whether it was liked. Its features tell of the user, the item and the
two together: nothing of the row itself, of its moment, or of later ones. Counts and means are exact at every
moment; what needs neighbours is worked out at the beginning of each block of time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from zhiyin.errors import InputError
from zhiyin.retrieve.selection import largest_of_rows
from zhiyin.types import BoolArray, FloatArray, Ragged

__all__ = ["Feedback", "features_after", "features_within"]

Indices = npt.NDArray[np.int64]
STRENGTH = 5.0  # examples' worth of the mean of all that a mean is drawn to it
NEAREST = 100
NEWEST = 10
CHUNK = 2048
HOUR = 3600.0
NEVER = 1e6  # hours


@dataclass(frozen=True, eq=False)
class Feedback:
    """Rows: ``users``, ``items`` int64 [n], indices; ``times`` float64 [n]; ``labels`` float64 [n] in [0, 1].

    ``histories``: what the user had taken before each row, oldest first; items only.
    """

    users: Indices
    items: Indices
    times: FloatArray
    labels: FloatArray
    histories: Ragged

    def __len__(self) -> int:
        return len(self.users)

    def take(self, rows: Indices | BoolArray) -> Feedback:
        """The given rows."""
        chosen = np.flatnonzero(rows) if rows.dtype == bool else rows
        return Feedback(
            self.users[chosen],
            self.items[chosen],
            self.times[chosen],
            self.labels[chosen],
            self.histories.take(chosen),
        )


def features_within(
    log: Feedback, items: Mapping[str, FloatArray], *, blocks: int = 6
) -> tuple[dict[str, FloatArray], Indices]:
    """Features of the rows of a log from earlier rows, to learn from.

    Parameters
    ----------
    log : Feedback
    items : mapping of name -> float64 [n_items]
        What is known of items, whatever happens; NaN: unknown.
    blocks : int
        Parts of the time, of as many rows each, >= 2. The first one is only told of.

    Returns
    -------
    features, rows
        name -> float64 [m], and which rows of the log these are, int64 [m], ascending.

    Raises
    ------
    InputError
        When everything happens at one moment.
    """
    ordered = np.sort(log.times)
    edges = np.unique([ordered[len(log) * block // blocks] for block in range(1, blocks)])
    edges = edges[edges > ordered[0]]
    if len(edges) == 0:
        raise InputError("All feedback is of one moment", hint="Give the times at which it came.")
    parts, rows = [], []
    for start, end in zip(edges, [*edges[1:], np.inf], strict=True):
        now = np.flatnonzero((log.times >= start) & (log.times < end))
        asked = log.take(now)
        known = log.take(log.times < start)
        parts.append({**_so_far(log, asked), **_together(known, asked, items)})
        rows.append(now)
    where = np.concatenate(rows)
    order = np.argsort(where)
    return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}, where[order]


def features_after(log: Feedback, asked: Feedback, items: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Features of later rows from the whole log; their labels are not read.

    Raises
    ------
    InputError
        When a row is not later than the log: its features would know of itself.
    """
    if len(log) and len(asked) and float(asked.times.min()) <= float(log.times.max()):
        raise InputError(
            "A row that is asked for is not later than the log",
            expected=f"times above {log.times.max()}",
            received=str(asked.times.min()),
            hint="Cut both at one moment.",
        )
    return {**_so_far(log, asked), **_together(log, asked, items)}


def _so_far(log: Feedback, asked: Feedback) -> dict[str, FloatArray]:
    """Counts and means of user and item from all rows strictly before each."""
    centre = _centre(log, asked.times)
    own = _centre(log, log.times)
    found: dict[str, FloatArray] = {}
    means, left = {}, {}
    sides = {"user": (log.users, asked.users), "item": (log.items, asked.items)}
    for name, (known, wanted) in sides.items():
        count, total, last = _prior(known, log.labels, log.times, wanted, asked.times)
        means[name] = (total + STRENGTH * centre) / (count + STRENGTH)
        found[f"{name} count"] = np.log1p(count)
        found[f"{name} mean"] = means[name]
        waited = np.where(count > 0, (asked.times - last) / HOUR, NEVER)
        found[f"{name} waited"] = np.log1p(waited)
        count, total, _ = _prior(known, log.labels, log.times, known, log.times)
        left[name] = log.labels - (total + STRENGTH * own) / (count + STRENGTH)
    found["means"] = means["user"] + means["item"] - centre
    # How an item is liked by those who are not easily pleased, and a user's taste beyond what all like.
    for name, other in (("item", "user"), ("user", "item")):
        known, wanted = sides[name]
        count, total, _ = _prior(known, left[other], log.times, wanted, asked.times)
        found[f"{name} beyond"] = total / (count + STRENGTH)
    found["beyond"] = found["item beyond"] + found["user beyond"]
    found["history"] = np.log1p(asked.histories.lengths.astype(np.float64))
    return found


def _centre(log: Feedback, times: FloatArray) -> FloatArray:
    """Mean label of the rows before each moment, one half before there were any, float64 [n]."""
    order = np.argsort(log.times, kind="stable")
    sums = np.concatenate([[0.0], np.cumsum(log.labels[order])])
    before = np.searchsorted(log.times[order], times, side="left")
    return np.asarray((sums[before] + 1.0) / (before + 2.0), dtype=np.float64)


def _prior(
    keys: Indices, values: FloatArray, times: FloatArray, asked: Indices, moments: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of the rows of the same key strictly before each moment: how many, their sum, the last time."""
    order = np.lexsort((times, keys))
    every = np.unique(np.concatenate([times, moments]))
    width = len(every) + 1
    codes = keys[order] * width + np.searchsorted(every, times[order])
    sums = np.concatenate([[0.0], np.cumsum(values[order])])
    start = np.searchsorted(codes, asked * width)
    end = np.searchsorted(codes, asked * width + np.searchsorted(every, moments))
    last = times[order][np.maximum(end - 1, 0)] if len(order) else np.zeros(len(asked))
    return (end - start).astype(np.float64), sums[end] - sums[start], last


def _together(log: Feedback, asked: Feedback, items: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """What neighbours of the item and the history say, from all rows of the log."""
    n = 1 + max(
        int(one.max(initial=0)) for part in (log, asked) for one in (part.items, part.histories.items)
    )
    n = max(n, *(len(one) for one in items.values()), 1)
    likes = _takers(log, n)
    near = _similar(likes)
    count = np.bincount(log.items, minlength=n).astype(np.float64)
    centre = float(log.labels.mean()) if len(log) else 0.5
    pleased = _means(log.users, log.labels, centre)
    beyond = np.bincount(log.items, weights=log.labels - pleased, minlength=n)
    takers = np.log1p(np.diff(likes.tocsc().indptr).astype(np.float64))
    quality = (np.bincount(log.items, weights=log.labels, minlength=n) + STRENGTH * centre) / (
        count + STRENGTH
    )
    found = {"takers": takers[asked.items]}
    for width in (NEAREST // 5, NEAREST):
        around = near if width == NEAREST else _first(near, width)
        theirs = (around @ beyond) / (around @ count + 1.0)
        found[f"neighbours {width}"] = theirs[asked.items]
    found["item drawn to neighbours"] = ((beyond + 8.0 * theirs) / (count + 8.0))[asked.items]
    history = _matrix(asked.histories, n)
    lengths = np.maximum(np.diff(history.indptr), 1)
    found["near history"] = _entries(history, near, asked.items) / np.sqrt(lengths)
    found["history quality"] = (history @ (quality - centre)) / lengths
    found["history takers"] = (history @ takers) / lengths
    for name, values in items.items():
        found.update(_compared(name, _padded(values, n), asked))
    return found


def _compared(name: str, values: FloatArray, asked: Feedback) -> dict[str, FloatArray]:
    """An attribute of the item, beside the same of the history and of its newest items."""
    history = asked.histories
    place = np.repeat(history.offsets[1:], history.lengths) - np.arange(len(history.items))
    found = {name: values[asked.items]}
    known = np.isfinite(values[history.items])
    for label, mask in (("", known), (" of late", known & (place <= NEWEST))):
        count = np.bincount(history.rows[mask], minlength=len(asked))
        total = np.bincount(history.rows[mask], weights=values[history.items[mask]], minlength=len(asked))
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        found[f"{name} of history{label}"] = mean
        found[f"{name} apart{label}"] = np.abs(values[asked.items] - mean)
    return found


def _takers(log: Feedback, n: int) -> sparse.csr_array:
    """Who took or met what, 0 or 1, [users, n]."""
    users = np.concatenate([log.users[log.histories.rows], log.users])
    items = np.concatenate([log.histories.items.astype(np.int64), log.items])
    _, codes = np.unique(users, return_inverse=True)
    shape = (int(codes.max(initial=-1)) + 1, n)
    found = sparse.csr_array((np.ones(len(items)), (codes, items)), shape=shape)
    found.data[:] = 1.0
    return found


def _similar(takers: sparse.csr_array) -> sparse.csr_array:
    """Cosine of each item with its nearest ones, by who took them, [n, n]."""
    shared = sparse.coo_array(takers.T @ takers)
    rows, columns = shared.coords
    sizes = np.asarray(takers.sum(axis=0)).ravel()
    values = np.where(rows != columns, shared.data / (np.sqrt(sizes[rows] * sizes[columns]) + STRENGTH), 0.0)
    kept = largest_of_rows(rows, columns, values, NEAREST) & (values > 0)
    return sparse.csr_array((values[kept], (rows[kept], columns[kept])), shape=shared.shape)


def _first(near: sparse.csr_array, width: int) -> sparse.csr_array:
    rows = np.repeat(np.arange(near.shape[0]), np.diff(near.indptr))
    kept = largest_of_rows(rows, near.indices, near.data, width)
    return sparse.csr_array((near.data[kept], (rows[kept], near.indices[kept])), shape=near.shape)


def _matrix(histories: Ragged, n: int) -> sparse.csr_array:
    ones = np.ones(len(histories.items))
    return sparse.csr_array((ones, histories.items, histories.offsets), shape=(len(histories), n))


def _entries(history: sparse.csr_array, near: sparse.csr_array, items: Indices) -> FloatArray:
    """One entry of each row of history x near, float64 [rows]; never the whole product at once."""
    found = np.zeros(len(items))
    for start in range(0, len(items), CHUNK):
        part = slice(start, start + CHUNK)
        columns = near[:, items[part]].tocsc()
        wanted = sparse.csr_array(columns.T)
        found[part] = np.asarray(history[part].multiply(wanted).sum(axis=1)).ravel()
    return found


def _means(keys: Indices, labels: FloatArray, centre: float) -> FloatArray:
    """Mean label of each row's key, drawn to the mean of all, float64 [n]."""
    _, codes = np.unique(keys, return_inverse=True)
    count, total = np.bincount(codes), np.bincount(codes, weights=labels)
    means: FloatArray = ((total + STRENGTH * centre) / (count + STRENGTH))[codes]
    return means


def _padded(values: FloatArray, n: int) -> FloatArray:
    return np.concatenate([values, np.full(n - len(values), np.nan)])
