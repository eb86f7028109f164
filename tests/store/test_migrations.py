"""The migrations make exactly the tables that the code describes; newer stores are refused."""

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from zhiyin.errors import StoreError
from zhiyin.store import Store
from zhiyin.store.engine import store_url, writing_engine
from zhiyin.store.migrate import head_revision, migrate, revision_of
from zhiyin.store.schema import metadata


@pytest.fixture
def engine(place):
    made = writing_engine(store_url(place))
    yield made
    made.dispose()


def test_migrations_and_schema_agree(engine):
    migrate(engine)
    with engine.connect() as connection:
        assert revision_of(connection) == head_revision()
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_every_step_can_be_undone(engine):
    from alembic import command

    from zhiyin.store.migrate import config_of

    migrate(engine)
    with engine.begin() as connection:
        config = config_of()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]
    migrate(engine)


def test_processes_that_start_together_migrate_once(place):
    failures = []

    def start():
        try:
            Store.open(place).close()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_newer_store_is_refused(engine, place):
    migrate(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer release"):
        Store.open(place)
