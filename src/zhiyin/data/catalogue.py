"""Items: a versioned, append-only vocabulary shared by all splits; knows no events."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from zhiyin.artifacts import write_frame
from zhiyin.data.columns import Columns
from zhiyin.errors import DataError, InputError
from zhiyin.types import BoolArray, FloatArray, IntArray

__all__ = ["Catalogue"]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """All items ever known, in the order they were added.

    ``frame`` holds ``item_id`` (String, unique), ``title`` (String, "" if unknown), ``price``
    (Float64, null if unknown), ``available_from`` (Float64 seconds, -inf: always) and any
    attribute columns (String). ``version`` counts the additions.
    """

    frame: pl.DataFrame
    version: int = 0

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, *, version: int = 0) -> Self:
        """A catalogue from a table with at least ``item_id``.

        Examples
        --------
        >>> Catalogue.from_frame(pl.DataFrame({"item_id": ["0012"], "title": ["TEA SET"]})).titles
        ('TEA SET',)
        """
        if Columns.ITEM_ID not in frame.columns:
            raise DataError("A catalogue needs a column item_id", received=", ".join(frame.columns))
        if frame[Columns.ITEM_ID].n_unique() != frame.height:
            raise DataError("A catalogue holds each item_id once", hint="Remove the duplicates.")
        defaults = {
            Columns.TITLE: pl.lit("", pl.String),
            Columns.PRICE: pl.lit(None, pl.Float64),
            Columns.AVAILABLE_FROM: pl.lit(-np.inf, pl.Float64),
        }
        missing = [value.alias(name) for name, value in defaults.items() if name not in frame.columns]
        first = [Columns.ITEM_ID, *defaults]
        full = frame.with_columns(missing).with_columns(
            pl.col(Columns.ITEM_ID).cast(pl.String),
            pl.col(Columns.TITLE).cast(pl.String).fill_null(""),
            pl.col(Columns.PRICE).cast(pl.Float64),
            pl.col(Columns.AVAILABLE_FROM).cast(pl.Float64).fill_null(-np.inf),
        )
        rest = sorted(name for name in full.columns if name not in first)
        return cls(full.select(*first, *rest), version)

    def __len__(self) -> int:
        return self.frame.height

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """External ids by index."""
        return tuple(self.frame[Columns.ITEM_ID].to_list())

    @cached_property
    def titles(self) -> tuple[str, ...]:
        """Titles by index, as in the file."""
        return tuple(self.frame[Columns.TITLE].to_list())

    @cached_property
    def prices(self) -> FloatArray:
        """Prices by index, float64 [n], NaN if unknown."""
        return self.frame[Columns.PRICE].fill_null(np.nan).to_numpy().astype(np.float64)

    @cached_property
    def available_from(self) -> FloatArray:
        """Seconds from which an item may be shown, float64 [n]."""
        return self.frame[Columns.AVAILABLE_FROM].to_numpy().astype(np.float64)

    @cached_property
    def attributes(self) -> Mapping[str, tuple[str | None, ...]]:
        """Further columns (brand, category, …) by name."""
        known = {Columns.ITEM_ID, Columns.TITLE, Columns.PRICE, Columns.AVAILABLE_FROM}
        return {
            name: tuple(self.frame[name].cast(pl.String).to_list())
            for name in self.frame.columns
            if name not in known
        }

    @cached_property
    def _index(self) -> dict[str, int]:
        return {item: index for index, item in enumerate(self.ids)}

    def index_of(self, ids: Sequence[str]) -> IntArray:
        """Indices int32 of external ids, -1 where unknown."""
        return np.array([self._index.get(item, -1) for item in ids], dtype=np.int32)

    def ids_of(self, items: IntArray) -> list[str]:
        """External ids of indices; negative ones are left out.

        Raises
        ------
        InputError
            When an index is beyond the catalogue.
        """
        if items.size and int(items.max()) >= len(self):
            raise InputError("An item index is beyond the catalogue", expected=f"< {len(self)}")
        return [self.ids[item] for item in items if item >= 0]

    def available(self, times: FloatArray) -> BoolArray:
        """What may be shown when, bool [len(times), n]."""
        return self.available_from[None, :] <= times[:, None]

    def with_items(self, frame: pl.DataFrame) -> Catalogue:
        """A new version with the unknown ids of ``frame`` appended; known ones stay as they are."""
        fresh = frame.filter(~pl.col(Columns.ITEM_ID).is_in(self.frame[Columns.ITEM_ID].implode()))
        if fresh.height == 0:
            return self
        joined = pl.concat([self.frame, Catalogue.from_frame(fresh).frame], how="diagonal")
        return Catalogue.from_frame(joined, version=self.version + 1)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the content."""
        digest = hashlib.sha256()
        for name in self.frame.columns:
            digest.update(name.encode())
            digest.update("\x1f".join(map(str, self.frame[name].to_list())).encode("utf-8", "replace"))
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Write ``catalogue.parquet`` into an existing folder."""
        write_frame(folder / "catalogue.parquet", self.frame)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        return cls.from_frame(pl.read_parquet(folder / "catalogue.parquet"))
