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


def plain_vendi(vectors, q):
    n = len(vectors)
    kernel = np.array(
        [[1.0 if i == j else cosine(a, b) for j, b in enumerate(vectors)] for i, a in enumerate(vectors)]
    )
    values = np.linalg.eigvalsh(kernel / n)
    values = values[values > 1e-9]
    if q == 1:
        return math.exp(-sum(value * math.log(value) for value in values))
    if q == math.inf:
        return 1 / max(values)
    return sum(value**q for value in values) ** (1 / (1 - q))


@pytest.mark.parametrize("q", [0.1, 1.0, 2.0, math.inf])
@settings(deadline=None, max_examples=60)
@given(lists=lists)
def test_vendi_score_is_the_entropy_of_eigenvalues(q, lists):
    expected = [plain_vendi(one, q) if one else math.nan for one in lists]
    np.testing.assert_allclose(diversity.vendi_score(lists, q), np.array(expected, float), rtol=1e-6)


def test_vendi_score_counts_directions():
    same, different = np.ones((1, 6, 4)), np.eye(6)[None]
    for q in (0.1, 1.0, 2.0, math.inf):
        assert diversity.vendi_score(same, q) == pytest.approx([1.0])
        assert diversity.vendi_score(different, q) == pytest.approx([6.0])
    with pytest.raises(InputError):
        diversity.vendi_score(same, 0.0)


ids = st.lists(st.integers(0, 5), min_size=1, max_size=5, unique=True)


@settings(deadline=None, max_examples=100)
@given(users=st.lists(st.tuples(ids, st.sets(st.integers(0, 5))), min_size=1, max_size=5))
def test_gated_forms_count_relevant_items_only(users):
    table = np.random.default_rng(0).normal(size=(6, 3))
    shown, truth = [one for one, _ in users], [sorted(other) for _, other in users]
    vectors = [table[one] for one in shown]
    k = max(len(one) for one in shown)
    pairs = max(k * (k - 1) / 2, 1)
    distances, scores = [], []
    for items, wanted in users:
        good = [table[item] for item in items if item in wanted]
        total = sum(1 - cosine(a, b) for a, b in itertools.combinations(good, 2))
        distances.append(total / pairs if wanted else math.nan)
        scores.append((plain_vendi(good, 1) if good else 0.0) if wanted else math.nan)
    found = diversity.relevant_intra_list_distance(vectors, shown, truth)
    np.testing.assert_allclose(found, np.array(distances, float), atol=1e-9)
    found = diversity.relevant_vendi_score(vectors, shown, truth)
    np.testing.assert_allclose(found, np.array(scores, float), rtol=1e-6)


def test_gated_forms_refuse_vectors_of_other_lists():
    with pytest.raises(InputError, match="differ in shape"):
        diversity.relevant_vendi_score([[[1, 0]]], [["a", "b"]], [["a"]])
