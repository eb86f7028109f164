"""Cells of one column -> ids, numbers or texts, with what is wrong in them; knows no file format."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from zhiyin.data.reading.collecting import Collector
from zhiyin.types import BoolArray

__all__ = ["ids", "numbers", "reject_repeated", "texts"]

_SIGN: Final = r"(?:[£$€¥￥元]|US\$|EUR|USD|GBP|CNY|RMB)?"
_MONEY: Final = rf"^{_SIGN}\s*(-?(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?)\s*{_SIGN}$"
MISSING_WORDS: Final = ("nan", "NaN", "null", "NULL", "None", "NA", "N/A")


def ids(cells: pl.Series, collector: Collector, *, instead: pl.Series | None = None) -> pl.Series:
    """Ids, String, as spelled in the file but for white space around them.

    Empty ones are rejected, but where ``instead`` (String) has a text.
    """
    text = texts(cells, collector, strip=True)
    empty = text.is_null()
    if instead is not None:
        empty &= instead.is_null() | (instead.str.strip_chars() == "")
    collector.reject(empty, cells.name, kind="empty id", expected="an id", remedy="Fill the cell.")
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


def numbers(cells: pl.Series, collector: Collector, *, strict: bool) -> pl.Series:
    """Numbers, Float64, empty cells null; currency signs and thousands commas are removed.

    What is no finite number is rejected where ``strict``, else left empty.
    """
    text = cells.str.strip_chars().fill_null("")
    number = text.cast(pl.Float64, strict=False)
    odd = ((text != "") & number.is_null()).arg_true()
    if len(odd):
        bare = text[odd].str.extract(_MONEY).str.replace_all(",", "", literal=True)
        number = number.scatter(odd, bare.cast(pl.Float64, strict=False))
        collector.note(
            _at(odd, number[odd].is_not_null(), len(cells)),
            cells.name,
            kind="currency or thousands signs, removed",
            expected="a number such as 1299.50",
            remedy="Nothing to do.",
        )
    unreadable = ((text != "") & number.is_null()) | (number.is_not_null() & ~number.is_finite())
    say = collector.reject if strict else collector.note
    say(
        unreadable,
        cells.name,
        kind="not a finite number" if strict else "not a finite number, left empty",
        expected="a number such as 3.5, or an empty cell",
        remedy="Write it with a point; leave unknown cells empty.",
    )
    return number.set(unreadable, None)


def _at(rows: pl.Series, chosen: pl.Series, n: int) -> BoolArray:
    """The mask, bool [n], of the rows that are chosen."""
    mask = np.zeros(n, bool)
    mask[rows.to_numpy()] = chosen.to_numpy()
    return mask


def reject_repeated(values: pl.Series, collector: Collector, column: str, seen: dict[str, int]) -> None:
    """Keep the first row of each value; reject the others, identical copies too.

    ``seen``: value -> line of its first row in the pieces before; this piece's are added.
    """
    good = np.flatnonzero(~collector.bad)
    repeated = np.zeros(len(collector.bad), bool)
    for row, value in zip(good, values.gather(good).to_list(), strict=True):
        repeated[row] = value in seen
        seen.setdefault(value, int(collector.lines[row]))

    def received(row: int) -> str:
        return f"{values[row]!r} again, first on line {seen[values[row]]}"

    collector.reject(
        repeated,
        column,
        kind="repeated id",
        expected="each id once",
        remedy="The first was kept; remove the others.",
        received=received,
    )
