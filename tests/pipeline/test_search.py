"""A search tries, remembers, goes on, and looks at the test part when it has ended."""

import json

import pytest

from zhiyin import registry
from zhiyin.config import Stage
from zhiyin.data import split_by_time
from zhiyin.errors import InputError
from zhiyin.pipeline.search import search_retriever
from zhiyin.pipeline.search.search import _alone, _study
from zhiyin.pipeline.search.space import JOINED, SINGLE, defaults
from zhiyin.testing.data import small_dataset, small_split


def searched(file, **settings):
    return search_retriever(small_split(), file, **{"budget": 600.0, "trials": 4, **settings})


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    file = tmp_path_factory.mktemp("search") / "search.db"
    told = []
    first = searched(file, tell=lambda trial, best: told.append((trial, best)))
    return file, first, told


def test_every_retriever_but_random_is_tried():
    assert {*SINGLE, *JOINED, "random"} == {name for name in registry.names("retriever") if name != "theirs"}


def test_each_method_is_tried_as_it_comes_first(found):
    _, first, told = found
    assert [one.method for one in first.trials] == ["popular", "recent-popular", "user-knn", "item-knn"]
    assert first.trials[3].params["neighbours"] == 20
    assert [trial.number for trial, _ in told] == [0, 1, 2, 3]
    assert first.best.quality == max(one.quality for one in first.trials) == told[-1][1].quality
    assert first.looks == 1 and first.test.n > 0
    json.dumps(first.to_dict())


def test_it_goes_on_where_it_was_and_counts_looks_at_test(found):
    file, first, _ = found
    more = searched(file, trials=6)
    assert more.trials[:4] == first.trials
    assert [one.method for one in more.trials[4:]] == ["transitions", "als"]
    assert more.looks == 2
    same = searched(file, trials=6)
    assert len(same.trials) == 6


def test_a_trial_that_was_cut_short_is_tried_again(tmp_path):
    file = tmp_path / "search.db"
    searched(file, trials=1)
    _study(small_split(), file, None, 10, 7).ask()  # and then the machine was turned off
    more = searched(file, trials=len(SINGLE) + len(JOINED))
    assert sorted(one.method for one in more.trials).count("recent-popular") == 1
    assert {one.method for one in more.trials} >= {"blend", "fusion", "graph", "ease"}
    assert more.best.quality >= more.trials[0].quality


def test_what_is_given_is_tried_first_and_what_was_not_reached_is_told(tmp_path):
    given = Stage(method="ease", params={"regularisation": 5.0})
    first = searched(tmp_path / "search.db", trials=2, given=given)
    assert [(one.method, one.params) for one in first.trials] == [("ease", given.params), ("popular", {})]
    assert set(first.untried) == {*SINGLE, *JOINED} - {"popular"}
    with pytest.raises(InputError, match="another search"):
        searched(tmp_path / "search.db", trials=2)


def test_the_order_does_not_change_where_it_was_killed(tmp_path):
    file = tmp_path / "search.db"
    searched(file, trials=2)
    study = _study(small_split(), file, None, 10, 7)
    study.enqueue_trial(defaults("user-knn"))  # killed before it was asked
    searched(file, trials=3)
    _study(small_split(), file, None, 10, 7).ask()  # killed while it was tried
    more = searched(file, trials=5)
    assert [one.method for one in more.trials] == [*SINGLE[:5]]


def test_two_searches_do_not_share_a_file(tmp_path):
    file = tmp_path / "search.db"
    with _alone(file), pytest.raises(InputError, match="at work"):
        searched(file, trials=1)
    with pytest.raises(InputError, match="trials"):
        searched(file, trials=0)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "search.db").write_text("not a database" * 100)
    with pytest.raises(InputError, match="cannot be read"):
        searched(tmp_path / "search.db")


def test_a_file_of_other_data_is_refused(found):
    file, _, _ = found
    other = split_by_time(small_dataset(), valid=0.2, test=0.2)
    with pytest.raises(InputError, match="another search"):
        search_retriever(other, file, budget=10.0)
    with pytest.raises(InputError, match="budget"):
        searched(file, budget=0.0)


def test_the_users_it_is_judged_by_are_not_those_it_learns_from():
    from zhiyin.pipeline.search.search import _Judge

    judge = _Judge(small_split(), 10, 7)
    learned = {judge.split.valid.user_ids[user] for user in judge.learned.tolist()}
    assert learned and not learned & set(judge.task.queries.users)
    assert judge.chosen.n_events + 0 < small_split().valid.n_events
