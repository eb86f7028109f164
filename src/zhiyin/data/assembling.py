"""Tables with external ids -> tables with indices; knows no files and keeps nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl

from zhiyin.data.catalogue import Catalogue, finite_column, id_column, text_column
from zhiyin.data.columns import Columns
from zhiyin.data.reading import ProblemReport
from zhiyin.errors import DataError, InputError
from zhiyin.types import IntArray, ScoreArray

__all__ = [
    "AS_TEXT",
    "TEXT_SCHEMA",
    "TRIPLE_SCHEMA",
    "catalogue_of",
    "categories",
    "checked_events",
    "checked_weights",
    "coded",
    "indexed_events",
    "indexed_texts",
    "indexed_triples",
    "indexed_vectors",
    "people_of",
    "strange_weights",
]

AS_TEXT: Final = (Columns.EVENT, Columns.SESSION_ID)  # kept as codes in memory, as text in files
TEXT_SCHEMA: Final = {
    Columns.USER: pl.Int32, Columns.ITEM: pl.Int32, Columns.TIMESTAMP: pl.Float64, Columns.EVENT: pl.String,
    Columns.TEXT: pl.String,
}  # fmt: skip
TRIPLE_SCHEMA: Final = {
    Columns.HEAD: pl.String, Columns.RELATION: pl.String, Columns.TAIL: pl.String, Columns.SOURCE: pl.String,
    "head_item": pl.Int32, "tail_item": pl.Int32,
}  # fmt: skip
PLAIN: Final = "interaction"  # the type of an event that names none


def checked_events(events: pl.DataFrame, texts: pl.DataFrame | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Events with an item, and what users wrote; of the right types and with possible values.

    Raises
    ------
    DataError
        When there are no events, or a column is missing or cannot be used.
    """
    if events.height == 0:
        raise DataError("There are no events", expected="at least one row", received="0 rows")
    missing = [name for name in (Columns.USER_ID, Columns.ITEM_ID) if name not in events.columns]
    if missing:
        raise DataError(
            f"The events have no column {' and '.join(missing)}",
            expected="columns user_id and item_id",
            received=", ".join(events.columns),
            hint="Rename the columns that hold the ids.",
        )
    said = [] if texts is None else [_checked(texts, "texts")]
    if Columns.TEXT in events.columns:
        written = events[Columns.TEXT].is_not_null() & (events[Columns.TEXT] != "")
        said.append(_checked(events.filter(written), "events"))
        searches = written & events[Columns.ITEM_ID].is_null()
        events = events.filter(~searches).drop(Columns.TEXT)
    if events.height == 0:
        raise DataError(
            "No event names an item", expected="at least one row with an item_id", received="searches only"
        )
    columns = [id_column(events[name], table="events") for name in (Columns.USER_ID, Columns.ITEM_ID)]
    return _checked(events.with_columns(columns), "events"), _joined(said)


def _checked(frame: pl.DataFrame, where: str) -> pl.DataFrame:
    checked = [
        text_column(frame[name], table=where)
        for name in (Columns.USER_ID, Columns.ITEM_ID, Columns.EVENT, Columns.SESSION_ID, Columns.TEXT)
        if name in frame.columns
    ]
    if Columns.TIMESTAMP in frame.columns:
        checked.append(finite_column(frame[Columns.TIMESTAMP], table=where, least=0.0, null=False))
    checked += [
        finite_column(frame[name], table=where, least=-np.inf, null=True)
        for name in (Columns.VALUE, Columns.QUANTITY)
        if name in frame.columns
    ]
    return frame.with_columns(checked)


def _joined(said: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """What users wrote, from all sources, with external ids as text."""
    names = (Columns.USER_ID, Columns.ITEM_ID, Columns.TIMESTAMP, Columns.EVENT, Columns.TEXT)
    empty = pl.DataFrame(schema={name: TEXT_SCHEMA.get(name, pl.String) for name in names})
    parts = [part.select(pl.col(name) for name in names if name in part.columns) for part in said]
    parts = [
        part.with_columns(pl.col(name).cast(pl.String) for name in part.columns if name != Columns.TIMESTAMP)
        for part in parts
    ]
    return pl.concat([empty, *parts], how="diagonal").filter(pl.col(Columns.TEXT).is_not_null())


def catalogue_of(
    events: pl.DataFrame, items: pl.DataFrame | None, report: ProblemReport
) -> tuple[Catalogue, ProblemReport]:
    """The items of both tables; a note in the report where events know more than the items."""
    known = pl.DataFrame(schema={Columns.ITEM_ID: pl.String})
    catalogue = Catalogue.from_frame(items if items is not None else known)
    listed = len(catalogue)
    fresh = events[Columns.ITEM_ID].unique(maintain_order=True).cast(pl.String).to_frame()
    catalogue = Catalogue.from_frame(catalogue.with_items(fresh).frame)
    if items is not None and len(catalogue) > listed:
        example = catalogue.ids[listed]
        report = report.with_note(
            f"{len(catalogue) - listed} items of the events are not among the items"
            f" (for example {example!r}): kept, without a title"
        )
    return catalogue, report


def people_of(tables: Sequence[pl.DataFrame], users: pl.DataFrame | None) -> pl.DataFrame:
    """The users of all tables, listed ones first.

    Raises
    ------
    DataError
        When the listed ones have no ids, or one twice.
    """
    parts = [table[Columns.USER_ID].unique(maintain_order=True).cast(pl.String) for table in tables]
    found = pl.concat(parts).unique(maintain_order=True).to_frame()
    if users is None:
        return found
    if Columns.USER_ID not in users.columns:
        raise DataError(
            "The users have no column user_id",
            expected="a column user_id",
            received=", ".join(users.columns),
            hint="Rename the column that holds the ids.",
        )
    users = users.with_columns(id_column(users[Columns.USER_ID], table="users"))
    twice = users.filter(pl.col(Columns.USER_ID).is_duplicated())
    if twice.height:
        raise DataError(
            "The users hold each user_id once",
            expected="one row a user",
            received=f"{twice[Columns.USER_ID][0]!r} more than once",
            hint="Remove the duplicates.",
        )
    fresh = found.filter(~pl.col(Columns.USER_ID).is_in(users[Columns.USER_ID].implode()))
    return pl.concat([users, fresh], how="diagonal")


def checked_weights(weights: Mapping[str, float] | None) -> dict[str, float]:
    """Event type -> strength.

    Raises
    ------
    InputError
        When one is not finite.
    """
    checked = {} if weights is None else dict(weights)
    if not np.isfinite(list(checked.values())).all():
        raise InputError("An event weight is not finite", expected="finite numbers", received=str(checked))
    return checked


def strange_weights(events: pl.DataFrame, weights: Mapping[str, float]) -> list[str]:
    """Remarks on weights of types that no event has.

    Raises
    ------
    InputError
        When the weights leave no event that is a sign of interest.
    """
    kinds = categories(events[Columns.EVENT])
    signs = pl.Series([weights.get(kind, 1.0) > 0 for kind in kinds], dtype=pl.Boolean)
    wanted = signs.gather(events[Columns.EVENT].to_physical())
    if not (wanted & (events[Columns.VALUE] > 0)).any():
        raise InputError(
            "No event is a sign of interest",
            expected="a value and an event weight above 0",
            received=", ".join(f"{kind} {weights.get(kind, 1.0):g}" for kind in kinds),
            hint="Give a positive weight to the types that mean interest.",
        )
    strange = [kind for kind in weights if kind not in kinds]
    return [f"event_weights name types that no event has: {', '.join(strange)}"] if strange else []


def indexed_events(events: pl.DataFrame, catalogue: Catalogue, people: pl.DataFrame) -> pl.DataFrame:
    """The events as a ``Dataset`` holds them, sorted by time; equal times in the order given."""
    defaults = {
        Columns.TIMESTAMP: pl.lit(0.0, pl.Float64),
        Columns.EVENT: pl.lit(PLAIN, pl.String),
        Columns.VALUE: pl.lit(1.0, pl.Float64),
        Columns.QUANTITY: pl.lit(1.0, pl.Float64),
        Columns.SESSION_ID: pl.lit(None, pl.String),
    }
    full = events.select(
        pl.Series(Columns.USER, _positions(events[Columns.USER_ID], people[Columns.USER_ID])),
        pl.Series(Columns.ITEM, _positions(events[Columns.ITEM_ID], catalogue.frame[Columns.ITEM_ID])),
        *(pl.col(name) if name in events.columns else lit.alias(name) for name, lit in defaults.items()),
    ).with_columns(pl.col(Columns.VALUE, Columns.QUANTITY).fill_null(1.0))
    kinds = full[Columns.EVENT].unique().cast(pl.String).fill_null(PLAIN)
    ordered = coded(full, tuple(sorted(set(kinds))))
    if ordered[Columns.TIMESTAMP].is_sorted():
        return ordered
    return ordered.sort(Columns.TIMESTAMP, maintain_order=True)


def coded(events: pl.DataFrame, types: Sequence[str]) -> pl.DataFrame:
    """Event types and sessions as codes."""
    kinds = pl.Enum(types)
    plain = [PLAIN] if PLAIN in types else []
    event = events[Columns.EVENT].cast(kinds)
    return events.with_columns(
        event.fill_null(plain[0]) if plain else event,
        pl.col(Columns.SESSION_ID).cast(pl.Categorical),
    )


def categories(column: pl.Series) -> tuple[str, ...]:
    """All types that a column of codes can hold, in order."""
    kind = column.dtype
    return tuple(kind.categories) if isinstance(kind, pl.Enum) else ()


def indexed_texts(said: pl.DataFrame, catalogue: Catalogue, people: pl.DataFrame) -> pl.DataFrame:
    """What users wrote, as a ``Dataset`` holds it, by time."""
    return said.select(
        pl.Series(Columns.USER, _positions(said[Columns.USER_ID], people[Columns.USER_ID])),
        pl.Series(Columns.ITEM, _positions(said[Columns.ITEM_ID], catalogue.frame[Columns.ITEM_ID])),
        pl.col(Columns.TIMESTAMP).fill_null(0.0),
        pl.col(Columns.EVENT).fill_null("text"),
        pl.col(Columns.TEXT),
    ).sort(Columns.TIMESTAMP, maintain_order=True)


def indexed_triples(triples: pl.DataFrame | None, catalogue: Catalogue) -> pl.DataFrame:
    """Triples with the items that heads and tails name: by id, else by the whole title."""
    if triples is None:
        return pl.DataFrame(schema=TRIPLE_SCHEMA)
    if Columns.SOURCE not in triples.columns:
        triples = triples.with_columns(pl.lit(None, pl.String).alias(Columns.SOURCE))
    by_title: dict[str, int] = {}
    for place, title in enumerate(catalogue.titles):
        by_title.setdefault(title.casefold(), place)
    by_title.pop("", None)
    columns = [pl.col(Columns.HEAD, Columns.RELATION, Columns.TAIL, Columns.SOURCE).cast(pl.String)]
    frame = triples.select(columns)
    for name in (Columns.HEAD, Columns.TAIL):
        ids = _positions(frame[name], catalogue.frame[Columns.ITEM_ID])
        titles = [by_title.get(text.casefold(), -1) for text in frame[name]]
        items = np.where(ids >= 0, ids, np.array(titles, dtype=np.int32))
        frame = frame.with_columns(pl.Series(f"{name}_item", items, pl.Int32))
    return frame.select(list(TRIPLE_SCHEMA))


def indexed_vectors(
    given: Mapping[str, tuple[Sequence[str], ScoreArray]], catalogue: Catalogue
) -> tuple[dict[str, ScoreArray], list[str]]:
    """Name -> vectors by item index, and remarks on what is missing.

    Raises
    ------
    DataError
        When none of the ids is in the catalogue.
    """
    found: dict[str, ScoreArray] = {}
    notes = []
    for name, (ids, vectors) in given.items():
        items = catalogue.index_of(ids)
        known = items >= 0
        if not known.any():
            raise DataError(
                f"The vectors {name!r} belong to other items",
                expected=f"ids such as {', '.join(catalogue.ids[:3])}",
                received=", ".join(ids[:3]),
                hint="Write the ids as they are spelled in the items.",
            )
        full = np.full((len(catalogue), vectors.shape[1]), np.nan, dtype=np.float32)
        full[items[known]] = vectors[known]
        found[name] = full
        missing, strange = len(catalogue) - int(known.sum()), int((~known).sum())
        if missing or strange:
            notes.append(f"vectors {name!r}: {missing} items have none, {strange} are of unknown items")
    return found, notes


def _positions(column: pl.Series, vocabulary: pl.Series) -> IntArray:
    """Index of each id in the vocabulary, int32, -1 where it is null or unknown."""
    if column.dtype == pl.String:
        column = column.cast(pl.Categorical(pl.Categories.random()))
    distinct = column.drop_nulls().unique()
    known = pl.DataFrame({"id": vocabulary}).with_row_index("place")
    found = distinct.cast(pl.String).alias("id").to_frame().join(
        known, on="id", how="left", maintain_order="left"
    )["place"].cast(pl.Int32).fill_null(-1)  # fmt: skip
    codes = column.to_physical().cast(pl.Int64)
    table = np.full(int(codes.max() if codes.max() is not None else 0) + 2, -1, dtype=np.int32)  # type: ignore[arg-type]
    table[distinct.to_physical().to_numpy()] = found.to_numpy()
    places: IntArray = table[codes.fill_null(len(table) - 1).to_numpy()]
    return places
