"""Which column of a file is which of ours, guessed from names and cells; knows no dataset.

Nothing is decided behind anybody's back: a ``Schema`` says what it took for what and why, and what is
unsure; whoever asked for it confirms it.
"""

from __future__ import annotations

import csv
import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, Literal

import numpy as np
import polars as pl

from zhiyin.data.columns import Columns
from zhiyin.data.reading.collecting import Collector
from zhiyin.data.reading.headers import DELIMITERS, EVENTS, ITEMS, TEXTS, TRIPLES, USERS, Layout
from zhiyin.data.reading.sources import blocks, locate
from zhiyin.data.reading.sql import Query
from zhiyin.data.reading.tables import Place, TableReader
from zhiyin.data.reading.times import DateOrder, times

__all__ = ["EARLIEST", "Guess", "Schema", "infer_schema"]

Kind = Literal["events", "items", "users", "texts", "triples"]
LAYOUTS: Final[Mapping[Kind, Layout]] = {
    "events": EVENTS, "items": ITEMS, "users": USERS, "texts": TEXTS, "triples": TRIPLES,
}  # fmt: skip
SAMPLE: Final = 5_000
HEAD: Final = 2**20
CONTENT: Final = 0.9  # share of the cells that must fit
EARLIEST: Final = 157_766_400.0  # 1975: seconds before are rather an index or a serial number
USUAL, TOLD = 2.0, 4.0
DATE_WORDS: Final[Mapping[DateOrder | None, str]] = {
    "ymd": "year-month-day", "dmy": "day/month/year", "mdy": "month/day/year",
    None: "day/month/year or month/day/year: say which (dates = \"dmy\" or \"mdy\")",
}  # fmt: skip


@dataclass(frozen=True)
class Guess:
    """One column: ours, the file's, why, and some of its cells; ``sure`` where the name says it all."""

    ours: str
    theirs: str
    why: str
    cells: tuple[str, ...]
    sure: bool


@dataclass(frozen=True)
class Schema:
    """What a file's columns seem to be.

    ``missing``: required columns that nothing looks like. ``unused``: columns of the file that have no
    part. ``doubts``: columns that look like one of ours by name, and are not by their cells. ``dates``:
    order of day, month and year, None where day or month may be first; ``delimiter``: of a CSV file.
    """

    kind: str
    file: str
    guesses: tuple[Guess, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    doubts: tuple[str, ...] = ()
    delimiter: str = ","
    dates: DateOrder | None = "ymd"

    @property
    def columns(self) -> dict[str, str]:
        """Our name -> the file's, where they differ: what the readers take as ``columns``."""
        return {one.ours: one.theirs for one in self.guesses if one.ours != one.theirs}

    @property
    def certain(self) -> bool:
        """Whether nothing is missing and every name is certain."""
        sure = all(one.sure for one in self.guesses) and self.dates is not None
        return sure and not self.missing and not self.doubts

    def summary(self) -> str:
        """Put it in words: a line for each column."""
        lines = [f"{self.file} as {self.kind}:"]
        for one in self.guesses:
            mark = "" if one.sure else "  (not sure)"
            lines.append(f"  {one.ours} <- {one.theirs}: {one.why}; {', '.join(one.cells)}{mark}")
        lines += [f"  {name}: nothing looks like it" for name in self.missing]
        lines += [f"  {doubt}" for doubt in self.doubts]
        if self.unused:
            kept = "kept as attributes" if LAYOUTS[self.kind].open else "left out"  # type: ignore[index]
            lines.append(f"  {kept}: {', '.join(self.unused)}")
        if self.delimiter != ",":
            lines.append(f"  columns separated by {DELIMITERS.get(self.delimiter, self.delimiter)}")
        if self.dates != "ymd":
            lines.append(f"  dates are {DATE_WORDS[self.dates]}")
        return "\n".join(lines)


def infer_schema(place: Place, kind: Kind, *, columns: Mapping[str, str] | None = None) -> Schema:
    r"""Guess which column is which from the first rows of a file.

    Parameters
    ----------
    place : path or Query
    kind : {"events", "items", "users", "texts", "triples"}
        What the rows are.
    columns : Mapping[str, str], optional
        Our name -> the file's, where it is known already.

    Raises
    ------
    DataError
        When the file cannot be read at all.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "orders.csv"
    >>> _ = path.write_text("InvoiceNo;StockCode;InvoiceDate;CustomerID\n1;85123A;1/12/2010 8:26;17850\n")
    >>> schema = infer_schema(path, "events")
    >>> schema.columns["user_id"], schema.columns["item_id"], schema.delimiter, schema.dates
    ('CustomerID', 'StockCode', ';', None)
    >>> folder.cleanup()
    """
    delimiter = "," if isinstance(place, Query) else _delimiter(place)
    cells = _sample(place, delimiter)
    layout = LAYOUTS[kind]
    told = {ours: theirs for ours, theirs in (columns or {}).items() if theirs in cells.columns}
    dates: DateOrder | None = "ymd"
    guesses: list[Guess] = []
    doubts: list[str] = []
    left = list(cells.columns)
    for ours in sorted(layout.names, key=lambda name: name not in told):
        if ours in told:
            score, theirs = TOLD, told[ours]
        else:
            ranked = [(_score(ours, one, layout), one) for one in left]
            fitting = [one for one in ranked if one[0] > 0 and _fits(ours, cells[one[1]], layout)]
            doubts += _doubts(ours, ranked, fitting, cells)
            if not fitting:
                continue
            score, theirs = max(fitting, key=lambda one: one[0])
        left.remove(theirs)
        if ours in layout.times:
            dates = _date_order(cells[theirs])
        guesses.append(_guess(ours, theirs, cells[theirs], score))
    found = {one.ours for one in guesses}
    missing = tuple(name for name in (*layout.ids, *layout.needed) if name not in found)
    name = place.name if isinstance(place, Query) else locate(place).name
    order = {ours: at for at, ours in enumerate(layout.names)}
    guesses.sort(key=lambda one: order[one.ours])
    return Schema(kind, name, tuple(guesses), missing, tuple(left), tuple(doubts), delimiter, dates)


def _doubts(
    ours: str,
    ranked: Sequence[tuple[float, str]],
    fitting: Sequence[tuple[float, str]],
    cells: pl.DataFrame,
) -> list[str]:
    """A column with the very name whose cells are something else, where nothing else fits."""
    odd = [theirs for score, theirs in ranked if score >= USUAL and (score, theirs) not in fitting]
    if fitting or not odd or cells[odd[0]].drop_nulls().is_empty():
        return []
    shown = ", ".join(repr(cell[:30]) for cell in cells[odd[0]].drop_nulls().head(2))
    return [f"{ours}: {odd[0]} has the name, but its cells are something else: {shown}"]


def _delimiter(place: Place) -> str:
    """The delimiter that cuts the header into most columns, quotes respected."""
    source = locate(place)  # type: ignore[arg-type]
    if source.format == "tsv":
        return "\t"
    if source.format != "csv":
        return ","
    first = re.split(rb"[\r\n]", next(blocks(source, size=HEAD)).lstrip(), maxsplit=1)[0].decode(
        "utf-8", "replace"
    )
    widths = {one: len(next(csv.reader([first], delimiter=one), [])) for one in DELIMITERS}
    return max(widths, key=lambda one: widths[one])


def _sample(place: Place, delimiter: str) -> pl.DataFrame:
    """The first rows, every column as text."""
    anything = Layout("rows", ids=(), open=True)
    reader = TableReader(place, anything, delimiter=delimiter, max_rejected=1.0, block=HEAD)
    return next(iter(reader)).drop(Columns.LINE).head(SAMPLE)


@cache
def _names() -> dict[str, list[str]]:
    """Our name -> usual names."""
    found: dict[str, list[str]] = tomllib.loads(
        (resources.files("zhiyin.data") / "names.toml").read_text("utf-8")
    )
    return found


def _score(ours: str, theirs: str, layout: Layout) -> float:
    """How likely a name is ours: 3 for the very name, 2 for a usual one, 1 for a similar one; 0: it is not.

    Only what is required is taken from a similar name; "id" alone is that of what the rows are.
    """
    known = _names()[ours]
    plain = re.sub(r"[\W_]", "", theirs).casefold()
    if theirs == ours:
        return 3.0
    if plain in known:
        return USUAL + (len(known) - known.index(plain)) / (10 * len(known))
    if plain == "id" and ours == layout.unique:
        return USUAL
    similar = difflib.get_close_matches(plain, known, n=1, cutoff=0.85)
    return 1.0 if similar and ours in (*layout.ids, *layout.needed) else 0.0


def _fits(ours: str, column: pl.Series, layout: Layout) -> bool:
    """Whether the cells can be what the name promises."""
    filled = column.drop_nulls()
    filled = filled.filter(filled.str.strip_chars() != "")
    if filled.is_empty():
        return ours not in layout.ids
    if ours in layout.times:
        seconds = _seconds(filled, _date_order(column) or "dmy")
        late = (seconds >= EARLIEST).fill_null(False)  # smaller numbers count something else
        return float(late.mean() or 0) >= CONTENT  # type: ignore[arg-type]
    if ours in layout.numbers:
        plain = filled.str.replace_all(r"[£$€¥￥\s]|元", "").str.replace_all(r",(\d{3})", "$1")
        bare = plain.cast(pl.Float64, strict=False)
        return float(bare.is_not_null().mean() or 0) >= CONTENT  # type: ignore[arg-type]
    if ours == layout.unique:
        return filled.n_unique() >= CONTENT * len(filled)
    return True


def _seconds(cells: pl.Series, order: DateOrder) -> pl.Series:
    collector = Collector("sample")
    collector.attach(cells.to_frame(), np.arange(len(cells)))
    found = times(cells, collector, required=False, dates=order)
    return found.set(pl.Series(collector.bad), None)


def _date_order(cells: pl.Series) -> DateOrder | None:
    """Day or month first, where the year is last: a number above 12 tells; None where none does."""
    parts = cells.drop_nulls().str.extract_groups(r"^\s*(\d{1,2})[-/.](\d{1,2})[-/.]\d{4}").struct.unnest()
    first, second = (parts[name].cast(pl.Int32).max() for name in parts.columns)
    if first is None or second is None:
        return "ymd"
    if first > 12:  # type: ignore[operator]
        return "dmy"
    return "mdy" if second > 12 else None  # type: ignore[operator]


def _guess(ours: str, theirs: str, column: pl.Series, score: float) -> Guess:
    why = "as you say" if score == TOLD else "the same name" if score >= 3 else "a usual name"
    why = why if score >= USUAL else "a similar name"
    cells: Sequence[str] = column.drop_nulls().unique(maintain_order=True).head(3).to_list()
    return Guess(ours, theirs, why, tuple(cell[:40] for cell in cells), sure=score >= USUAL)
