"""What is old counts less: by the user's moments, by days, and popularity by the days before the question."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from zhiyin.data import Dataset, leave_last_out, split_at
from zhiyin.retrieve import make_retriever
from zhiyin.retrieve.forgetting import HALF_LIVES
from zhiyin.retrieve.trends import DAY, Trends
from zhiyin.testing.data import queries_for, small_split
from zhiyin.types import Ragged


def dataset(rows):
    users, items, times = zip(*rows, strict=True)
    return Dataset.from_frames(pl.DataFrame({"user_id": users, "item_id": items, "timestamp": times}))


def chains(users=80, length=12, kinds=30, seed=0):
    """Users who go from item to item in a circle, from anywhere: only the last one tells the next."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        start = int(rng.integers(kinds))
        visits = [start]
        for _ in range(length - 1):
            jump = int(rng.integers(kinds)) if rng.random() < 0.3 else visits[-1] + 1
            visits.append(jump % kinds)
        rows += [(f"u{user}", f"i{item:02d}", float(place)) for place, item in enumerate(visits)]
    return dataset(rows)


def test_ages_count_moments_and_a_basket_is_one():
    history = replace(Ragged.from_lists([[1, 2, 3, 4], [], [5]]), times=np.array([1.0, 1.0, 2.0, 5.0, 9.0]))
    assert history.ages.tolist() == [2, 2, 1, 0, 0]
    dense = history.matrix(6, 1.0).toarray()
    np.testing.assert_allclose(dense[0], [0, 0.25, 0.25, 0.5, 1, 0])
    np.testing.assert_allclose(history.matrix(6).toarray()[0], [0, 1, 1, 1, 1, 0])


def test_an_item_taken_again_counts_by_its_newest_time():
    history = replace(Ragged.from_lists([[1, 2, 1]]), times=np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(history.matrix(3, 1.0).toarray()[0], [0, 1, 0.5])


@pytest.mark.parametrize("name", ["ease", "item-knn", "transitions", "als", "user-knn"])
def test_a_short_half_life_is_found_where_only_the_last_event_tells(name):
    split = leave_last_out(chains())
    found = make_retriever(name).fit(split.train, split.valid)
    assert found.half_life_ <= 2.0
    again = found.fit(split.train.joined(split.valid))
    assert again.half_life_ <= 2.0  # kept without validation


def test_a_given_half_life_is_kept_and_without_validation_nothing_is_forgotten():
    split = small_split()
    assert make_retriever("ease", half_life=3.0).fit(split.train, split.valid).half_life_ == 3.0
    assert make_retriever("ease").fit(split.train).half_life_ == np.inf
    assert make_retriever("ease").fit(split.train, split.valid).half_life_ in HALF_LIVES


def test_faded_events_are_worth_half_for_every_half_life():
    faded = dataset([("a", "x", 0.0), ("a", "y", 10 * DAY)]).faded(10.0)
    values = faded.events["value"].to_numpy()
    assert values[1] == pytest.approx(1.0, abs=1e-6) and values[0] == pytest.approx(0.5, abs=1e-6)
    old = dataset([("a", "x", 0.0), ("a", "y", 9000 * DAY)]).faded(10.0)
    assert (old.histories().values > 0).all()  # still a sign of interest


def test_a_short_memory_is_found_where_tastes_change():
    rng = np.random.default_rng(1)
    rows = []
    for user in range(300):
        when = np.sort(rng.uniform(0, 200, size=8))
        season = (when // 100).astype(int)
        picks = rng.integers(6, size=8) + 6 * ((user + season) % 2) + 12 * season * (rng.random(8) < 0.1)
        rows += [(f"u{user}", f"i{item:02d}", day * DAY) for day, item in zip(when, picks, strict=True)]
    data = dataset(rows)
    split = split_at(data, valid=170 * DAY, test=190 * DAY)
    assert make_retriever("ease", regularisation=10).fit(split.train, split.valid).memory_ < np.inf


def test_members_of_a_joined_retriever_keep_what_they_have_chosen():
    split = leave_last_out(chains())
    members = [{"method": "ease"}, {"method": "transitions"}]
    blend = make_retriever("blend", members=members).fit(split.train, split.valid)
    chosen = {name: one.half_life_ for name, one in blend.members_.items()}
    assert min(chosen.values()) <= 2.0
    blend.fit(split.train.joined(split.valid))
    assert {name: one.half_life_ for name, one in blend.members_.items()} == chosen


def test_transitions_find_what_follows():
    train = dataset([(f"u{n}", item, float(place)) for n in range(9) for place, item in enumerate("abc")])
    found = make_retriever("transitions", window=1).fit(train)
    queries = replace(
        queries_for([None], dataset=train),
        histories=replace(Ragged.from_lists([[0]]), times=np.array([1.0])),
    )
    assert found.retrieve(queries, 3).items.tolist() == [[1, -1, -1]]


def test_trends_know_nothing_of_the_day_of_the_question_and_later():
    rows = [("a", "x", 0.0), ("b", "x", 0.5 * DAY), ("c", "y", 2.2 * DAY), ("d", "y", 2.3 * DAY)]
    trends = Trends.of(dataset(rows), (1.0, 3.0))
    now, order = trends.before(0)
    assert now[0].tolist() == [0, 1] and now[1].tolist() == [1, 1]
    assert order[0].tolist() == [1, 0] and order[1].tolist() == [0, 1]
    early, _ = trends.before(int(trends.day(np.array([1.5 * DAY]))[0]))
    assert early[0].tolist() == [1, 0] and early[1].tolist() == [1, 0]
    assert trends.day(np.array([trends.cut, trends.cut + DAY])).tolist() == [0, 0]


def test_a_split_at_given_moments_is_what_it_says():
    split = split_at(small_split().train, valid=1_604_000_000.0, test=1_606_000_000.0)
    assert split.global_time and split.train.cut == 1_604_000_000.0
    assert split.test.events["timestamp"].min() >= 1_606_000_000.0
