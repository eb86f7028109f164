"""Splits lose no event and know no user's own future; truth is what a list could hold."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhiyin.data import (
    Dataset,
    cut_by_time,
    held_out_task,
    leave_last_basket_out,
    leave_last_out,
    load_bundled,
    split_by_time,
    split_cold_items,
    split_cold_users,
    split_users_by_time,
)
from zhiyin.errors import InputError
from zhiyin.evaluate import ranking
from zhiyin.testing import small_dataset

SPLITTERS = [split_by_time, split_users_by_time, leave_last_out, leave_last_basket_out]


def made(rows, **columns):
    users, items, times = zip(*rows, strict=True)
    return Dataset.from_frames(
        pl.DataFrame({"user_id": [f"u{user}" for user in users], "item_id": [f"i{item}" for item in items],
                      "timestamp": [float(time) for time in times], **columns})
    )  # fmt: skip


def truth(task, dataset):
    rows = zip(task.queries.users, task.relevant.lists(), strict=True)
    return {user: dataset.catalogue.ids_of(row) for user, row in rows}


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
        bought = split.task(name, exclude_seen=False)
        assert bought.relevant.lengths.min() >= 1
        rows = zip(
            task.queries.histories.lists(), task.relevant.lists(), bought.relevant.lists(), strict=True
        )
        for seen, new, every in rows:
            assert len(set(every)) == len(every)
            assert new.tolist() == [item for item in every if item not in seen]


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


def test_truth_holds_nothing_that_a_list_may_not_show():
    dataset = made([(0, 1, 1), (0, 2, 2), (1, 1, 3), (0, 1, 6), (0, 3, 7), (0, 3, 8), (1, 1, 9), (1, 2, 9)])
    known, held = cut_by_time(dataset, 0.6)
    assert truth(held_out_task(known, held), dataset) == {"u0": ["i3"], "u1": ["i2"]}
    every = held_out_task(known, held, exclude_seen=False)
    assert truth(every, dataset) == {"u0": ["i1", "i3"], "u1": ["i1", "i2"]}
    assert every.relevant.times.tolist() == [6.0, 7.0, 9.0, 9.0]  # the first of the two purchases of i3


def test_users_without_truth_stay_and_have_no_metric():
    dataset = made([(0, 1, 1), (1, 2, 2), (0, 1, 3), (1, 1, 4)])
    task = held_out_task(*cut_by_time(dataset, 0.5))
    assert truth(task, dataset) == {"u0": [], "u1": ["i1"]}
    lists = np.int32([[0], [0]])
    assert np.isnan(ranking.ndcg(lists, task.relevant, 1)).tolist() == [True, False]


def test_only_events_of_positive_strength_are_truth():
    rows = [(0, 1, 1), (0, 2, 5), (0, 2, 6), (0, 3, 7), (0, 4, 8)]
    dataset = made(rows, value=[1.0, 0.0, 0.5, -1.0, 2.0])
    task = held_out_task(*cut_by_time(dataset, 0.8))
    assert truth(task, dataset) == {"u0": ["i2", "i4"]} and task.relevant.times.tolist() == [6.0, 8.0]


def test_a_part_that_is_newer_is_refused_as_history():
    known, held = cut_by_time(made([(0, item, item) for item in range(10)]), 0.2)
    with pytest.raises(InputError, match="beyond the question"):
        held_out_task(held, known)


@pytest.mark.parametrize("splitter", SPLITTERS)
def test_only_a_split_by_time_is_called_global(splitter):
    rows = [(user, 3 * user + place, 10 * user + place) for user in range(6) for place in range(4)]
    split = splitter(made(rows), **({"valid": 0.25, "test": 0.25} if "time" in splitter.__name__ else {}))
    assert split.global_time == (splitter is split_by_time)
    future = split.train.events["timestamp"].max() > split.valid.events["timestamp"].min()
    assert future != split.global_time


sessions = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 9), st.integers(0, 12), st.sampled_from([None, *"abcdefg"])),
    min_size=10,
    max_size=60,
)


@settings(deadline=None, max_examples=150)
@given(rows=sessions)
def test_interleaved_sessions_never_raise_and_never_leak(rows):
    dataset = made([row[:3] for row in rows], session_id=[row[3] for row in rows])
    try:
        split = leave_last_basket_out(dataset)
    except InputError as error:
        assert "empty" in str(error)
        return
    key = ["user", "session_id"]
    parts = [part.events.drop_nulls("session_id") for part in (split.train, split.valid, split.test)]
    baskets = [set(part.select(key).iter_rows()) for part in parts]
    assert sum(map(len, baskets)) == len(set.union(*baskets))
    for name in ("valid", "test"):
        task = split.task(name)
        histories = task.queries.histories
        assert (histories.times <= task.queries.times[histories.rows]).all()
        held = getattr(split, name)
        for user in held.active_users:
            asked = held.histories(np.int32([user])).times.min()
            assert split.train.histories(np.int32([user])).times.max(initial=-np.inf) <= asked


def test_overlapping_sessions_are_one_basket():
    rows = [(0, 1, 1), (0, 2, 2), (0, 3, 3), (0, 4, 6), (0, 5, 4), (0, 6, 5), (1, 7, 9)]
    dataset = made(rows, session_id=["a", "b", "c", "c", "d", "c", "a"])
    split = leave_last_basket_out(dataset)
    assert truth(split.task("test"), dataset) == {"u0": ["i3", "i5", "i6", "i4"]}
    assert truth(split.task("valid"), dataset) == {"u0": ["i2"]}
    assert split.train.n_events == 2


def test_a_session_called_like_a_moment_is_another_basket():
    dataset = made([(0, 1, 1), (0, 2, 2), (0, 3, 3)], session_id=["2.0", None, None])
    split = leave_last_basket_out(dataset)
    assert [part.n_events for part in (split.train, split.valid, split.test)] == [1, 1, 1]


def test_cold_users_are_asked_with_what_training_never_saw():
    data = small_dataset()
    split = split_cold_users(data, valid=0.2, test=0.2, history=0.5, seed=3)
    parts = (split.train, split.valid, split.test, split.fold_in)
    assert sum(part.n_events for part in parts) == data.n_events
    trained = set(split.train.active_users.tolist())
    for part in ("valid", "test"):
        task = split.task(part)
        held = split.valid if part == "valid" else split.test
        assert not trained & set(held.active_users.tolist())
        assert (task.queries.histories.lengths > 0).mean() > 0.8
        times = task.queries.times
        assert (task.queries.histories.times <= times[task.queries.histories.rows]).all()
    empty = split_cold_users(data, valid=0.2, test=0.2, history=0.0, seed=3).task("test")
    assert (empty.queries.histories.lengths == 0).all()
    again = split_cold_users(data, valid=0.2, test=0.2, history=0.5, seed=3)
    assert again.test.events.equals(split.test.events)
    with pytest.raises(InputError, match="history is out of range"):
        split_cold_users(data, history=1.0)


def test_cold_items_are_new_to_everybody():
    data = load_bundled("online-retail")
    split = split_cold_items(data, valid=0.3, test=0.3)
    known = set(split.train.events["item"].unique()) | set(split.valid.events["item"].unique())
    assert not known & set(split.test.events["item"].unique())
    truth = split.task("test").relevant.items
    assert len(truth) and (split.train.joined(split.valid).counts[truth] == 0).all()
    frame = pl.DataFrame(
        {"user_id": list("abab"), "item_id": list("xxxx"), "timestamp": [1.0, 2.0, 3.0, 4.0]}
    )
    with pytest.raises(InputError, match="no new items"):
        split_cold_items(Dataset.from_frames(frame), valid=0.25, test=0.25)


def test_the_core_has_no_rare_users_or_items():
    block = [(user, item, 10 * user + item) for user in range(3) for item in range(3)]
    rare = [
        (3, 0, 50),
        (3, 1, 51),
        (3, 9, 52),
        (0, 9, 53),
    ]  # user 3 falls with item 9, and item 9 with user 3
    data = made([*block, *rare])
    core = data.core(3)
    assert core.n_events == 9 and core.core(3).events.equals(core.events)
    assert data.core(2).n_events == 13
    with pytest.raises(InputError, match="no 5-core"):
        data.core(5)
