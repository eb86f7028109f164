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
from zhiyin.text import TitleLinker
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
        """A catalogue from a table with at least ``item_id``; whole numbers become text.

        Raises
        ------
        DataError
            When ids are missing, null, decimal numbers or not unique, or a title, price or time has
            a type that cannot be one.

        Examples
        --------
        >>> Catalogue.from_frame(pl.DataFrame({"item_id": ["0012"], "title": ["TEA SET"]})).titles
        ('TEA SET',)
        """
        if Columns.ITEM_ID not in frame.columns:
            raise DataError(
                "A catalogue needs a column item_id",
                expected="a column item_id",
                received=", ".join(frame.columns),
                hint="Rename the column that holds the ids.",
            )
        frame = frame.with_columns(id_column(frame[Columns.ITEM_ID], table="items").cast(pl.String))
        if frame[Columns.ITEM_ID].n_unique() != frame.height:
            raise DataError("A catalogue holds each item_id once", hint="Remove the duplicates.")
        defaults = {
            Columns.TITLE: pl.lit("", pl.String),
            Columns.PRICE: pl.lit(None, pl.Float64),
            Columns.AVAILABLE_FROM: pl.lit(-np.inf, pl.Float64),
        }
        missing = [value.alias(name) for name, value in defaults.items() if name not in frame.columns]
        first = [Columns.ITEM_ID, *defaults]
        full = frame.with_columns(missing)
        full = full.with_columns(
            text_column(full[Columns.TITLE], table="items").cast(pl.String).fill_null(""),
            number_column(full[Columns.PRICE], table="items"),
            number_column(full[Columns.AVAILABLE_FROM], table="items", nan=False).fill_null(-np.inf),
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
    def linker(self) -> TitleLinker:
        """Finds the items that a text speaks of, by their titles."""
        return TitleLinker(self.titles)

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
        frame = frame.with_columns(id_column(frame[Columns.ITEM_ID], table="items"))
        fresh = frame.filter(~pl.col(Columns.ITEM_ID).is_in(self.frame[Columns.ITEM_ID].implode()))
        if fresh.height == 0:
            return self
        joined = pl.concat([self.frame, Catalogue.from_frame(fresh).frame], how="diagonal")
        return Catalogue.from_frame(joined, version=self.version + 1)

    def updated(self, frame: pl.DataFrame) -> Catalogue:
        """A new version where the rows of ``frame`` replace those of the same id; others are appended.

        Examples
        --------
        >>> old = Catalogue.from_frame(pl.DataFrame({"item_id": ["a", "b"], "title": ["CUP", "MUG"]}))
        >>> old.updated(pl.DataFrame({"item_id": ["c", "a"], "title": ["POT", "TEA CUP"]})).titles
        ('TEA CUP', 'MUG', 'POT')
        """
        new = Catalogue.from_frame(frame).frame
        both = pl.concat([self.frame, new], how="diagonal")
        order = both.select(Columns.ITEM_ID).unique(keep="first", maintain_order=True)
        last = both.unique(Columns.ITEM_ID, keep="last")
        joined = order.join(last, on=Columns.ITEM_ID, how="left", maintain_order="left")
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
    def load(cls, folder: Path, *, version: int = 0) -> Self:
        """Read what ``save`` wrote; the version is kept by the dataset that it belongs to."""
        return cls.from_frame(pl.read_parquet(folder / "catalogue.parquet"), version=version)


def id_column(column: pl.Series, *, table: str) -> pl.Series:
    """External ids as text (String, or Categorical as it is; no null); whole numbers are written out.

    Raises
    ------
    DataError
        For decimal numbers (12.0 is not "12"), other types, and null.
    """
    if column.dtype.is_float():
        raise _unusable(
            column, table, expected="text or whole numbers", received="decimal numbers",
            hint="Read the column as text, or cast it to whole numbers if that is what they are.",
        )  # fmt: skip
    text = text_column(column, table=table)
    if text.null_count():
        raise _unusable(
            column, table, expected="an id in each row",
            received=f"{text.null_count()} null, first in row {_first(text.is_null())}",
            hint=f"Drop these rows: drop_nulls({column.name!r}).",
        )  # fmt: skip
    return text


def text_column(column: pl.Series, *, table: str) -> pl.Series:
    """Text (String or null) of a column of text or whole numbers; Categorical as it is.

    Raises
    ------
    DataError
        For any other type.
    """
    kind = column.dtype
    if not (isinstance(kind, pl.String | pl.Null | pl.Categorical | pl.Enum) or kind.is_integer()):
        raise _unusable(
            column, table, expected="text", received=str(kind),
            hint=f"Cast it first: pl.col({column.name!r}).cast(pl.String).",
        )  # fmt: skip
    return column if isinstance(kind, pl.Categorical) else column.cast(pl.String)


def number_column(column: pl.Series, *, table: str, nan: bool = True) -> pl.Series:
    """Numbers (Float64 or null) of a column of numbers.

    Raises
    ------
    DataError
        For any other type, and for NaN where ``nan`` is false.
    """
    if not (column.dtype.is_numeric() or column.dtype == pl.Null):
        raise _unusable(
            column, table, expected="numbers", received=str(column.dtype),
            hint="Cast it to Float64; a date becomes seconds by .dt.epoch('s').",
        )  # fmt: skip
    numbers = column.cast(pl.Float64)
    missing = numbers.is_nan().fill_null(False)
    if missing.any() and not nan:
        raise _unusable(
            column, table, expected="numbers or null", received=f"NaN in row {_first(missing)}",
            hint="Leave the cell empty where it is not known.",
        )  # fmt: skip
    return numbers


def finite_column(column: pl.Series, *, table: str, least: float, null: bool) -> pl.Series:
    """Finite numbers (Float64) of at least ``least``; null only where ``null`` is true.

    Raises
    ------
    DataError
        Naming the first row that holds anything else.
    """
    numbers = number_column(column, table=table)
    wrong = ~(numbers.is_finite() & (numbers >= least)).fill_null(null)
    if wrong.any():
        floor = "" if least == -np.inf else f" of at least {least:g}"
        raise _unusable(
            column, table, expected=f"finite numbers{floor}",
            received=f"{int(wrong.sum())} others, first {numbers.filter(wrong)[0]} in row {_first(wrong)}",
            hint="Drop or mend these rows, or leave the whole column out if it is not known.",
        )  # fmt: skip
    return numbers


def _first(mask: pl.Series) -> int:
    return int(mask.to_numpy().argmax()) + 1


def _unusable(column: pl.Series, table: str, *, expected: str, received: str, hint: str) -> DataError:
    message = f"The column {column.name} of {table} cannot be used"
    return DataError(message, expected=expected, received=received, hint=hint)
