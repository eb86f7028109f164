"""Novelty, long tail, serendipity, change over time, themes and fronts, each by its definition."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhiyin.errors import InputError
from zhiyin.evaluate import diversity

POPULARITY = {"a": 0.5, "b": 0.25, "c": 0.25, "d": 0.125, "e": 0.125}
rows = st.lists(st.lists(st.sampled_from("abcde"), max_size=4, unique=True), min_size=1, max_size=5)


@settings(deadline=None, max_examples=80)
@given(lists=rows, other=rows, k=st.integers(1, 4))
def test_per_user_values(lists, other, k):
    expected = [
        np.mean([-math.log2(POPULARITY[item]) for item in one[:k]]) if one else np.nan for one in lists
    ]
    np.testing.assert_allclose(diversity.novelty(lists, POPULARITY, k), np.array(expected, float))
    numbers = [["abcde".index(item) for item in one] for one in lists]
    table = np.array(list(POPULARITY.values()))
    np.testing.assert_allclose(diversity.novelty(numbers, table, k), np.array(expected, float))
    tail = [np.mean([item not in "ab" for item in one[:k]]) if one else np.nan for one in lists]
    found = diversity.long_tail_share(lists, POPULARITY, k, head=0.4)
    np.testing.assert_allclose(found, np.array(tail, float))
    before = (other * len(lists))[: len(lists)]
    changed = [
        1 - len(set(a[:k]) & set(b[:k])) / k if b else np.nan for a, b in zip(lists, before, strict=True)
    ]
    np.testing.assert_allclose(diversity.temporal_diversity(lists, before, k), np.array(changed, float))
    truth = [["a", "c"]] * len(lists)
    good = [len((set(a[:k]) & {"a", "c"}) - set(b[:k])) / k for a, b in zip(lists, before, strict=True)]
    np.testing.assert_allclose(diversity.serendipity(lists, truth, before, k), good)


@pytest.mark.parametrize(
    "call",
    [
        lambda: diversity.novelty([["z"]], POPULARITY, 1),
        lambda: diversity.novelty([[9]], np.array([0.5]), 1),
        lambda: diversity.novelty([["a"]], {"a": 0.0}, 1),
        lambda: diversity.novelty([["a"]], {"a": 7}, 1),
        lambda: diversity.long_tail_share([["a"]], POPULARITY, 1, head=1.0),
        lambda: diversity.hypervolume([[1.0, 2.0, 3.0]], [0, 0, 0]),
        lambda: diversity.pareto_front([[np.nan, 1.0]]),
        lambda: diversity.effective_interests(np.array([[5]]), [0, 1]),
        lambda: diversity.catalogue_clusters(np.ones((5, 3)), 4),
    ],
)
def test_refuses_what_has_no_meaning(call):
    with pytest.raises(InputError):
        call()


points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=8)


@settings(deadline=None, max_examples=150)
@given(points=points)
def test_front_and_area_by_counting_squares(points):
    front = diversity.pareto_front(points)
    for point, stands in zip(points, front, strict=True):
        beaten = any(a >= point[0] and b >= point[1] and (a, b) != point for a, b in points)
        assert stands == (not beaten)
    squares = {(x, y) for a, b in points for x in range(1, a) for y in range(1, b)}
    assert diversity.hypervolume(points, (1, 1)) == len(squares)


def test_themes_of_a_catalogue():
    rng = np.random.default_rng(0)
    themes = np.repeat(np.arange(4), 30)
    vectors = np.eye(4)[themes] + 0.05 * rng.normal(size=(120, 4)) + 3.0
    vectors[7] = 0
    clusters = diversity.catalogue_clusters(vectors, 4, seed=1)
    assert clusters[7] == -1
    for theme in range(4):
        assert len(set(clusters[(themes == theme) & (clusters >= 0)].tolist())) == 1
    assert (clusters == diversity.catalogue_clusters(vectors, 4, seed=1)).all()
    lists = np.array([[0, 30, 60, 90], [0, 1, 2, 3], [0, 1, 30, 31], [7, -1, -1, -1]])
    assert diversity.effective_interests(lists, clusters)[:3] == pytest.approx([4, 1, 2])
    assert np.isnan(diversity.effective_interests(lists, clusters)[3])
    assert diversity.semantic_coverage(lists, clusters) == pytest.approx([1, 0.25, 0.5, 0])
