"""Diversity of lists against definitions written out pair by pair."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhiyin.errors import InputError
from zhiyin.evaluate import diversity

small = st.integers(-3, 3).map(float)
lists = st.lists(st.lists(st.lists(small, min_size=3, max_size=3), max_size=5), max_size=5)


def cosine(a, b):
    norm = math.hypot(*a) * math.hypot(*b)
    return sum(x * y for x, y in zip(a, b, strict=True)) / norm if norm > 0 else 0.0


def mean_distance(vectors):
    pairs = list(itertools.combinations(vectors, 2))
    return sum(1 - cosine(a, b) for a, b in pairs) / len(pairs) if pairs else math.nan


@settings(deadline=None, max_examples=200)
@given(lists=lists)
def test_intra_list_distance_is_the_mean_over_pairs(lists):
    expected = np.array([mean_distance(one) for one in lists], dtype=float)
    found = diversity.intra_list_distance(lists)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    arrays = [np.array(one, np.float32).reshape(len(one), 3) for one in lists]
    np.testing.assert_allclose(diversity.intra_list_distance(arrays), expected, atol=1e-12)
    padded = np.full((len(lists), 5, 3), np.nan)
    for row, one in enumerate(arrays):
        padded[row, : len(one)] = one
    np.testing.assert_array_equal(diversity.intra_list_distance(padded), found)


def test_identical_vectors_have_no_distance():
    assert diversity.intra_list_distance(np.full((1, 10, 7), 0.1)) == pytest.approx([0.0], abs=1e-12)
    assert diversity.intra_list_distance(np.array([[[1.0, 0], [-5, 0]]])) == [2.0]


@pytest.mark.parametrize(
    "vectors",
    [
        [[[1, 0], [0, 1]], [[1, 0, 0], [0, 1, 0]]],
        [[1, 0]],
        np.array([[[np.nan, 1.0], [1.0, 1.0]]]),
        np.array([[[np.inf, 1.0], [1.0, 1.0]]]),
    ],
)
def test_refuses_vectors_that_form_no_table(vectors):
    with pytest.raises(InputError):
        diversity.intra_list_distance(vectors)


def gini(counts):
    n, total = len(counts), sum(counts)
    if total == 0:
        return math.nan
    return sum(abs(a - b) for a in counts for b in counts) / (2 * n * total)


@settings(deadline=None, max_examples=200)
@given(shown=st.lists(st.lists(st.integers(0, 6), max_size=6), max_size=6), size=st.integers(7, 12))
def test_coverage_and_gini(shown, size):
    counts = [sum(one.count(item) for one in shown) for item in range(size)]
    catalogue = [str(item) for item in range(size)]
    names = [[str(item) for item in one] for one in shown]
    covered = sum(count > 0 for count in counts) / size
    assert diversity.catalogue_coverage(shown, size) == pytest.approx(covered)
    assert diversity.catalogue_coverage(names, catalogue) == pytest.approx(covered)
    expected = pytest.approx(gini(counts), nan_ok=True, abs=1e-12)
    assert diversity.exposure_gini(shown, size) == expected
    assert diversity.exposure_gini(names, set(catalogue)) == expected
    assert diversity.exposure_gini(shown, np.arange(size)) == expected


def test_pads_are_no_exposure():
    shown = np.array([[0, -1], [1, -1]])
    assert diversity.exposure_gini(shown, 2) == 0.0
    assert diversity.catalogue_coverage(np.full((2, 3), -1), 4) == 0.0


@pytest.mark.parametrize("metric", [diversity.catalogue_coverage, diversity.exposure_gini])
def test_refuses_items_outside_the_catalogue(metric):
    with pytest.raises(InputError, match="outside"):
        metric([["a", "z"]], ["a", "b"])
    with pytest.raises(InputError, match="outside"):
        metric(np.array([[0, 5]]), 5)
    with pytest.raises(InputError, match="empty"):
        metric([["a"]], [])
    with pytest.raises(InputError, match="empty"):
        metric([[0]], 0)
