"""The rows of a query -> cells as text; knows databases by their URL, not what the columns mean."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from zhiyin.data.reading.collecting import Collector
from zhiyin.data.reading.parquet import as_text
from zhiyin.errors import DataError, MissingExtraError

__all__ = ["Query", "read_query"]

ROWS: Final = 100_000  # that are in memory at a time
ATTACH: Final = 24  # SQLITE_ATTACH of sqlite3.h
_TABLE: Final = re.compile(r"[\w.]+", re.UNICODE)


@dataclass(frozen=True)
class Query:
    """A question to a database.

    Parameters
    ----------
    url : str
        As SQLAlchemy writes it: ``sqlite:///shop.db``, ``postgresql+psycopg://user:word@host/db``.
        It is never shown with its password.
    sql : str
        A SELECT, or the name of a table or view. It is asked in a transaction that cannot write,
        where the database knows such (SQLite, PostgreSQL).

    Examples
    --------
    >>> Query("sqlite:///shop.db", "orders")
    Query(sql='orders')
    """

    url: str = field(repr=False)
    sql: str

    @property
    def name(self) -> str:
        """What messages call it."""
        return "the query " + repr(self.sql if len(self.sql) <= 40 else self.sql[:39] + "…")


def read_query(query: Query, collector: Collector, *, ids: Collection[str]) -> Iterator[pl.DataFrame]:
    """Yield cells as text, missing ones null, each table attached to ``collector``.

    Raises
    ------
    DataError
        When the database cannot be reached or refuses the query, or an id column has another type.
    MissingExtraError
        When no driver for the database is installed.
    """
    row = 1
    for names, rows in _batches(query):
        columns = zip(*rows, strict=True) if rows else [[] for _ in names]
        table = pa.table({name: _column(cells) for name, cells in zip(names, columns, strict=True)})
        if len(table.column_names) != len(names):
            raise _refused(query, "a column occurs twice", ", ".join(names), "Name each column once: AS.")
        frame = as_text(table, query.name, collector, ids=ids)
        collector.attach(frame, np.arange(row, row + frame.height))
        row += frame.height
        yield frame


def _batches(query: Query) -> Iterator[tuple[list[str], Sequence[Sequence[Any]]]]:
    url = _url(query)
    try:
        engine = create_engine(url)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise MissingExtraError(
            f"No driver for {url.drivername} is installed",
            expected="a driver that SQLAlchemy knows",
            received=str(error),
            hint="For PostgreSQL: pip install 'zhiyin[postgres]' and a URL postgresql+psycopg://…",
        ) from error
    try:
        with engine.connect() as connection:
            _read_only(connection)
            connection.execution_options(stream_results=True)
            with contextlib.closing(connection.exec_driver_sql(_select(query, connection))) as result:
                if not result.returns_rows:
                    raise _refused(query, "it returns no rows", query.sql, "Ask with a SELECT.")
                names, empty = list(result.keys()), True
                while rows := result.fetchmany(ROWS):
                    empty = False
                    yield names, [tuple(row) for row in rows]
                if empty:
                    yield names, []
    except SQLAlchemyError as error:
        received = str(getattr(error, "orig", None) or error).strip().split("\n")[0][:300]
        raise _refused(
            query, "the database refuses", received, "Try it in a client of the database."
        ) from error
    finally:
        engine.dispose()


def _url(query: Query) -> URL:
    try:
        url = make_url(query.url)
    except ArgumentError as error:
        raise DataError(
            "The URL of the database cannot be read",
            expected="dialect://user:password@host/database, or sqlite:///file.db",
            received="something else (not shown: it may hold a password)",
            hint="See SQLAlchemy's page on database URLs.",
        ) from error
    if url.drivername.startswith("sqlite") and not Path(url.database or "").is_file():
        raise DataError(
            "There is no such database",
            expected="an existing SQLite file",
            received=url.database or "none",
            hint="sqlite:///shop.db is beside you, sqlite:////data/shop.db has an absolute path.",
        )
    return url.set(drivername="postgresql+psycopg") if url.drivername == "postgresql" else url


def _read_only(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
        raw = connection.connection.driver_connection
        if isinstance(raw, sqlite3.Connection):  # attached files would be made, also by VACUUM INTO
            raw.set_authorizer(_no_attach)
    elif connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")


def _no_attach(action: int, *_: object) -> int:
    return sqlite3.SQLITE_DENY if action == ATTACH else sqlite3.SQLITE_OK


def _select(query: Query, connection: Connection) -> str:
    if not _TABLE.fullmatch(query.sql.strip()):
        return query.sql
    quote = connection.dialect.identifier_preparer.quote_identifier
    return f"SELECT * FROM {'.'.join(map(quote, query.sql.strip().split('.')))}"


def _column(cells: Sequence[Any]) -> pa.Array:
    """An array of one plain type; text where the cells are of several, or of an unusual one."""
    try:
        column = pa.array(cells)
        if not isinstance(column.type, pa.BaseExtensionType):
            return column
    except (pa.ArrowException, TypeError, OverflowError):
        pass
    return pa.array([None if cell is None else str(cell) for cell in cells], pa.string())


def _refused(query: Query, what: str, received: str, hint: str) -> DataError:
    return DataError(f"{query.name}: {what}", expected="rows", received=received, hint=hint)
