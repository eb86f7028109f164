"""Run by alembic for each command: works on the connection that ``migrate`` hands over."""

from __future__ import annotations

from alembic import context

from zhiyin.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=False,  # the caller holds the transaction
)
context.run_migrations()
