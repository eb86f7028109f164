"""The store's contract suite, on every database at hand."""

import pytest

from zhiyin.store import Event, Item
from zhiyin.testing import STORE_CHECKS


def test_the_suite_is_whole():
    assert len(STORE_CHECKS) >= 14


@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
def test_contract(check, make):
    check(make)


def test_a_caller_who_goes_away_stops_nobody(make):
    with make() as store:
        store.put_items([Item("a")])
        waiting = [store.add_events_later([Event("a", float(at), user="ann")]) for at in range(50)]
        assert not any(one.cancel() for one in waiting)
        assert store.add_events([Event("a", 99.0, user="ann")]) == ["added"]
        assert store.counts()["events"] == 51
