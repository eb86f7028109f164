"""Connections: one door for reading, one for writing, for SQLite and PostgreSQL.

SQLite runs in WAL mode, so that readers and the writer do not wait for each other, with
``synchronous=FULL``: what is committed survives a power cut. Only one process writes at a time;
the others wait up to ``BUSY_SECONDS``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import QueuePool, SingletonThreadPool

from zhiyin.errors import StoreError
from zhiyin.extras import require

__all__ = ["begin", "explain", "reading_engine", "store_url", "writing_engine"]

BUSY_SECONDS = 10
LIBRARIES = {"postgresql": "psycopg"}


def store_url(place: str | Path) -> str:
    """A SQLAlchemy URL from a URL or the path of an SQLite file.

    Raises
    ------
    StoreError
        When the URL names no database that zhiyin knows.

    Examples
    --------
    >>> store_url("runs/store.db")
    'sqlite:///runs/store.db'
    >>> store_url("postgresql://me@db/shop")
    'postgresql+psycopg://me@db/shop'
    """
    text = str(place)
    if "://" not in text:
        return f"sqlite:///{text}"
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, NoSuchModuleError) as error:
        raise _unknown(text) from error
    if backend not in ("sqlite", "postgresql"):
        raise _unknown(backend)
    if backend == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    return url.render_as_string(hide_password=False)


def _unknown(received: str) -> StoreError:
    return StoreError(
        "This is no place for a store",
        expected="a file, sqlite:///file or postgresql://user:password@host/database",
        received=received.partition("@")[2] or received,
    )


def writing_engine(url: str) -> Engine:
    """For the one thread that writes; transactions take SQLite's write lock at once."""
    return _engine(url, begin="BEGIN IMMEDIATE")


def reading_engine(url: str) -> Engine:
    """For everybody else; each statement sees the newest committed state."""
    return _engine(url, begin=None)


def _engine(url: str, *, begin: str | None) -> Engine:
    backend = make_url(url).get_backend_name()
    if backend in LIBRARIES:
        require(LIBRARIES[backend])
    if backend != "sqlite":
        engine = create_engine(url, poolclass=QueuePool, pool_pre_ping=True)
        return engine if begin else engine.execution_options(isolation_level="AUTOCOMMIT")
    pool = SingletonThreadPool if begin else QueuePool
    engine = create_engine(
        url, poolclass=pool, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _starter(begin))
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver must not open transactions by itself: it would take the write lock too late.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "cache_size=-32000",
        "wal_autocheckpoint=0",  # see ``checkpoints``
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _starter(begin: str | None) -> Any:
    def start(connection: Connection) -> None:
        if begin is not None:
            connection.exec_driver_sql(begin)

    return start


@contextlib.contextmanager
def begin(engine: Engine, *, lasting: bool) -> Iterator[Connection]:
    """A writing transaction; without ``lasting`` its end does not wait for the disk."""
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            _wait_for_disk(connection, lasting)
        with connection.begin():
            if connection.dialect.name == "postgresql" and not lasting:
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO OFF")
            yield connection


def _wait_for_disk(connection: Connection, wanted: bool) -> None:
    """Switch SQLite's waiting for the disk, where it is not already as wanted."""
    info = connection.connection.info
    if info.get("lasting", True) != wanted:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute(f"PRAGMA synchronous={'FULL' if wanted else 'NORMAL'}")
        info["lasting"] = wanted


def explain(error: DBAPIError | OSError, what: str) -> StoreError:
    """What a database error means to a person."""
    text = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    hints = {
        "full": "Free some space; nothing of this request was kept.",
        "locked": "Another process holds the database for long; try again.",
        "malformed": "Restore the file from a backup.",
        "not a database": "The file is something else; choose another path.",
        "unable to open": "Check the folder and its permissions.",
        "readonly": "Check the file's and the folder's permissions.",
    }
    hint = next(
        (hint for word, hint in hints.items() if word in text), "Check that the database can be reached."
    )
    return StoreError(f"The store could not {what}", received=text, hint=hint)
