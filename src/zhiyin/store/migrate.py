"""Bring a database's tables to this release's form, once, however many processes start together."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, inspect, text

from zhiyin.errors import StoreError
from zhiyin.extras import require

__all__ = ["config_of", "head_revision", "migrate", "revision_of"]

LOCK = 7_142_857  # any number, the same in every process


def head_revision() -> str:
    """The newest revision that this release knows."""
    require("alembic")
    from alembic.script import ScriptDirectory

    head = ScriptDirectory.from_config(config_of()).get_current_head()
    return "" if head is None else head


def revision_of(connection: Connection) -> str | None:
    """The revision of a database, None: empty."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def migrate(engine: Engine) -> None:
    """Apply what is missing, in one transaction.

    Raises
    ------
    StoreError
        When the database was written by a newer release.
    """
    require("alembic")
    from alembic import command
    from alembic.script import ScriptDirectory

    config = config_of()
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        found = revision_of(connection)
        known = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()]
        if found == known[0]:
            return
        if found is not None and found not in known:
            raise StoreError(
                "The store was written by a newer release of zhiyin",
                expected=f"revision {known[0]} or older",
                received=f"revision {found}",
                hint="Install that release, or choose another store.",
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def config_of() -> Any:
    """Alembic's configuration of our migrations."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "zhiyin.store:migrations")
    config.set_main_option("path_separator", "os")
    return config
