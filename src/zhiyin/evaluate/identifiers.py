"""Lists of ids of any kind, turned into flat integer codes once; knows no metric.

Every metric accepts a list of lists, a list of arrays, an array [U, k] or a ``Ragged``; ids are
strings or integers, and the integer -1 is an empty place. "12" and 12 are different ids.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence, Set
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from zhiyin.errors import InputError
from zhiyin.types import Ragged

__all__ = ["EMPTY", "Codes", "Flat", "IdLists", "encode", "flatten", "integral"]

EMPTY = -1

Codes: TypeAlias = npt.NDArray[np.int64]
Flat: TypeAlias = Codes | list[Hashable]
IdLists: TypeAlias = Sequence[Collection[Any]] | npt.NDArray[Any] | Ragged


def flatten(lists: IdLists, *, ordered: bool, name: str) -> tuple[Flat, Codes]:
    """All ids end to end, and the length of each row.

    Parameters
    ----------
    lists : IdLists
        One collection of ids a user.
    ordered : bool
        Whether the order matters; sets are then refused.
    name : str
        What the caller calls it, for messages.

    Returns
    -------
    ids : int64 [N] or list of N ids
        An array where all ids came as integer arrays.
    lengths : int64 [U]

    Raises
    ------
    InputError
        When a row is a single string or number, or unordered where the order matters.

    Examples
    --------
    >>> flatten([["a", "b"], []], ordered=True, name="recommended")
    (['a', 'b'], array([2, 0]))
    """
    if isinstance(lists, Ragged):
        return lists.items.astype(np.int64), lists.lengths
    if isinstance(lists, np.ndarray) and lists.ndim == 2:
        lengths = np.full(len(lists), lists.shape[1], dtype=np.int64)
        flat = lists.ravel()
        return (flat.astype(np.int64) if integral(flat) else flat.tolist()), lengths
    rows = list(lists)
    _check_rows(set(map(type, rows)), ordered=ordered, name=name)
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    if rows and all(isinstance(row, np.ndarray) and row.ndim == 1 and integral(row) for row in rows):
        return np.concatenate(rows).astype(np.int64), lengths
    return list(chain.from_iterable(rows)), lengths


def encode(*flats: Flat) -> tuple[tuple[Codes, ...], int]:
    """Codes 0 … n-1 shared by all the given ids; -1 stays -1.

    Returns
    -------
    codes : tuple of int64 arrays
        One for each argument.
    n : int
        All codes lie below it.

    Examples
    --------
    >>> encode(["b", "a", "b"], ["a", "c"])
    ((array([0, 1, 0]), array([1, 2])), 3)
    """
    arrays = [flat for flat in flats if isinstance(flat, np.ndarray)]
    if len(arrays) == len(flats):
        every = np.concatenate([np.empty(0, np.int64), *arrays])
        if len(every) and every.min() >= EMPTY and every.max() < len(every):
            return tuple(arrays), int(every.max()) + 1  # indices already
        distinct, inverse = np.unique(every[every >= 0], return_inverse=True)
        codes = np.full(len(every), EMPTY, dtype=np.int64)
        codes[every >= 0] = inverse
        ends = np.cumsum([len(flat) for flat in flats])[:-1]
        return tuple(np.split(codes, ends)), len(distinct)
    table: dict[Hashable, int] = {}
    coded = []
    for flat in flats:
        ids = flat.tolist() if isinstance(flat, np.ndarray) else flat
        coded.append(np.fromiter((_code(table, one) for one in ids), dtype=np.int64, count=len(ids)))
    return tuple(coded), len(table)


def _code(table: dict[Hashable, int], one: Hashable) -> int:
    if not isinstance(one, Hashable):
        raise InputError(
            "An id must be a string or a number",
            expected="one list of ids a user",
            received=f"an id of type {type(one).__name__}",
            hint="Flatten what is nested deeper.",
        )
    return EMPTY if one == EMPTY else table.setdefault(one, len(table))


def integral(array: npt.NDArray[Any]) -> bool:
    """Whether an array holds integers that fit int64."""
    # uint64 may exceed int64; such ids take the slow and exact way.
    return np.issubdtype(array.dtype, np.integer) and array.dtype != np.uint64


def _check_rows(kinds: set[type], *, ordered: bool, name: str) -> None:
    for kind in kinds:
        sized = issubclass(kind, Collection) and not issubclass(kind, str | bytes)
        if sized and not (ordered and issubclass(kind, Set)):
            continue
        raise InputError(
            f"{name} holds a row that is not a {'list' if ordered else 'collection'} of ids",
            expected="one list of ids a user" if ordered else "one collection of ids a user",
            received=f"a row of type {kind.__name__}",
            hint=f"For one user, pass [[...]]; for many, a list of lists ({name}).",
        )
