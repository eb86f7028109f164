"""The best n of each row of a score matrix; knows no users and no models."""

from __future__ import annotations

import numpy as np

from zhiyin.errors import InputError
from zhiyin.types import Candidates, Queries, Ragged, ScoreArray

__all__ = ["hide", "in_range", "top_n"]


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
    if n < 1:
        raise InputError("n is too small", expected="n >= 1", received=str(n))
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
