"""Cells of one column -> ids, numbers or texts, with what is wrong in them; knows no file format."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from zhiyin.data._collecting import Collector
from zhiyin.types import BoolArray

__all__ = ["ids", "numbers", "reject_repeated", "texts"]

MISSING_WORDS: Final = ("nan", "NaN", "null", "NULL", "None", "NA", "N/A")


def ids(cells: pl.Series, collector: Collector) -> pl.Series:
    """Ids, String, as spelled in the file but for white space around them; empty ones rejected."""
    text = texts(cells, collector, strip=True)
    collector.reject(text.is_null(), cells.name, kind="empty id", expected="an id", remedy="Fill the cell.")
    collector.note(
        text.is_in(MISSING_WORDS),
        cells.name,
        kind="id is spelled like a missing value",
        expected="an id",
        remedy="It was kept; remove the row if nothing is known.",
    )
    return text


def texts(cells: pl.Series, collector: Collector, *, strip: bool = False) -> pl.Series:
    """Texts, String, empty ones null; rows with NUL characters are rejected."""
    text = cells.set(cells == "", None)
    collector.reject(
        text.str.contains("\0", literal=True),
        cells.name,
        kind="NUL character",
        expected="text without NUL characters",
        remedy="Remove them, or export the file again: it may be damaged.",
    )
    if not strip:
        return text
    bare = text.str.strip_chars()
    bare = bare.set(bare == "", None)
    collector.note(
        bare.is_not_null() & (bare != text),
        cells.name,
        kind="white space around the text, removed",
        expected="text without white space around it",
        remedy="Nothing to do.",
    )
    return bare


def numbers(cells: pl.Series, collector: Collector) -> pl.Series:
    """Numbers, Float64, empty cells null; what is no finite number is rejected."""
    text = cells.str.strip_chars().fill_null("")
    number = text.cast(pl.Float64, strict=False)
    collector.reject(
        ((text != "") & number.is_null()) | (number.is_not_null() & ~number.is_finite()),
        cells.name,
        kind="not a finite number",
        expected="a number such as 3.5, or an empty cell",
        remedy="Write it without currency or thousands signs, with a point; leave unknown cells empty.",
    )
    return number


def reject_repeated(values: pl.Series, collector: Collector, column: str) -> None:
    """Keep the first row of each value; reject the others, identical copies too."""
    good: BoolArray = ~collector.bad
    first = values.filter(pl.Series(good)).is_first_distinct().to_numpy()
    repeated = np.zeros(len(good), bool)
    repeated[np.flatnonzero(good)[~first]] = True

    def received(row: int) -> str:
        same = np.flatnonzero((values == values[row]).fill_null(False).to_numpy() & good)
        return f"{values[row]!r} again, first on line {collector.lines[same[0]]}"

    collector.reject(
        repeated,
        column,
        kind="repeated id",
        expected="each id once",
        remedy="The first was kept; remove the others.",
        received=received,
    )
