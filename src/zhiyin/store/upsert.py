"""INSERT with ON CONFLICT, which SQLAlchemy offers by dialect only."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

__all__ = ["insert"]


def insert(connection: Connection, table: Table) -> Any:
    """The dialect's INSERT, with ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    module = postgresql if connection.dialect.name == "postgresql" else sqlite
    return module.insert(table)
