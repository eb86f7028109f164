"""The best n of each row of a score matrix; knows no users and no models."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from zhiyin.errors import InputError
from zhiyin.types import BoolArray, Candidates, FloatArray, IntArray, Queries, Ragged, ScoreArray

__all__ = ["first_n", "hide", "hide_listed", "in_range", "top_n", "top_n_sparse"]


def top_n(scores: ScoreArray, n: int) -> Candidates:
    """The n largest of each row, best first; equal scores by smaller index.

    Parameters
    ----------
    scores : float32 [U, n_items]
        -inf (or NaN): not a candidate.
    n : int
        Places; the rest of a short row is padded with -1 and -inf.

    Raises
    ------
    InputError
        When n < 1.

    Examples
    --------
    >>> top_n(np.float32([[0.5, -np.inf, 0.9]]), 3).items
    array([[ 2,  0, -1]], dtype=int32)
    """
    _check(n)
    clean = np.where(np.isnan(scores), -np.inf, scores).astype(np.float32, copy=False)
    width = min(n, clean.shape[1])
    # Stable order among equals: partition on the score, then widen to all that equal the last one.
    if width < clean.shape[1]:
        part = np.argpartition(-clean, width - 1, axis=1)[:, :width]
        last = np.take_along_axis(clean, part, axis=1).min(axis=1)
        tied = np.flatnonzero((clean == last[:, None]).sum(axis=1) > 1)
        tied = tied[np.isfinite(last[tied])]
        for row in tied:
            above = np.flatnonzero(clean[row] > last[row])
            equal = np.flatnonzero(clean[row] == last[row])[: width - len(above)]
            part[row] = np.concatenate([above, equal])
    else:
        part = np.broadcast_to(np.arange(width), (len(clean), width))
    part = np.sort(part, axis=1)
    values = np.take_along_axis(clean, part, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    items = np.take_along_axis(part, order, axis=1).astype(np.int32)
    values = np.take_along_axis(values, order, axis=1)
    items[~np.isfinite(values)] = -1
    if width < n:
        pad = ((0, 0), (0, n - width))
        items = np.pad(items, pad, constant_values=-1)
        values = np.pad(values, pad, constant_values=-np.inf)
    return Candidates(items, values)


def first_n(
    order: npt.NDArray[np.int64],
    scores: ScoreArray,
    queries: Queries,
    available_from: FloatArray,
    cut: float,
    n: int,
) -> Candidates:
    """The first n of one order that each query may be shown; the time does not grow with the catalogue.

    Parameters
    ----------
    order : int64 [n_items]
        Items, best first.
    scores : float32 [n_items]
        By item, not increasing along ``order``.
    """
    _check(n)
    users, size = len(queries), len(order)
    width = n + (int(queries.histories.lengths.max(initial=0)) if queries.exclude_seen else 0)
    while True:
        width = min(width, size)
        items = np.broadcast_to(order[:width].astype(np.int32), (users, width))
        free = ~hide_listed(items, queries, available_from, cut)
        rank = np.cumsum(free, axis=1)
        if width == size or (width and (rank[:, -1] >= n).all()):
            break
        width *= 4
    rows, places = np.nonzero(free & (rank <= n))
    found = np.full((users, n), -1, dtype=np.int32)
    values = np.full((users, n), -np.inf, dtype=np.float32)
    where = rank[rows, places] - 1
    found[rows, where] = items[rows, places]
    values[rows, where] = scores[items[rows, places]]
    return Candidates(found, values)


def top_n_sparse(
    scores: sparse.csr_array, queries: Queries, available_from: FloatArray, cut: float, n: int
) -> Candidates:
    """The best n of the stored entries of each row; memory grows with them, not with the catalogue.

    Entries of 0 are no opinion. Equal scores by smaller index, as in ``top_n``.
    """
    scores.sort_indices()
    lengths = np.diff(scores.indptr)
    width = max(int(lengths.max(initial=0)), 1)
    inside = np.arange(width) < lengths[:, None]
    items = np.full(inside.shape, -1, dtype=np.int32)
    values = np.full(inside.shape, -np.inf, dtype=np.float32)
    items[inside], values[inside] = scores.indices, scores.data
    values[(values == 0) | hide_listed(items, queries, available_from, cut)] = -np.inf
    best = top_n(values, n)
    chosen = np.take_along_axis(items, np.maximum(best.items, 0), axis=1)
    return Candidates(np.where(best.items >= 0, chosen, -1).astype(np.int32), best.scores)


def hide_listed(items: IntArray, queries: Queries, available_from: FloatArray, cut: float) -> BoolArray:
    """Which entries of item lists [U, w] (-1 pads) must not be shown; what ``hide`` does to scores."""
    known = np.maximum(items, 0)
    times = np.full(len(queries), cut) if queries.times is None else queries.times
    hidden: BoolArray = (items < 0) | (available_from[known] > times[:, None])
    if queries.allowed is not None:
        allowed = queries.allowed
        hidden |= ~(np.take_along_axis(allowed, known, axis=1) if allowed.ndim == 2 else allowed[known])
    if queries.exclude_seen and len(queries.histories.items):
        size = len(available_from)
        seen = in_range(queries.histories, size)
        pairs = np.arange(len(queries))[:, None] * np.int64(size) + known
        hidden |= np.isin(pairs, seen.rows * np.int64(size) + seen.items)
    return hidden


def in_range(histories: Ragged, n_items: int) -> Ragged:
    """The events whose item the model knows."""
    mask = (histories.items >= 0) & (histories.items < n_items)
    return histories if mask.all() else histories.keep(mask)


def hide(scores: ScoreArray, queries: Queries, available_from: np.ndarray, cut: float) -> None:
    """Set to -inf, in place, what must not be shown: not yet there, not allowed, seen already."""
    n_items = scores.shape[1]
    times = np.full(len(queries), cut) if queries.times is None else queries.times
    late = available_from > times.min() if len(times) else np.zeros(n_items, bool)
    if late.any():
        columns = np.flatnonzero(late)
        scores[:, columns] = np.where(
            available_from[None, columns] > times[:, None], -np.inf, scores[:, columns]
        )
    if queries.allowed is not None:
        allowed = queries.allowed[..., :n_items]
        scores[~np.broadcast_to(allowed, scores.shape)] = -np.inf
    if queries.exclude_seen:
        known = in_range(queries.histories, n_items)
        scores[known.rows, known.items] = -np.inf


def _check(n: int) -> None:
    if n < 1:
        raise InputError("n is too small", expected="n >= 1", received=str(n))
