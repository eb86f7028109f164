"""Every kind of leak, planted and found; and clean data that pass."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import zhiyin as zy
from zhiyin.data import Columns, Split
from zhiyin.errors import LeakError
from zhiyin.evaluate import leaks
from zhiyin.testing import small_dataset, small_split
from zhiyin.types import Ragged

DATA = small_dataset()
SPLIT = small_split()


def with_row(dataset, row):
    """The dataset with one more event."""
    events = pl.concat([dataset.events, row]).sort(Columns.TIMESTAMP, maintain_order=True)
    return replace(dataset, events=events)


@pytest.mark.parametrize(
    "split",
    [
        zy.split_by_time(DATA),
        zy.split_users_by_time(DATA),
        zy.leave_last_out(DATA),
        zy.leave_last_basket_out(DATA),
    ],
    ids=["time", "users", "last", "basket"],
)
def test_clean_splits_pass(split):
    leaks.check_split(split)
    leaks.check_task(split.task("test"))
    leaks.check_task(split.task("valid"))
    leaks.check_fitted(split.train.joined(split.valid), split, name="mine")


def test_a_test_event_from_before_the_users_train_events_is_found():
    split = zy.leave_last_out(DATA)
    row = split.test.events.head(1)
    early = row.with_columns(pl.lit(0.5).alias(Columns.TIMESTAMP))
    planted = Split(split.train, split.valid, with_row(split.test, early))
    with pytest.raises(LeakError, match="older than an event of the same user") as caught:
        leaks.check_split(planted)
    assert len(caught.value.problems) == 1
    assert repr(DATA.user_ids[row[Columns.USER][0]]) in caught.value.problems[0]


def test_under_global_time_anybodys_later_event_counts():
    newest = SPLIT.test.events.tail(1).with_columns(pl.col(Columns.TIMESTAMP) + 1)
    other = newest.with_columns(
        pl.lit(int(SPLIT.test.events[Columns.USER][0])).cast(pl.Int32).alias(Columns.USER)
    )
    with pytest.raises(LeakError, match="of anybody"):
        leaks.check_split(replace(SPLIT, train=with_row(SPLIT.train, other)))


def test_copies_across_parts_are_found():
    copy = SPLIT.train.events.tail(2)
    with pytest.raises(LeakError, match="2 events of test are in train too") as caught:
        leaks.check_split(replace(SPLIT, test=with_row(SPLIT.test, copy)))
    assert len(caught.value.problems) == 2


def test_a_test_item_in_the_history_is_found():
    task = SPLIT.task("test")
    row = int(np.flatnonzero(task.queries.histories.lengths)[0])
    seen = int(task.queries.histories.items[task.queries.histories.slice(row)][0])
    truths = [items.tolist() for items in task.relevant.lists()]
    truths[row].append(seen)
    with pytest.raises(LeakError, match="1 items that must be predicted") as caught:
        leaks.check_task(replace(task, relevant=Ragged.from_lists(truths)), ids=DATA.catalogue.ids)
    assert caught.value.problems == (f"user {task.queries.users[row]!r}, item {DATA.catalogue.ids[seen]!r}",)


def test_a_history_that_goes_on_after_the_question_is_found():
    task = SPLIT.task("test")
    with pytest.raises(LeakError, match="newer than the question"):
        leaks.check_task(replace(task, queries=replace(task.queries, times=task.queries.times - 1e9)))


def test_items_from_the_future_are_found():
    items = np.array([[0, 1, -1], [2, 0, 1]], np.int32)
    born = np.array([0.0, 5.0, 0.0])
    leaks.check_candidates(items, np.array([6.0, 6.0]), born, name="mine")
    with pytest.raises(LeakError, match="did not exist") as caught:
        leaks.check_candidates(items, np.array([6.0, 1.0]), born, name="mine")
    assert caught.value.problems == ("row 1, place 3: item index 1",)
    with pytest.raises(LeakError) as caught:
        leaks.check_candidates(
            items, np.array([6.0, 1.0]), born, name="mine", ids=["a", "b", "c"], users=["x", None]
        )
    assert caught.value.problems == ("user None, place 3: item 'b'",)


@pytest.mark.parametrize("answer", [("Yes", "No"), ("很喜欢", "讨厌")])
def test_a_label_in_the_text_is_found(answer):
    rng = np.random.default_rng(0)
    labels = rng.random(200) < 0.5
    clean = [f"tea set number {n % 17}, colour {n % 5}" for n in range(200)]
    leaks.check_texts(clean, labels)
    planted = [
        f"{text}. {answer[0] if label else answer[1]}" for text, label in zip(clean, labels, strict=True)
    ]
    with pytest.raises(LeakError, match="tells the label") as caught:
        leaks.check_texts(planted, labels)
    assert len(caught.value.problems) == labels.sum()
    leaks.check_texts(planted[:8], labels[:8])  # too few to say anything


def test_what_was_fitted_on_the_test_is_found():
    with pytest.raises(LeakError, match="'mine' was fitted on"):
        leaks.check_fitted(DATA, SPLIT, name="mine")


def test_a_clock_that_differs_hides_no_leak():
    shifted = replace(DATA, events=DATA.events.with_columns(pl.col("timestamp") + 1.0))
    with pytest.raises(LeakError, match="'mine' was fitted on"):
        leaks.check_fitted(shifted, SPLIT, name="mine")


def test_features_from_after_their_example_are_found():
    leaks.check_feature_times([-np.inf, 1.0], [1.0, 2.0])
    with pytest.raises(LeakError, match="features of 1 examples") as caught:
        leaks.check_feature_times([1.0, 1.0], [1.0, 2.0])
    assert "row 0" in caught.value.problems[0]
