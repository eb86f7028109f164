"""Splits look into no future and lose no event."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhiyin.data import (
    Dataset,
    cut_by_time,
    leave_last_basket_out,
    leave_last_out,
    split_by_time,
    split_users_by_time,
)
from zhiyin.errors import InputError

SPLITTERS = [split_by_time, split_users_by_time, leave_last_out, leave_last_basket_out]


def made(rows):
    users, items, times = zip(*rows, strict=True)
    return Dataset.from_frames(
        pl.DataFrame({"user_id": [f"u{user}" for user in users], "item_id": [f"i{item}" for item in items],
                      "timestamp": [float(time) for time in times]})
    )  # fmt: skip


events = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 20), st.integers(0, 50)), min_size=20, max_size=80
)


@pytest.mark.parametrize("splitter", SPLITTERS)
@settings(deadline=None, max_examples=40)
@given(rows=events)
def test_parts_hold_each_event_once_and_no_future(splitter, rows):
    dataset = made(rows)
    try:
        split = splitter(dataset)
    except InputError as error:
        assert "empty" in str(error) or "shares" in str(error)
        return
    parts = (split.train, split.valid, split.test)
    assert sum(part.n_events for part in parts) == dataset.n_events
    assert len({id(part.catalogue) for part in parts}) == 1
    for earlier, later in ((split.train, split.valid), (split.valid, split.test), (split.train, split.test)):
        for user in later.active_users:
            before = earlier.histories(np.int32([user])).times
            after = later.histories(np.int32([user])).times
            # Only leaving out by count may part events of one moment.
            assert before.max(initial=-np.inf) <= after.min()
    for name in ("valid", "test"):
        task = split.task(name)
        assert len(task.queries) == len(getattr(split, name).active_users)
        assert task.relevant.lengths.min() >= 1


def test_by_time_everyone_is_asked_at_one_moment(retail_split):
    split = retail_split
    assert split.train.events["timestamp"].max() < split.train.cut <= split.valid.events["timestamp"].min()
    assert split.valid.events["timestamp"].max() < split.valid.cut <= split.test.events["timestamp"].min()
    task = split.task("test")
    assert (task.queries.times == split.valid.cut).all()
    assert task.queries.histories.times.max() < split.valid.cut
    assert 0.08 < split.test.n_events / 264_510 < 0.12


def test_last_out_takes_the_last_and_the_one_before():
    split = leave_last_out(made([(0, 1, 1), (0, 2, 2), (0, 3, 3), (0, 4, 4), (1, 5, 1), (1, 6, 2)]))
    ids = split.train.catalogue.ids
    assert [ids[item] for item in split.test.events["item"]] == ["i4"]
    assert [ids[item] for item in split.valid.events["item"]] == ["i3"]
    assert split.train.n_events == 4


def test_last_basket_out_never_parts_a_basket(retail):
    split = leave_last_basket_out(retail)
    key = ["user", "session_id"]
    baskets = [
        set(part.events.select(key).unique().iter_rows()) for part in (split.train, split.valid, split.test)
    ]
    assert not baskets[0] & baskets[1] and not baskets[1] & baskets[2] and not baskets[0] & baskets[2]
    assert split.test.events.select(key).unique().height == len(split.test.active_users)


def test_sample_is_seeded_and_ordered(retail_split):
    task = retail_split.task("test")
    one, two = task.sample(20, seed=1), task.sample(20, seed=1)
    assert one.queries.users == two.queries.users != task.sample(20, seed=2).queries.users
    order = [task.queries.users.index(user) for user in one.queries.users]
    assert order == sorted(order)
    assert len(task.sample(10**6, seed=1).queries) == len(task.queries)


@pytest.mark.parametrize("shares", [(0.0, 0.1), (0.6, 0.5), (0.1, 1.0)])
def test_impossible_shares_are_refused(shares):
    with pytest.raises(InputError, match="shares"):
        split_by_time(made([(0, 1, 1), (1, 2, 2), (0, 3, 3)]), valid=shares[0], test=shares[1])


def test_one_moment_cannot_be_cut():
    with pytest.raises(InputError, match="empty"):
        split_by_time(made([(0, 1, 5), (1, 2, 5), (0, 3, 5)]))
    with pytest.raises(InputError, match="nothing before the cut"):
        cut_by_time(made([(0, 1, 5), (1, 2, 5)]), 0.5)


def test_cut_by_time_parts_old_from_new():
    old, new = cut_by_time(made([(0, item, item) for item in range(10)]), 0.2)
    assert (old.n_events, new.n_events) == (8, 2) and old.cut == 8.0
