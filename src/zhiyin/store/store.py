"""The store: one object over the tables, safe to use from many threads and many processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self, TypeVar

import polars as pl
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError

from zhiyin.errors import StoreError
from zhiyin.store import catalogue, frames, log, models
from zhiyin.store.checkpoints import Checkpoints
from zhiyin.store.engine import explain, reading_engine, store_url, writing_engine
from zhiyin.store.migrate import migrate
from zhiyin.store.records import Event, Feedback, Item, ModelVersion, Request, Shown, User
from zhiyin.store.writer import Writer
from zhiyin.types import Ragged

__all__ = ["Store"]

R = TypeVar("R")
NEWEST = 10_000


class Store:
    """Users, items, events, decisions, feedback and model versions in SQLite or PostgreSQL.

    What returns from a writing method is on disk (decisions: committed, on disk with what follows).
    The methods ending in ``_later`` give a future instead of waiting. Every reading method sees what
    has been committed, by whatever process.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Store.open(f"{folder}/store.db") as store:
    ...     store.put_items([Item("0012", "TEA SET")])
    ...     store.add_events([Event("0012", time=1.0, user="ann", key="e1")])
    ...     store.add_events([Event("0012", time=1.0, user="ann", key="e1")])
    ['created']
    ['added']
    ['known']
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._reader = reading_engine(url)
        self._writer = Writer(writing_engine(url))
        file = make_url(url).database
        self._checkpoints = (
            Checkpoints(self._reader, Path(file)) if file and url.startswith("sqlite") else None
        )

    @classmethod
    def open(cls, place: str | Path) -> Self:
        """Open a store, making or updating its tables.

        Parameters
        ----------
        place : str or Path
            The path of an SQLite file, or a SQLAlchemy URL of SQLite or PostgreSQL.

        Raises
        ------
        StoreError
            When the database cannot be opened, or a newer release has written it.
        MissingExtraError
            When alembic, or the driver of PostgreSQL, is not installed.
        """
        url = store_url(place)
        parsed = make_url(url)
        engine = writing_engine(url)
        try:
            if parsed.get_backend_name() == "sqlite" and parsed.database:
                Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            migrate(engine)
        except (DBAPIError, OSError) as error:
            if isinstance(error, StoreError):
                raise
            raise explain(error, "be opened") from error
        finally:
            engine.dispose()
        return cls(url)

    def close(self) -> None:
        """Write what is queued and let go of the database."""
        self._writer.close()
        if self._checkpoints is not None:
            self._checkpoints.close()
        self._reader.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def backend(self) -> str:
        """Which database this is, with its version: "sqlite 3.40.1"."""
        query = "sqlite_version()" if self.url.startswith("sqlite") else "current_setting('server_version')"
        name = make_url(self.url).get_backend_name()
        version = self._read(lambda connection: connection.execute(text(f"SELECT {query}")).scalar())
        return f"{name} {version}"

    def _read(self, query: Callable[[Connection], R]) -> R:
        try:
            with self._reader.connect() as connection:
                return query(connection)
        except DBAPIError as error:
            raise explain(error, "be read") from error

    def _read_whole(self, query: Callable[[Connection], R]) -> R:
        """Run several queries on one snapshot of the database."""
        level = {} if self.url.startswith("sqlite") else {"isolation_level": "REPEATABLE READ"}
        try:
            with self._reader.connect().execution_options(**level) as connection, connection.begin():
                if not level:
                    connection.exec_driver_sql("BEGIN")
                return query(connection)
        except DBAPIError as error:
            raise explain(error, "be read") from error

    # Catalogue

    def put_items(self, items: Sequence[Item]) -> list[str]:
        """Insert or replace items; "created" or "updated" for each."""
        return self._writer.run(lambda connection: catalogue.put_items(connection, items))

    def hide_items(self, ids: Sequence[str], *, hidden: bool = True) -> list[str]:
        """Hide or show items at once; the ids that are unknown come back."""
        return self._writer.run(lambda connection: catalogue.hide_items(connection, ids, hidden=hidden))

    def erase_items(self, ids: Sequence[str]) -> list[str]:
        """Hide items and forget their texts; the ids that are unknown come back."""
        return self._writer.run(lambda connection: catalogue.erase_items(connection, ids))

    def catalogue_revision(self) -> int:
        """A number that grows with each change of an item."""
        return self._read(catalogue.catalogue_revision)

    def items_since(self, revision: int = -1) -> list[tuple[int, Item]]:
        """Items that changed after a revision, each with its own, by number."""
        return self._read(lambda connection: catalogue.items_since(connection, revision))

    def put_users(self, users: Sequence[User]) -> None:
        """Insert or replace users."""
        self._writer.run(lambda connection: catalogue.put_users(connection, users))

    def delete_users(self, ids: Sequence[str]) -> int:
        """Forget users; the number of their events that went is returned."""
        return self._writer.run(lambda connection: catalogue.delete_users(connection, ids))

    # Log

    def add_events(self, events: Sequence[Event]) -> list[str]:
        """Add events; "added" or "known" (by key) for each."""
        return self.add_events_later(events).result()

    def add_events_later(self, events: Sequence[Event]) -> Future[list[str]]:
        """``add_events`` without waiting."""
        return self._writer.submit(lambda connection: log.add_events(connection, events))

    def add_requests_later(self, answered: Sequence[Request]) -> Future[None]:
        """Keep answered requests and their decisions.

        They survive the end of the process at once, a power cut after the next event or feedback.
        """
        return self._writer.submit(lambda connection: log.add_requests(connection, answered), lasting=False)

    def add_feedback(self, feedback: Sequence[Feedback]) -> list[str]:
        """Add feedback; "added" or "known" (by key) for each."""
        return self.add_feedback_later(feedback).result()

    def add_feedback_later(self, feedback: Sequence[Feedback]) -> Future[list[str]]:
        """``add_feedback`` without waiting."""
        return self._writer.submit(lambda connection: log.add_feedback(connection, feedback))

    def histories(
        self,
        users: Sequence[str | None],
        sessions: Sequence[str | None],
        *,
        types: Mapping[str, int],
        weights: Mapping[str, float],
        newest: int = NEWEST,
    ) -> Ragged:
        """The newest events of each user, or of the session where there is no user, oldest first."""
        return self._read(
            lambda connection: log.histories(
                connection, users, sessions, types=types, weights=weights, newest=newest
            )
        )

    def decisions(self, since: float = 0.0, until: float = float("inf")) -> list[tuple[str, Shown]]:
        """Decisions with since <= time < until, oldest first, each with its request's id."""
        return self._read(lambda connection: log.decisions_between(connection, since, until))

    def feedback_of(self, decisions: Sequence[str]) -> dict[str, list[Feedback]]:
        """The feedback on some slates, by slate, in the order of its time."""
        return self._read(lambda connection: log.rewards_of(connection, decisions))

    def counts(self) -> dict[str, int]:
        """Rows of the log's tables, and feedback that waits for its slate."""
        return self._read(log.counts)

    # Model versions

    def register_version(self, version: ModelVersion) -> None:
        """Make a model version known."""
        self._writer.run(lambda connection: models.register_version(connection, version))

    def versions(self) -> list[ModelVersion]:
        """All model versions, oldest first."""
        return self._read(models.versions)

    def moves(self) -> list[dict[str, Any]]:
        """All moves of the pointer, oldest first: version, time, reason."""
        return self._read(models.moves)

    def current_version(self) -> str | None:
        """The name of the version that answers."""
        return self._read(models.current_version)

    def promote(self, name: str, *, reason: str) -> None:
        """Let a version answer."""
        self._writer.run(lambda connection: models.promote(connection, name, reason=reason))

    def previous_version(self) -> str:
        """The version that answered before the current one."""
        return self._read(models.previous_version)

    # Tables as a whole

    def seed(self, items: pl.DataFrame, users: pl.DataFrame, events: pl.DataFrame) -> None:
        """Fill an empty store from tables, all or nothing.

        Raises
        ------
        StoreError
            When it holds items already.
        """
        self._writer.run(lambda connection: frames.seed(connection, items, users, events))

    def frames(self) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
        """Items (by number), users and events (by time) with external ids, as one moment knew them.

        A session without a user is a user called "session:" and its id.
        """
        return self._read_whole(frames.read_frames)
