"""The best n of each row of a score matrix; knows no users and no models."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from zhiyin.errors import InputError
from zhiyin.types import BoolArray, Candidates, FloatArray, IntArray, Queries, Ragged, ScoreArray

__all__ = ["first_n", "hide", "hide_listed", "in_range", "largest_of_rows", "top_n", "top_n_sparse"]


FAR = 32  # times more items than places: most are passed over by a bound


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
    size = scores.shape[1]
    width = min(n, size)
    losses = np.negative(scores, dtype=np.float32)  # NaN sorts behind everything, as inf does
    part = _smallest(losses, width)
    keys = _sort_keys(np.take_along_axis(losses, part, axis=1), part)
    keys.sort(axis=1)
    items = np.full((len(scores), n), -1, dtype=np.int32)
    values = np.full((len(scores), n), -np.inf, dtype=np.float32)
    items[:, :width] = keys & 0xFFFFFFFF
    values[:, :width] = np.take_along_axis(scores, items[:, :width], axis=1)
    absent = ~np.isfinite(values)
    items[absent], values[absent] = -1, -np.inf
    return Candidates(items, values)


def _smallest(losses: ScoreArray, width: int) -> npt.NDArray[np.int64]:
    """Places of the ``width`` smallest of each row, in any order; of equal ones the first."""
    size = losses.shape[1]
    if width == size:
        return np.broadcast_to(np.arange(width), losses.shape)
    if size < FAR * width:
        return _partitioned(losses, width)
    found = np.empty((len(losses), width), dtype=np.int64)
    for row, bound in enumerate(_bounds(losses, width)):
        near = np.flatnonzero(losses[row] <= bound) if bound < np.inf else np.arange(size)
        found[row] = near[_partitioned(losses[row, near][None], width)[0]]
    return found


def _bounds(losses: ScoreArray, width: int) -> ScoreArray:
    """Numbers that at least ``width`` of each row do not exceed, little above the ``width``-th smallest.

    The smallest of each of some groups are found by reading along; the ``width``-th of them will do.
    """
    groups = 8 * width
    length = losses.shape[1] // groups
    least = losses[:, : length * groups].reshape(len(losses), length, groups).min(axis=1)
    bounds: ScoreArray = np.partition(least, width - 1, axis=1)[:, width - 1]
    return bounds


def _partitioned(losses: ScoreArray, width: int) -> npt.NDArray[np.int64]:
    """``_smallest`` where all are looked at alike."""
    if width == losses.shape[1]:
        return np.broadcast_to(np.arange(width), losses.shape)
    part = np.argpartition(losses, width - 1, axis=1)[:, :width]
    last = np.take_along_axis(losses, part, axis=1).max(axis=1)
    # Where more than ``width`` are as good as the last one, the partition chose among equals by chance.
    tied = (np.count_nonzero(losses <= last[:, None], axis=1) > width) & (last < np.inf)
    for row in np.flatnonzero(tied):
        above = np.flatnonzero(losses[row] < last[row])
        equal = np.flatnonzero(losses[row] == last[row])[: width - len(above)]
        part[row] = np.concatenate([above, equal])
    return part


def _sort_keys(losses: ScoreArray, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Whole numbers that sort by loss, then by place; the place is in the lower 32 bits.

    Sorting numbers is several times faster than sorting places by a stable order of losses.
    """
    losses[np.isnan(losses)] = np.inf
    bits = (losses + np.float32(0)).view(np.int32)  # -0.0 and 0.0 are equal
    bits ^= (bits >> 31) & 0x7FFFFFFF  # floats in the order of their bits
    return (bits.astype(np.int64) << 32) | places


def first_n(
    order: npt.NDArray[np.int64],
    scores: ScoreArray,
    queries: Queries,
    available_from: FloatArray,
    cut: float,
    n: int,
) -> Candidates:
    """The first n of one order that each query may be shown; touches one byte an item of the catalogue.

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
    """The best n of the stored entries of each row; beside them one byte an item of the catalogue.

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


def largest_of_rows(
    rows: npt.NDArray[np.integer], columns: npt.NDArray[np.integer], values: npt.NDArray[np.floating], n: int
) -> BoolArray:
    """Which entries of a sparse matrix are among the n largest of their row; equal ones by column.

    Examples
    --------
    >>> rows, columns = np.array([0, 0, 0, 1]), np.array([4, 2, 7, 1])
    >>> largest_of_rows(rows, columns, np.array([0.5, 0.5, 0.9, 0.1]), 2)
    array([False,  True,  True,  True])
    """
    order = np.lexsort((columns, -values, rows))
    first = np.searchsorted(rows[order], rows[order])
    kept: BoolArray = np.zeros(len(rows), dtype=bool)
    kept[order[np.arange(len(order)) - first < n]] = True
    return kept


def hide_listed(items: IntArray, queries: Queries, available_from: FloatArray, cut: float) -> BoolArray:
    """Which entries of item lists [U, w] (-1 pads) must not be shown; what ``hide`` does to scores."""
    known = np.maximum(items, 0)
    times = np.full(len(queries), cut) if queries.times is None else queries.times
    hidden: BoolArray = (items < 0) | (available_from[known] > times[:, None])
    if queries.allowed is not None:
        allowed = queries.allowed
        hidden |= ~(np.take_along_axis(allowed, known, axis=1) if allowed.ndim == 2 else allowed[known])
    if queries.exclude_seen and len(queries.histories.items):
        seen = in_range(queries.histories, len(available_from))
        table = np.zeros((len(queries), len(available_from)), dtype=bool)
        table[seen.rows, seen.items] = True
        hidden |= np.take_along_axis(table, known, axis=1)
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
