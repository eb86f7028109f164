"""Reorder lists so that relevant items that resemble each other do not crowd together.

The room's public call. It checks, brings relevance to one scale, handles what is absent, blocked
or pinned, and fills what a method leaves open; the methods are in ``selection``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from zhiyin.diversify.mmr import LONGEST, mmr_orders
from zhiyin.diversify.selection import METHODS, select
from zhiyin.errors import InputError
from zhiyin.types import BoolArray, FloatArray

__all__ = ["METHODS", "floats", "rerank"]

Places = npt.NDArray[np.int64]


def rerank(
    vectors: npt.ArrayLike,
    relevance: npt.ArrayLike,
    k: int,
    *,
    method: str = "mmr",
    diversity: float = 0.5,
    allowed: npt.ArrayLike | None = None,
    pinned: npt.ArrayLike | None = None,
) -> Places:
    """Choose k of n items, in an order that balances relevance and variety.

    Parameters
    ----------
    vectors : float [n, d] or [U, n, d]
        A vector for each item; compared by cosine, a zero vector resembles nothing. With
        ``relevance`` [U, n], vectors [n, d] serve all lists.
    relevance : float [n] or [U, n]
        Any scale; brought to [0, 1] within each list by (r - min) / (max - min) over the items
        that may be chosen. NaN or -inf: the item is absent.
    k : int
        Places to fill, >= 1.
    method : {"mmr", "msd", "dpp", "ssd", "cover"}
        What "variety" means; the formulas are in ``zhiyin.diversify.selection``.
    diversity : float
        0.0: the order of relevance exactly, ties in the order given; 1.0: variety alone, where
        relevance only breaks ties and, for all but "cover", chooses the first item.
    allowed : bool [n] or [U, n], optional
        Items that may be chosen; None: all.
    pinned : int [p] or [U, p], optional
        Positions that come first, in this order, -1 pads; the others are chosen to differ from
        them.

    Returns
    -------
    int64 [k] or [U, k]
        Positions in the list, -1 pads on the right where fewer than k items may be chosen.

    Raises
    ------
    InputError
        When shapes disagree, a parameter is out of range, a vector of an item that may be chosen
        is not finite, or a pinned position is repeated, absent or not allowed.

    Notes
    -----
    Where "dpp" finds nothing new (more items than dimensions, copies), the rest follows in the
    order of relevance. Lists do not influence each other.

    Examples
    --------
    >>> vectors = [[1, 0], [1, 0.01], [0, 1]]
    >>> rerank(vectors, [0.9, 0.8, 0.7], k=3, diversity=0.0)
    array([0, 1, 2])
    >>> rerank(vectors, [0.9, 0.8, 0.7], k=3, diversity=0.7)
    array([0, 2, 1])
    """
    _check_parameters(k, method, diversity)
    scores: FloatArray = floats(relevance, np.float64, name="relevance")
    lists = np.atleast_2d(scores)
    if scores.ndim not in (1, 2):
        raise InputError("relevance has a wrong shape", expected="[n] or [U, n]", received=str(scores.shape))
    users, n = lists.shape
    space = _vectors(vectors, users, n)
    present = ~np.isnan(lists) & (lists != -np.inf) & _mask(allowed, users, n)
    if np.isposinf(lists[present]).any():
        raise InputError("relevance is infinite", expected="finite numbers, NaN or -inf for absent items")
    pins = _pins(pinned, present)
    if method == "mmr" and n <= LONGEST and not (pins >= 0).any():
        chosen = _together(space, lists, present, k, diversity)
        return chosen[0] if scores.ndim == 1 else chosen
    chosen = np.full((users, k), -1, dtype=np.int64)
    for row in range(users):
        order = _one(space[row], lists[row], present[row], pins[row], k, method, diversity)
        chosen[row, : len(order)] = order
    return chosen[0] if scores.ndim == 1 else chosen


def floats(values: npt.ArrayLike, dtype: type[np.floating[Any]], *, name: str) -> npt.NDArray[Any]:
    """Turn anything that numpy can into an array of floats.

    Raises
    ------
    InputError
        When the rows differ in length or hold something else than numbers.
    """
    try:
        return np.asarray(values, dtype=dtype)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{name} cannot be made an array", expected="numbers, rows of one length", received=str(error)
        ) from error


def _one(
    vectors: npt.NDArray[np.float32],
    relevance: FloatArray,
    present: BoolArray,
    pinned: Places,
    k: int,
    method: str,
    diversity: float,
) -> Places:
    front = pinned[pinned >= 0][:k]
    free = present.copy()
    free[front] = False
    places = np.flatnonzero(free)
    rest = places[np.argsort(-relevance[places], kind="stable")]
    wanted = min(k - len(front), len(rest))
    if diversity > 0.0 and wanted > 0:
        pool = np.concatenate([front, rest])
        if not np.isfinite(vectors[pool]).all():
            raise InputError("A vector is not finite", hint="Give absent items the relevance NaN.")
        chosen = select(
            vectors[pool],
            _unit(relevance[pool]),
            wanted,
            method=method,
            diversity=diversity,
            pins=len(front),
        )
        picked = pool[chosen]
        rest = np.concatenate([picked, rest[~np.isin(rest, picked)]])
    return np.concatenate([front, rest[:wanted]])


def _together(
    vectors: npt.NDArray[np.float32], relevance: FloatArray, present: BoolArray, k: int, diversity: float
) -> Places:
    """All lists at once, by the method that can."""
    if diversity > 0.0 and not np.isfinite(vectors[present]).all():
        raise InputError("A vector is not finite", hint="Give absent items the relevance NaN.")
    low = np.where(present, relevance, np.inf).min(axis=1, initial=np.inf, keepdims=True)
    high = np.where(present, relevance, -np.inf).max(axis=1, initial=-np.inf, keepdims=True)
    spread = np.where(high > low, high - low, 1.0)
    scaled = np.where(present, relevance - np.where(np.isfinite(low), low, 0.0), 0.0) / spread
    return mmr_orders(vectors, scaled, present, k, diversity=diversity)


def _unit(relevance: FloatArray) -> FloatArray:
    low, high = relevance.min(), relevance.max()
    return (relevance - low) / (high - low) if high > low else np.zeros_like(relevance)


def _check_parameters(k: int, method: str, diversity: float) -> None:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InputError("k is not a list length", expected="a whole number >= 1", received=repr(k))
    if method not in METHODS:
        raise InputError(f"No method is called {method!r}", expected=", ".join(METHODS), received=method)
    if not 0.0 <= diversity <= 1.0:
        raise InputError("diversity is out of range", expected="0.0 to 1.0", received=str(diversity))


def _vectors(vectors: npt.ArrayLike, users: int, n: int) -> npt.NDArray[np.float32]:
    space = floats(vectors, np.float32, name="vectors")
    if space.ndim == 2 and len(space) == n:
        return np.broadcast_to(space, (users, *space.shape))
    if space.ndim == 3 and space.shape[:2] == (users, n):
        return space
    raise InputError(
        "vectors and relevance disagree",
        expected=f"vectors of shape [{n}, d] or [{users}, {n}, d]",
        received=f"shape {space.shape}",
    )


def _mask(allowed: npt.ArrayLike | None, users: int, n: int) -> BoolArray:
    mask = np.ones(n, dtype=np.bool_) if allowed is None else np.asarray(allowed)
    if mask.dtype != np.bool_ or mask.shape not in ((n,), (users, n)):
        raise InputError(
            "allowed has a wrong shape or type",
            expected=f"bool of shape [{n}] or [{users}, {n}]",
            received=f"{mask.dtype} of shape {mask.shape}",
        )
    return np.broadcast_to(mask, (users, n))


def _pins(pinned: npt.ArrayLike | None, present: BoolArray) -> Places:
    users, n = present.shape
    given = np.asarray([] if pinned is None else pinned)
    places = given.astype(np.int64) if given.size else np.empty((users, 0), dtype=np.int64)
    if given.size and not np.issubdtype(given.dtype, np.integer):
        raise InputError("pinned must hold positions", expected="integers", received=str(given.dtype))
    places = np.broadcast_to(places, (users, len(places))) if places.ndim == 1 else places
    if places.ndim != 2 or len(places) != users:
        raise InputError(
            "pinned has a wrong shape", expected=f"[p] or [{users}, p]", received=f"shape {given.shape}"
        )
    real = places >= 0
    if (places < -1).any() or (places >= n).any():
        raise InputError("A pinned position is out of range", expected=f"0 … {n - 1}, or -1 for none")
    rows = np.broadcast_to(np.arange(users)[:, None], places.shape)[real]
    if not present[rows, places[real]].all():
        raise InputError("A pinned position is absent or not allowed", hint="Allow it or do not pin it.")
    if len(np.unique(rows * max(n, 1) + places[real])) < len(rows):
        raise InputError("A position is pinned twice", expected="distinct positions in each list")
    return places
