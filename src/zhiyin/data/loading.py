"""Files and queries -> clean tables with external ids, and one report; knows no dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from zhiyin.data.cleaning import Switches, clean
from zhiyin.data.cleaning.base import TableKind
from zhiyin.data.columns import Columns
from zhiyin.data.reading import (
    EVENTS,
    ITEMS,
    TEXTS,
    TRIPLES,
    USERS,
    Layout,
    Place,
    ProblemReport,
    TableReader,
)
from zhiyin.data.reading.times import DateOrder
from zhiyin.errors import ConfigError, DataError
from zhiyin.logs import progress

__all__ = ["Options", "read_tables"]

LAYOUTS: Final[Mapping[str, Layout]] = {
    "events": EVENTS, "items": ITEMS, "users": USERS, "texts": TEXTS, "triples": TRIPLES,
}  # fmt: skip
CODED: Final = (Columns.USER_ID, Columns.ITEM_ID, Columns.EVENT, Columns.SESSION_ID)
CLEANED: Final[tuple[TableKind, ...]] = ("events", "items", "texts")


@dataclass(frozen=True)
class Options:
    """How files are read; as in ``Dataset.from_files``."""

    columns: Mapping[str, str] | None = None
    delimiter: str | Mapping[str, str] = ","
    dates: DateOrder | Mapping[str, DateOrder] = "ymd"
    max_rejected: float = 0.1
    cleaning: Switches = field(default_factory=dict)

    def reader(self, name: str, place: Place) -> TableReader:
        """A reader for one of the tables."""
        dates: DateOrder = self.dates if isinstance(self.dates, str) else self.dates.get(name, "ymd")
        return TableReader(
            place,
            LAYOUTS[name],
            columns={ours: theirs for ours, (theirs, _) in self.columns_of(name).items()},
            delimiter=self.delimiter if isinstance(self.delimiter, str) else self.delimiter.get(name, ","),
            dates=dates,
            max_rejected=self.max_rejected,
            shared=name != "events",
        )

    def columns_of(self, table: str) -> dict[str, tuple[str, str]]:
        """Our name -> the file's, and the key that says so: those for one table before those for all."""
        given = self.columns or {}
        found = {key: (theirs, key) for key, theirs in given.items() if "." not in key}
        for key, theirs in given.items():
            if key.startswith(f"{table}."):
                found[key.partition(".")[2]] = (theirs, key)
        return found


def read_tables(options: Options, **places: Place | None) -> tuple[dict[str, pl.DataFrame], ProblemReport]:
    """Read and clean the tables that are given.

    Parameters
    ----------
    **places : path or Query
        ``events``, ``items``, ``users``, ``texts``, ``triples``.

    Returns
    -------
    tables : dict
        Of those that are given; ids and types of events are Categorical, so that a row takes the same
        memory however long they are.
    report : ProblemReport
        What was rejected or changed, in all of them.

    Raises
    ------
    ConfigError
        When a column is named for a table that there is not.
    DataError
        When a file cannot be used, or cleaning leaves nothing of the events.
    """
    _check_columns(options.columns or {})
    tables: dict[str, pl.DataFrame] = {}
    report = ProblemReport()
    used: set[str] = set()
    for name in LAYOUTS:
        place = places.get(name)
        if place is None:
            continue
        reader = options.reader(name, place)
        pieces: Iterable[pl.DataFrame] = progress(reader, f"reading {reader.name}", total=reader.n_pieces)
        frame = _coded(pieces) if name == "events" else pl.concat(list(pieces), how="diagonal")
        used |= {key for ours, (_, key) in options.columns_of(name).items() if ours in reader.used}
        report = report.merge(reader.report())
        if name in CLEANED:
            frame, cleaned = clean(frame, name, options.cleaning, file=reader.name)
            report = report.merge(cleaned)
            _check_left(name, reader.name, frame, cleaned)
        tables[name] = frame.drop(Columns.LINE)
    unused = [key for key in options.columns or {} if key not in used]
    if unused:
        report = report.with_note(f"columns that no file has, passed over: {', '.join(unused)}")
    return tables, report


def _check_columns(columns: Mapping[str, str]) -> None:
    strange = [key for key in columns if "." in key and key.partition(".")[0] not in LAYOUTS]
    if strange:
        raise ConfigError(
            "A column is named for a table that there is not",
            expected=f"a table of {', '.join(LAYOUTS)}",
            received=", ".join(strange),
        )


def _check_left(table: str, file: str, frame: pl.DataFrame, cleaned: ProblemReport) -> None:
    if table == "events" and frame.height == 0 and cleaned.n_rejected:
        touched = ", ".join(f"{name} {count}" for name, count in cleaned.rules.items() if count)
        raise DataError(
            f"{file}: cleaning leaves nothing",
            expected="at least one event",
            received=f"rows kept aside by {touched}",
            hint="Switch the rule off, or change its parameters.",
        )


def _coded(pieces: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """All pieces, with codes for what repeats."""
    kinds = {name: pl.Categorical(pl.Categories.random()) for name in CODED}
    parts = [
        piece.with_columns(pl.col(name).cast(kinds[name]) for name in CODED if name in piece.columns)
        for piece in pieces
    ]
    return pl.concat(parts, how="diagonal")
