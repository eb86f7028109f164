"""Model versions and the pointer to the current one; the pointer's moves are kept."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, select

from zhiyin.errors import StoreError
from zhiyin.store.records import ModelVersion
from zhiyin.store.schema import model_versions, pointers
from zhiyin.store.upsert import insert

__all__ = ["current_version", "moves", "previous_version", "promote", "register_version", "versions"]

CURRENT = "current"


def register_version(connection: Connection, version: ModelVersion) -> None:
    """Make a version known; known ones stay as they are."""
    values = {
        "name": version.name,
        "created": version.created,
        "dataset": version.dataset,
        "metrics": dict(version.metrics),
    }
    statement = insert(connection, model_versions).values(values)
    connection.execute(statement.on_conflict_do_nothing(index_elements=["name"]))


def versions(connection: Connection) -> list[ModelVersion]:
    """All versions, oldest first."""
    rows = connection.execute(select(model_versions).order_by(model_versions.c.created))
    return [ModelVersion(row.name, row.created, row.dataset, row.metrics) for row in rows]


def moves(connection: Connection) -> list[dict[str, Any]]:
    """All moves of the pointer, oldest first: version, time, reason."""
    columns = (pointers.c.version, pointers.c.time, pointers.c.reason)
    rows = connection.execute(select(*columns).where(pointers.c.name == CURRENT).order_by(pointers.c.number))
    return [dict(row._mapping) for row in rows]


def current_version(connection: Connection) -> str | None:
    """The version that answers, None: none yet."""
    found: str | None = connection.execute(
        select(pointers.c.version)
        .where(pointers.c.name == CURRENT)
        .order_by(pointers.c.number.desc())
        .limit(1)
    ).scalar()
    return found


def promote(connection: Connection, name: str, *, reason: str) -> None:
    """Point to a version.

    Raises
    ------
    StoreError
        When the store does not know it.
    """
    known = [version.name for version in versions(connection)]
    if name not in known:
        raise StoreError(
            f"No model version is called {name!r}", expected=f"one of {', '.join(known)}", received=name
        )
    if current_version(connection) != name:
        connection.execute(
            pointers.insert(), {"name": CURRENT, "version": name, "time": time.time(), "reason": reason}
        )


def previous_version(connection: Connection) -> str:
    """The version that answered before the current one.

    Rolled back versions do not count: rolling back twice goes back by two.

    Raises
    ------
    StoreError
        When there is none.
    """
    stack: list[str] = []
    for move in moves(connection):
        if move["version"] in stack:
            del stack[stack.index(move["version"]) + 1 :]
        else:
            stack.append(move["version"])
    if len(stack) < 2:
        raise StoreError(
            "There is no version to go back to",
            expected="at least two versions that went live",
            received=str(len(stack)),
            hint="Make a new version with: zhiyin refit",
        )
    return stack[-2]
