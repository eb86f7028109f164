"""Whole tables in and out, for the first filling and for making a new model version."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy import Connection, func, select

from zhiyin.errors import StoreError
from zhiyin.store.catalogue import next_revision
from zhiyin.store.schema import events, items, users

__all__ = ["read_frames", "seed"]

ROWS = 20_000
ITEM_COLUMNS = ("item_id", "title", "price", "available_from")
SESSION = "session:"


def seed(
    connection: Connection, item_rows: pl.DataFrame, user_rows: pl.DataFrame, event_rows: pl.DataFrame
) -> None:
    """Fill an empty store.

    ``item_rows``: item_id, title, price, available_from, attributes, in the order of their index;
    ``user_rows``: user_id, attributes; ``event_rows``: user and item (rows of the others),
    timestamp, event, value, quantity, session_id.
    """
    if connection.execute(select(func.count()).select_from(items)).scalar():
        raise StoreError(
            "The store is not empty", expected="a store without items", hint="Choose another store."
        )
    revision = next_revision(connection)
    now = time.time()
    attributes = _attributes(item_rows, ITEM_COLUMNS)
    start = item_rows["available_from"].to_numpy()
    prices = item_rows["price"].fill_nan(None).to_list()
    for part in _parts(item_rows.height):
        rows = [
            {
                "number": at,
                "id": item_rows["item_id"][at],
                "title": item_rows["title"][at],
                "price": prices[at],
                "available_from": float(start[at]) if np.isfinite(start[at]) else None,
                "hidden": False,
                "attributes": attributes[at],
                "revision": revision,
            }
            for at in part
        ]
        connection.execute(items.insert(), rows)
    described = _attributes(user_rows, ("user_id",))
    people = user_rows["user_id"].to_list()
    for part in _parts(len(people)):
        connection.execute(
            users.insert(), [{"id": people[at], "attributes": described[at], "changed": now} for at in part]
        )
    for part in _parts(event_rows.height):
        connection.execute(events.insert(), list(_events(event_rows[part.start : part.stop], people, now)))


def read_frames(connection: Connection) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Items, users and events with external ids."""
    item_rows = connection.execute(select(items).order_by(items.c.number)).all()
    user_rows = connection.execute(select(users.c.id, users.c.attributes).order_by(users.c.id)).all()
    columns = (
        events.c.user, events.c.session, events.c.item, events.c.time, events.c.type,
        events.c.value, events.c.quantity,
    )  # fmt: skip
    parts = [_event_frame([])]
    result = connection.execution_options(yield_per=ROWS).execute(
        select(*columns).order_by(events.c.time, events.c.number)
    )
    parts += [_event_frame(rows) for rows in result.partitions(ROWS)]
    ids = [row.id for row in item_rows]
    found = pl.concat(parts)
    names = pl.Series("item_id", ids, dtype=pl.String)
    log = found.with_columns(
        names.gather(found["item"].cast(pl.UInt32)) if ids else names,
        pl.coalesce("user_id", pl.concat_str(pl.lit(SESSION), "session_id")).alias("user_id"),
    ).drop("item")
    catalogue = pl.DataFrame(
        {
            "item_id": ids,
            "title": [row.title for row in item_rows],
            "price": [row.price for row in item_rows],
            "available_from": [row.available_from for row in item_rows],
            "hidden": [bool(row.hidden) for row in item_rows],
            **_columns([row.attributes for row in item_rows]),
        },
        schema_overrides={
            "item_id": pl.String,
            "title": pl.String,
            "price": pl.Float64,
            "available_from": pl.Float64,
        },
    )
    people = pl.DataFrame(
        {"user_id": [row.id for row in user_rows], **_columns([row.attributes for row in user_rows])},
        schema_overrides={"user_id": pl.String},
    )
    return catalogue, people, log


def _event_frame(rows: Any) -> pl.DataFrame:
    schema = {
        "user_id": pl.String, "session_id": pl.String, "item": pl.Int64, "timestamp": pl.Float64,
        "event": pl.String, "value": pl.Float64, "quantity": pl.Float64,
    }  # fmt: skip
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")


def _columns(described: list[dict[str, str]]) -> dict[str, pl.Series]:
    names = sorted({name for one in described for name in one})
    return {name: pl.Series(name, [one.get(name) for one in described], dtype=pl.String) for name in names}


def _attributes(frame: pl.DataFrame, known: tuple[str, ...]) -> list[dict[str, str]]:
    rest = [name for name in frame.columns if name not in known]
    columns = {name: frame[name].cast(pl.String).to_list() for name in rest}
    return [
        {name: column[at] for name, column in columns.items() if column[at] is not None}
        for at in range(frame.height)
    ]


def _events(frame: pl.DataFrame, people: list[str], now: float) -> Iterator[dict[str, Any]]:
    for row in frame.iter_rows(named=True):
        yield {
            "key": None,
            "user": people[row["user"]],
            "session": row["session_id"],
            "item": row["item"],
            "time": row["timestamp"],
            "type": row["event"],
            "value": row["value"],
            "quantity": row["quantity"],
            "received": now,
        }


def _parts(n: int) -> Iterator[range]:
    for start in range(0, n, ROWS):
        yield range(start, min(start + ROWS, n))
