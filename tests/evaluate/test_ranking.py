"""Ranking metrics against definitions written out in plain Python, user by user."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhiyin.errors import InputError, ZhiyinError
from zhiyin.evaluate import ranking
from zhiyin.types import Ragged

NAMES = ("precision", "recall", "hit_rate", "ndcg", "average_precision", "reciprocal_rank")


def reference(name, shown, truth, k):
    truth = set(truth)
    if not truth:
        return math.nan
    hits, seen = [], set()
    for item in shown[:k]:
        hits.append(item != -1 and item in truth and item not in seen)
        seen.add(item)
    if name == "precision":
        return sum(hits) / k
    if name == "recall":
        return sum(hits) / len(truth)
    if name == "hit_rate":
        return float(any(hits))
    if name == "ndcg":
        gain = sum(1 / math.log2(place + 2) for place, hit in enumerate(hits) if hit)
        return gain / sum(1 / math.log2(place + 2) for place in range(min(k, len(truth))))
    if name == "average_precision":
        so_far = [sum(hits[: place + 1]) / (place + 1) for place, hit in enumerate(hits) if hit]
        return sum(so_far) / min(k, len(truth))
    return next((1 / (place + 1) for place, hit in enumerate(hits) if hit), 0.0)


def assert_reference(name, shown, truth, k, found):
    expected = [reference(name, one, other, k) for one, other in zip(shown, truth, strict=True)]
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, np.array(expected, dtype=float), rtol=1e-13, atol=0)


users = st.lists(
    st.tuples(st.lists(st.integers(0, 6), max_size=9), st.lists(st.integers(0, 8), max_size=6)), max_size=6
)


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None, max_examples=150)
@given(users=users, k=st.integers(1, 12))
def test_integer_lists_with_duplicates_short_and_empty(name, users, k):
    shown, truth = [one for one, _ in users], [other for _, other in users]
    assert_reference(name, shown, truth, k, getattr(ranking, name)(shown, truth, k))


@settings(deadline=None, max_examples=100)
@given(users=users, k=st.integers(1, 12))
def test_all_containers_and_ids_agree(users, k):
    shown, truth = [one for one, _ in users], [other for _, other in users]
    expected = ranking.ndcg(shown, truth, k)
    padded = np.full((len(users), 9), -1, dtype=np.int32)
    for row, one in enumerate(shown):
        padded[row, : len(one)] = one
    variants = [
        (padded, Ragged.from_lists(truth)),
        (padded, [set(one) for one in truth]),
        (Ragged.from_lists(shown), truth),
        ([np.array(one, dtype=np.int64) for one in shown], [np.array(one, np.int32) for one in truth]),
        ([tuple(map(str, one)) for one in shown], [frozenset(map(str, one)) for one in truth]),
        ([np.array(list(map(str, one)), object) for one in shown], [list(map(str, one)) for one in truth]),
        (padded.astype(np.int64), [np.array(one, np.uint64) for one in truth]),
    ]
    for recommended, relevant in variants:
        np.testing.assert_array_equal(ranking.ndcg(recommended, relevant, k), expected)


def test_a_later_copy_is_a_miss_that_occupies_its_place():
    # Without the copy "b" would stand at place 2; it must not move up, and "a" must not count twice.
    shown, truth = [["a", "a", "b"]], [{"a", "b"}]
    assert ranking.precision(shown, truth, 3) == [2 / 3]
    assert ranking.precision(shown, truth, 2) == [1 / 2]
    assert ranking.ndcg(shown, truth, 3) == pytest.approx([(1 + 1 / 2) / (1 + 1 / math.log2(3))])


def test_pads_occupy_places_and_never_match():
    shown = np.array([[-1, 3, -1, 4]])
    assert ranking.reciprocal_rank(shown, Ragged.from_lists([[3]]), 4) == [0.5]
    assert ranking.recall(shown, np.array([[4, -1, -1]]), 4) == [1.0]
    assert np.isnan(ranking.recall(shown, np.array([[-1, -1, -1]]), 4)).all()


def test_ids_are_compared_with_their_type():
    assert ranking.recall([["0012", "12"]], [["12"]], 1) == [0.0]
    assert ranking.recall([[12]], [["12"]], 1) == [0.0]
    assert ranking.recall([["1e5"]], [["100000"]], 1) == [0.0]
    assert ranking.recall([[2**63 + 1]], [[2**63 + 1]], 1) == [1.0]
    large = np.array([[2**63 + 1, 2**63 + 2]], dtype=np.uint64)
    assert ranking.recall(large, large, 1) == [0.5]


def test_no_truth_is_nan_and_an_empty_list_is_zero():
    for name in NAMES:
        found = getattr(ranking, name)([["a"], []], [[], ["a"]], 2)
        assert np.isnan(found[0])
        assert found[1] == 0.0


def test_a_perfect_list_is_exactly_one():
    for length in range(1, 60):
        ids = [[str(one) for one in range(length)]]
        assert ranking.ndcg(ids, ids, 50) == [1.0]


def test_k_far_beyond_the_list():
    assert ranking.recall([["a"]], [["a"]], 10**9) == [1.0]
    assert ranking.precision([["a"]], [["a"]], 10**9) == [1e-9]
    assert ranking.ndcg([["a"]], [["b", "a"]], 10**9) == pytest.approx([1 / (1 + 1 / math.log2(3))])


def test_no_users():
    assert ranking.ndcg([], [], 5).shape == (0,)
    assert ranking.recall(np.empty((0, 4), np.int32), Ragged.from_lists([]), 5).shape == (0,)


@pytest.mark.parametrize(
    ("recommended", "relevant", "k"),
    [
        ([["a"]], [["a"], ["b"]], 3),
        ([["a"]], [["a"]], 0),
        ([["a"]], [["a"]], 2.0),
        ([["a"]], [["a"]], True),
        (["abc"], [["a"]], 3),
        ([["a"]], ["abc"], 3),
        ([{"a", "b"}], [["a"]], 3),
        ([[["a"]]], [["a"]], 3),
        (np.arange(3), [["a"]] * 3, 3),
        ([np.ones((2, 2), int)], [[1]], 3),
    ],
)
def test_refuses_bad_input(recommended, relevant, k):
    for name in NAMES:
        with pytest.raises(InputError) as caught:
            getattr(ranking, name)(recommended, relevant, k)
        assert isinstance(caught.value, ZhiyinError)
        assert caught.value.expected is not None
