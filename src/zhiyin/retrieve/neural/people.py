"""What networks read of users: the values of their attributes; by a hash of the id, so no id is kept."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from zhiyin.data import Columns
from zhiyin.draws import keys_of
from zhiyin.types import Array

__all__ = ["UserReader"]

FEWEST = 5  # users who share a value: what fewer share would name them
BINS = 8  # of numbers


@dataclass(frozen=True, eq=False)
class UserReader:
    """Attributes of users of whom any is known.

    ``keys`` uint64 [n], ascending, of their ids; ``places`` int64 [n, f]: which of the ``values`` are theirs,
    -1 pads on the right.
    """

    keys: npt.NDArray[np.uint64]
    places: npt.NDArray[np.int64]
    values: tuple[str, ...] = ()

    @classmethod
    def of(cls, users: pl.DataFrame) -> Self:
        """Read a table of ``user_id`` and attributes: texts as they are, numbers in ``BINS`` parts."""
        columns = [_told(users[name]) for name in users.columns if name != Columns.USER_ID]
        bags = [[one for one in row if one is not None] for row in zip(*columns, strict=True)]
        shared = Counter(value for bag in bags for value in bag)
        values = tuple(sorted(value for value, n in shared.items() if n >= FEWEST))
        place = {value: at for at, value in enumerate(values)}
        rows = [[place[value] for value in bag if value in place] for bag in bags]
        known = [at for at, row in enumerate(rows) if row]
        places = np.full((len(known), max(len(columns), 1)), -1, dtype=np.int64)
        for line, at in enumerate(known):
            places[line, : len(rows[at])] = rows[at]
        keys = keys_of(users[Columns.USER_ID][known].to_list())
        order = np.argsort(keys)
        return cls(keys[order], places[order], values)

    def rows(self, names: Sequence[str | None]) -> npt.NDArray[np.int64]:
        """Row of each user, -1 where nothing is known, int64 [len(names)]."""
        if not len(self.keys):
            return np.full(len(names), -1, dtype=np.int64)
        asked = keys_of(names)
        at = np.minimum(np.searchsorted(self.keys, asked), len(self.keys) - 1)
        known = (self.keys[at] == asked) & np.array([name is not None for name in names], dtype=bool)
        return np.where(known, at, -1)

    def state(self) -> dict[str, Array]:
        """Everything, as arrays."""
        told = json.dumps(self.values, ensure_ascii=False).encode()
        return {"keys": self.keys, "places": self.places, "values": np.frombuffer(told, dtype=np.uint8)}

    @classmethod
    def from_state(cls, state: Mapping[str, Array]) -> Self:
        """What ``state`` gave."""
        return cls(state["keys"], state["places"], tuple(json.loads(state["values"].tobytes())))


def _told(column: pl.Series) -> list[str | None]:
    """Name and value of each user, None where it is unknown."""
    if column.dtype.is_numeric() and column.n_unique() > BINS:
        edges = np.unique(np.nanquantile(column.cast(pl.Float64).to_numpy(), np.arange(1, BINS) / BINS))
        bins = np.searchsorted(edges, column.cast(pl.Float64).to_numpy())
        known = np.isfinite(column.cast(pl.Float64).fill_null(np.nan).to_numpy())
        return [f"{column.name}~{one}" if there else None for one, there in zip(bins, known, strict=True)]
    return [None if one is None or one == "" else f"{column.name}={one}" for one in column.to_list()]
