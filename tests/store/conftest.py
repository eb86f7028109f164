"""The databases that the store's suite runs on; what ran and what did not is said at the end."""

import pytest

from zhiyin.store import Store


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path):
    """Where an empty store may be opened."""
    if request.param == "sqlite":
        return str(tmp_path / "store.db")
    return request.getfixturevalue("postgres")()


@pytest.fixture
def make(place):
    return lambda: Store.open(place)
