"""The tables; the migrations make them, this module only describes them.

Items have a ``number``, their index in the catalogue: handed out once, never used again. Arrays
(pools, slates, propensities) are little-endian bytes. Times are seconds since 1970.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

__all__ = [
    "counters",
    "decisions",
    "events",
    "feedback",
    "items",
    "metadata",
    "model_versions",
    "pointers",
    "requests",
    "users",
]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# SQLite numbers rows by itself only where the key is an INTEGER.
Serial = BigInteger().with_variant(Integer, "sqlite")

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("attributes", JSON, nullable=False),
    Column("changed", Double, nullable=False),
)
items = Table(
    "items",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("price", Double),
    Column("available_from", Double),
    Column("hidden", Boolean, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("revision", BigInteger, nullable=False, index=True),
)
events = Table(
    "events",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=True),
    Column("key", Text, unique=True),
    Column("user", Text),
    Column("session", Text),
    Column("item", Integer, ForeignKey("items.number"), nullable=False),
    Column("time", Double, nullable=False),
    Column("type", Text, nullable=False),
    Column("value", Double, nullable=False),
    Column("quantity", Double, nullable=False),
    Column("received", Double, nullable=False),
)
# A history is read from the index alone, without a look at the table for each event.
_history = (events.c.time, events.c.number, events.c.item, events.c.type, events.c.value)
Index("ix_events_user", events.c.user, *_history)
Index(
    "ix_events_session",
    events.c.session,
    *_history,
    sqlite_where=events.c.user.is_(None),
    postgresql_where=events.c.user.is_(None),
)
requests = Table(
    "requests",
    metadata,
    Column("id", Text, primary_key=True),
    Column("time", Double, nullable=False, index=True),
    Column("model", Text, nullable=False),
    Column("k", Integer, nullable=False),
    Column("features", JSON, nullable=False),
    Column("milliseconds", JSON, nullable=False),
    Column("notes", JSON, nullable=False),
)
decisions = Table(
    "decisions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("request", Text, ForeignKey("requests.id"), nullable=False, index=True),
    Column("time", Double, nullable=False, index=True),
    Column("user", Text, index=True),
    Column("session", Text),
    Column("text", Text),
    Column("scenario", Text),
    Column("context", JSON, nullable=False),
    Column("policy", Text, nullable=False),
    Column("pool", LargeBinary, nullable=False),
    Column("items", LargeBinary, nullable=False),
    Column("conditional", LargeBinary, nullable=False),
    Column("marginal", LargeBinary, nullable=False),
    Column("features", LargeBinary, nullable=False),
)
feedback = Table(
    "feedback",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=True),
    Column("key", Text, nullable=False, unique=True),
    Column("decision", Text, nullable=False, index=True),
    Column("item", Text),
    Column("type", Text, nullable=False),
    Column("value", Double, nullable=False),
    Column("time", Double, nullable=False),
    Column("received", Double, nullable=False),
)
model_versions = Table(
    "model_versions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("created", Double, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("metrics", JSON, nullable=False),
)
pointers = Table(
    "pointers",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, index=True),
    Column("version", Text, ForeignKey("model_versions.name"), nullable=False),
    Column("time", Double, nullable=False),
    Column("reason", Text, nullable=False),
)
counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
