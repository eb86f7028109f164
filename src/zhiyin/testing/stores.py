"""What every store must do, whatever the database; a check takes a maker of fresh, empty stores."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import polars as pl

from zhiyin.errors import StoreError
from zhiyin.store import Event, Feedback, Item, ModelVersion, Request, Shown, Store, User
from zhiyin.types import Decision, Ragged

__all__ = ["STORE_CHECKS"]

Maker = Callable[[], Store]
ODD = "0012"
TEXT = "ДОМ 茶 \U0001f375 'quotes' \"and\" -- ; DROP TABLE items"


def history(store: Store, user: str | None = None, session: str | None = None) -> Ragged:
    """One user's events."""
    return store.histories([user], [session], types={"interaction": 0, "buy": 1}, weights={"buy": 2.0})


def decision(name: str, time: float = 5.0, user: str | None = "ann") -> Shown:
    """A slate of two places from a pool of three."""
    return Shown(
        Decision(
            name,
            time,
            user,
            "shop",
            "greedy@1",
            np.array([2, 0, 1], np.int32),
            np.array([2, 0], np.int32),
            np.array([0.951, 1.0]),
            np.array([0.951, np.nan]),
            np.array([[0.5, 1.0], [0.25, 0.0]], np.float32),
        ),
        session="s1",
        text="tea",
        context={"device": "phone"},
    )


def items_keep_their_numbers(make: Maker) -> None:
    """Numbers are handed out in order and never change; the newest content counts."""
    with make() as store:
        assert (
            store.put_items([Item("1e5"), Item(ODD, TEXT, 3.5, 7.0, False, {"brand": "茶"})])
            == ["created"] * 2
        )
        first = store.catalogue_revision()
        assert store.put_items([Item("new"), Item("1e5", "CUP", hidden=True)]) == ["created", "updated"]
        assert store.put_items([]) == []
        found = [item for _, item in store.items_since()]
        assert [(item.number, item.id) for item in found] == [(0, "1e5"), (1, ODD), (2, "new")]
        assert found[1] == Item(ODD, TEXT, 3.5, 7.0, False, {"brand": "茶"}, 1)
        assert found[0].title == "CUP" and found[0].hidden
        changed = store.items_since(first)
        assert [item.id for _, item in changed] == ["1e5", "new"]
        assert {revision for revision, _ in changed} == {store.catalogue_revision()}


def hiding_and_erasing(make: Maker) -> None:
    """Hidden items come back as hidden; erased ones lose their text; unknown ids are told."""
    with make() as store:
        store.put_items([Item("a", "CUP"), Item("b", "MUG", attributes={"brand": "x"})])
        before = store.catalogue_revision()
        assert store.hide_items(["a", "nothing"]) == ["nothing"]
        assert [item.hidden for _, item in store.items_since()] == [True, False]
        assert store.hide_items(["a"], hidden=False) == []
        assert store.erase_items(["b"]) == []
        erased = store.items_since()[1][1]
        assert (erased.title, erased.hidden, erased.attributes) == ("", True, {})
        assert store.catalogue_revision() == before + 3


def events_count_once(make: Maker) -> None:
    """A key is counted once, within a call and between calls; without a key each counts."""
    with make() as store:
        store.put_items([Item("a")])
        twice = [Event("a", 2.0, user="ann", key="k1"), Event("a", 2.0, user="ann", key="k1")]
        assert store.add_events(twice) == ["added", "known"]
        assert store.add_events(twice[:1]) == ["known"]
        assert store.add_events([Event("a", 1.0, user="ann"), Event("a", 1.0, user="ann")]) == ["added"] * 2
        assert history(store, "ann").times.tolist() == [1.0, 1.0, 2.0]
        assert store.counts()["events"] == 3


def histories_are_of_users_and_sessions(make: Maker) -> None:
    """Oldest first, weighed by type; a session counts where there is no user; strangers have none."""
    with make() as store:
        store.put_items([Item("a"), Item("b")])
        store.add_events(
            [
                Event("b", 3.0, user="ann", session="s1", type="buy", value=1.5),
                Event("a", 1.0, user="ann", session="s1"),
                Event("b", 2.0, session="s1", type="unheard"),
            ]
        )
        found = store.histories(
            ["ann", None, "bob", None], ["s1", "s1", None, None], types={"buy": 1}, weights={"buy": 2.0}
        )
        assert found.lengths.tolist() == [2, 1, 0, 0]
        assert found.items.tolist() == [0, 1, 1] and found.times.tolist() == [1.0, 3.0, 2.0]
        assert found.values.tolist() == [1.0, 3.0, 1.0] and found.events.tolist() == [-1, 1, -1]
        newest = store.histories(["ann"], [None], types={}, weights={}, newest=1)
        assert newest.times.tolist() == [3.0]


def unknown_items_are_listed_hidden(make: Maker) -> None:
    """An event of an item that was never described is kept; the item is not shown."""
    with make() as store:
        store.add_events([Event("mystery", 1.0, user="ann"), Event("mystery", 2.0, user="ann")])
        ((_, item),) = store.items_since()
        assert (item.id, item.hidden, item.number) == ("mystery", True, 0)
        assert history(store, "ann").items.tolist() == [0, 0]
        store.put_items([Item("mystery", "A BOX")])
        assert not store.items_since()[0][1].hidden


def decisions_come_back(make: Maker) -> None:
    """Pools, propensities and features are kept to the bit."""
    with make() as store:
        wanted = decision("d1")
        request = Request(
            "r1",
            5.0,
            "v1",
            2,
            (wanted, decision("d2", user=None)),
            ("score", "als"),
            {"retrieve": 1.5},
            ("note",),
        )
        store.add_requests_later([request]).result()
        (first, found), (_, second) = store.decisions(0.0, 6.0)
        assert first == "r1" and second.decision.user is None
        for name in ("pool", "items", "conditional", "marginal", "features"):
            ours, theirs = getattr(wanted.decision, name), getattr(found.decision, name)
            assert ours.dtype == theirs.dtype and np.array_equal(ours, theirs, equal_nan=True), name
        assert (found.session, found.text, found.context) == ("s1", "tea", {"device": "phone"})
        assert store.decisions(6.0) == [] and store.counts()["requests"] == 1


def feedback_in_any_order(make: Maker) -> None:
    """Counted once by key; it may come before its slate, and late."""
    with make() as store:
        early = Feedback("f1", "d1", 6.0, "a", "click")
        assert store.add_feedback([early, early]) == ["added", "known"]
        assert store.counts()["unmatched_feedback"] == 1
        store.add_requests_later([Request("r1", 5.0, "v1", 2, (decision("d1"),), ("score", "als"))]).result()
        assert store.add_feedback([early, Feedback("f2", "d1", 5.5, None, "purchase", 3.0)]) == [
            "known",
            "added",
        ]
        assert [one.key for one in store.feedback_of(["d1", "d9"])["d1"]] == ["f2", "f1"]
        assert store.counts()["unmatched_feedback"] == 0


def a_failing_change_takes_no_other_with_it(make: Maker) -> None:
    """Changes that were grouped with one that fails are kept all the same."""
    with make() as store:
        request = Request("r1", 5.0, "v1", 2, (decision("d1"),), ("score", "als"))
        store.put_items([Item("a")])
        jobs = [store.add_events_later([Event("a", float(at), user="ann")]) for at in range(50)]
        good, bad = store.add_requests_later([request]), store.add_requests_later([request])
        jobs += [store.add_events_later([Event("a", float(at), user="ann")]) for at in range(50)]
        assert [job.result() for job in jobs] == [["added"]] * 100
        assert good.exception() is None and isinstance(bad.exception(), StoreError)
        assert store.counts()["events"] == 100


def users_are_forgotten(make: Maker) -> None:
    """Events, attributes and wishes go; the slate stays without the name."""
    with make() as store:
        store.put_items([Item("a")])
        store.put_users([User("ann", {"city": "Wien"}), User("bob")])
        store.add_events([Event("a", 1.0, user="ann"), Event("a", 1.0, user="bob")])
        store.add_requests_later([Request("r1", 5.0, "v1", 2, (decision("d1"),), ("score", "als"))]).result()
        assert store.delete_users(["ann", "nobody"]) == 1
        _, users, events = store.frames()
        assert users["user_id"].to_list() == ["bob"] and events["user_id"].to_list() == ["bob"]
        ((_, left),) = store.decisions()
        assert (left.decision.user, left.session, left.text, left.context) == (None, None, None, {})


def versions_and_pointer(make: Maker) -> None:
    """The pointer moves to known versions only, and back through those that answered."""
    with make() as store:
        assert store.current_version() is None
        for number, name in enumerate(("v1", "v2", "v3")):
            store.register_version(ModelVersion(name, float(number), "data", {"ndcg": 0.1}))
        for name in ("v1", "v2", "v3"):
            store.promote(name, reason="test")
        _raises(lambda: store.promote("v9", reason="test"))
        assert store.current_version() == "v3" and store.previous_version() == "v2"
        store.promote("v2", reason="back")
        assert store.previous_version() == "v1"
        store.promote("v1", reason="back")
        _raises(store.previous_version)
        assert [move["version"] for move in store.moves()] == ["v1", "v2", "v3", "v2", "v1"]
        assert [version.metrics for version in store.versions()] == [{"ndcg": 0.1}] * 3


def seeding_and_frames(make: Maker) -> None:
    """What goes in as tables comes out as tables; a store with items is not filled again."""
    items = pl.DataFrame(
        {
            "item_id": [ODD, "1e5"],
            "title": ["CUP", ""],
            "price": [1.5, None],
            "available_from": [float("-inf"), 9.0],
            "brand": ["x", None],
        }
    )
    users = pl.DataFrame({"user_id": ["ann", "bob"], "city": [None, "Wien"]})
    events = pl.DataFrame(
        {
            "user": [1, 0],
            "item": [0, 1],
            "timestamp": [1.0, 2.0],
            "event": ["buy", "buy"],
            "value": [1.0, 2.0],
            "quantity": [1.0, 1.0],
            "session_id": ["s", None],
        }
    )
    with make() as store:
        store.seed(items, users, events)
        store.add_events([Event(ODD, 3.0, session="s7")])
        found, people, log = store.frames()
        assert found["item_id"].to_list() == [ODD, "1e5"] and found["brand"].to_list() == ["x", None]
        assert found["available_from"].to_list() == [None, 9.0] and found["price"].to_list() == [1.5, None]
        assert people["city"].to_list() == [None, "Wien"]
        assert log["user_id"].to_list() == ["bob", "ann", "session:s7"]
        assert log["item_id"].to_list() == [ODD, "1e5", ODD]
        _raises(lambda: store.seed(items, users, events))


def many_threads_lose_nothing(make: Maker) -> None:
    """Writers on several threads and a reader at the same time."""
    with make() as store:
        store.put_items([Item("a")])

        def work(name: int) -> None:
            for at in range(40):
                store.add_events([Event("a", float(at), user=f"u{name}", key=f"{name}-{at % 30}")])
                history(store, f"u{name}")

        threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.counts()["events"] == 4 * 30


def two_stores_see_each_other(make: Maker) -> None:
    """What one process commits the next query of another sees; numbers do not collide."""
    with make() as one, Store.open(one.url) as other:
        one.put_items([Item("a")])
        other.put_items([Item("b"), Item("a", "CUP")])
        one.add_events([Event("c", 1.0, user="ann", key="k")])
        assert other.add_events([Event("c", 1.0, user="ann", key="k")]) == ["known"]
        assert [item.id for _, item in one.items_since()] == ["a", "b", "c"]
        assert history(other, "ann").items.tolist() == [2]


def closed_stores_refuse(make: Maker) -> None:
    """After close nothing is taken, and nothing that was taken is missing."""
    store = make()
    store.put_items([Item("a")])
    waiting = [store.add_events_later([Event("a", 1.0, user="ann")]) for _ in range(100)]
    store.close()
    assert all(job.result() == ["added"] for job in waiting)
    _raises(lambda: store.put_items([Item("b")]))


def _raises(call: Callable[[], object]) -> None:
    try:
        call()
    except StoreError as error:
        assert error.message
    else:
        raise AssertionError("no StoreError")


STORE_CHECKS: tuple[Callable[[Maker], None], ...] = (
    items_keep_their_numbers,
    hiding_and_erasing,
    events_count_once,
    histories_are_of_users_and_sessions,
    unknown_items_are_listed_hidden,
    decisions_come_back,
    feedback_in_any_order,
    a_failing_change_takes_no_other_with_it,
    users_are_forgotten,
    versions_and_pointer,
    seeding_and_frames,
    many_threads_lose_nothing,
    two_stores_see_each_other,
    closed_stores_refuse,
)
