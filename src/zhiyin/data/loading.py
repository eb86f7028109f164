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
    delimiter: str = ","
    dates: DateOrder = "ymd"
    max_rejected: float = 0.1
    cleaning: Switches = field(default_factory=dict)


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
    """
    tables: dict[str, pl.DataFrame] = {}
    report = ProblemReport()
    for name, layout in LAYOUTS.items():
        place = places.get(name)
        if place is None:
            continue
        reader = TableReader(
            place,
            layout,
            columns=_columns_of(name, options.columns),
            delimiter=options.delimiter,
            dates=options.dates,
            max_rejected=options.max_rejected,
        )
        pieces: Iterable[pl.DataFrame] = progress(reader, f"reading {reader.name}", total=reader.n_pieces)
        frame = _coded(pieces) if name == "events" else pl.concat(list(pieces), how="diagonal")
        report = report.merge(reader.report())
        if name in CLEANED:
            frame, cleaned = clean(frame, name, options.cleaning, file=reader.name)
            report = report.merge(cleaned)
        tables[name] = frame.drop(Columns.LINE)
    return tables, report


def _columns_of(table: str, columns: Mapping[str, str] | None) -> dict[str, str]:
    """The mapping for one table: names that are for it alone ("items.title") before those for all."""
    given = columns or {}
    alone = {name.partition(".")[2]: theirs for name, theirs in given.items() if name.startswith(f"{table}.")}
    return {name: theirs for name, theirs in given.items() if "." not in name} | alone


def _coded(pieces: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """All pieces, with codes for what repeats."""
    kinds = {name: pl.Categorical(pl.Categories.random()) for name in CODED}
    parts = [
        piece.with_columns(pl.col(name).cast(kinds[name]) for name in CODED if name in piece.columns)
        for piece in pieces
    ]
    return pl.concat(parts, how="diagonal")
