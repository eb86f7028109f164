"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make all tables."""
    _catalogue()
    _log()
    _models()


def _catalogue() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("attributes", sa.JSON, nullable=False),
        sa.Column("changed", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    op.create_table(
        "items",
        sa.Column("number", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("price", sa.Double),
        sa.Column("available_from", sa.Double),
        sa.Column("hidden", sa.Boolean, nullable=False),
        sa.Column("attributes", sa.JSON, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_items"),
        sa.UniqueConstraint("id", name="uq_items_id"),
    )
    op.create_index("ix_items_revision", "items", ["revision"])
    op.create_table(
        "counters",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )


def _log() -> None:
    op.create_table(
        "events",
        sa.Column("number", SERIAL, autoincrement=True, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("user", sa.Text),
        sa.Column("session", sa.Text),
        sa.Column("item", sa.Integer, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("quantity", sa.Double, nullable=False),
        sa.Column("received", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_events"),
        sa.UniqueConstraint("key", name="uq_events_key"),
        sa.ForeignKeyConstraint(["item"], ["items.number"], name="fk_events_item"),
    )
    history = ["time", "number", "item", "type", "value"]
    op.create_index("ix_events_user", "events", ["user", *history])
    nobody = sa.text('"user" IS NULL')
    op.create_index(
        "ix_events_session",
        "events",
        ["session", *history],
        sqlite_where=nobody,
        postgresql_where=nobody,
    )
    op.create_table(
        "requests",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("k", sa.Integer, nullable=False),
        sa.Column("features", sa.JSON, nullable=False),
        sa.Column("milliseconds", sa.JSON, nullable=False),
        sa.Column("notes", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
    )
    op.create_index("ix_requests_time", "requests", ["time"])
    op.create_table(
        "decisions",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("user", sa.Text),
        sa.Column("session", sa.Text),
        sa.Column("text", sa.Text),
        sa.Column("scenario", sa.Text),
        sa.Column("context", sa.JSON, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("pool", sa.LargeBinary, nullable=False),
        sa.Column("items", sa.LargeBinary, nullable=False),
        sa.Column("conditional", sa.LargeBinary, nullable=False),
        sa.Column("marginal", sa.LargeBinary, nullable=False),
        sa.Column("features", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
        sa.ForeignKeyConstraint(["request"], ["requests.id"], name="fk_decisions_request"),
    )
    for column in ("request", "time", "user"):
        op.create_index(f"ix_decisions_{column}", "decisions", [column])
    op.create_table(
        "feedback",
        sa.Column("number", SERIAL, autoincrement=True, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("item", sa.Text),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("value", sa.Double, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("received", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_feedback"),
        sa.UniqueConstraint("key", name="uq_feedback_key"),
    )
    op.create_index("ix_feedback_decision", "feedback", ["decision"])


def _models() -> None:
    op.create_table(
        "model_versions",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_model_versions"),
    )
    op.create_table(
        "pointers",
        sa.Column("number", SERIAL, autoincrement=True, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_pointers"),
        sa.ForeignKeyConstraint(["version"], ["model_versions.name"], name="fk_pointers_version"),
    )
    op.create_index("ix_pointers_name", "pointers", ["name"])


def downgrade() -> None:
    """Drop all tables, and what is in them."""
    for table in ("pointers", "model_versions", "feedback", "decisions", "requests", "events"):
        op.drop_table(table)
    for table in ("items", "users", "counters"):
        op.drop_table(table)
