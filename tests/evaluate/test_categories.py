"""Entropy, coverage, calibration and mutual information against sums written out."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhiyin.errors import InputError
from zhiyin.evaluate import diversity

place = st.lists(st.sampled_from("abcd"), max_size=3, unique=True)
lists = st.lists(st.lists(place, max_size=4), min_size=1, max_size=5)


def shares(places):
    total = Counter()
    for labels in places:
        for label in labels:
            total[label] += 1 / len(labels)
    return {label: weight / sum(total.values()) for label, weight in total.items()}


@settings(deadline=None, max_examples=150)
@given(lists=lists)
def test_entropy_and_coverage(lists):
    each = [shares(one) for one in lists]
    entropy = [-sum(p * math.log(p) for p in one.values()) if one else math.nan for one in each]
    np.testing.assert_allclose(diversity.category_entropy(lists), np.array(entropy, float), atol=1e-12)
    coverage = [len(one) / 4 for one in each]
    np.testing.assert_allclose(diversity.category_coverage(lists, "abcd"), coverage)


@settings(deadline=None, max_examples=150)
@given(pairs=st.lists(st.tuples(st.lists(place, max_size=4), st.lists(place, max_size=4)), min_size=1))
def test_calibration_kl(pairs):
    history, shown = [one for one, _ in pairs], [other for _, other in pairs]
    expected = []
    for one, other in pairs:
        p, q = shares(one), shares(other)
        mixed = {label: 0.99 * q.get(label, 0.0) + 0.01 * weight for label, weight in p.items()}
        expected.append(sum(w * math.log(w / mixed[label]) for label, w in p.items()) if p else math.nan)
    found = diversity.calibration_kl(history, shown)
    np.testing.assert_allclose(found, np.array(expected, float), atol=1e-12)


def test_mutual_information_is_of_the_mean_joint():
    shown = [[["a"], ["b"]], [["a"]], [["b"]], []]
    taken = [[["x"]], [["x"], ["y"]], [["y"]], [["x"]]]
    joint = np.zeros((2, 2))
    for one, other in zip(shown[:3], taken[:3], strict=True):
        p, q = shares(one), shares(other)
        joint += np.outer([p.get("a", 0), p.get("b", 0)], [q.get("x", 0), q.get("y", 0)]) / 3
    expected = sum(
        joint[i, j] * math.log(joint[i, j] / (joint[i].sum() * joint[:, j].sum()))
        for i in range(2)
        for j in range(2)
        if joint[i, j] > 0
    )
    assert diversity.mutual_information(shown, taken) == pytest.approx(expected)
    corrected = diversity.mutual_information(shown, taken, correction="miller-madow")
    assert corrected == pytest.approx(expected - 1 / 6)


def test_the_correction_removes_what_chance_brings():
    rng = np.random.default_rng(0)
    shown = [[[int(label)]] for label in rng.integers(0, 10, 200)]
    taken = [[[int(label)]] for label in rng.integers(0, 10, 200)]
    plain = diversity.mutual_information(shown, taken)
    assert plain > 0.15 and abs(diversity.mutual_information(shown, taken, correction="miller-madow")) < 0.06
    assert abs(diversity.mutual_information(shown, taken, correction="permutation")) < 0.06


def test_mixtures_are_corrected_by_shuffles_only():
    rng = np.random.default_rng(3)
    taken = [list(rng.choice(list("abcdefgh"), (6, 1))) for _ in range(60)]
    shown = [list(rng.choice(list("abcdefgh"), (6, 1))) for _ in range(60)]
    assert diversity.mutual_information(shown, taken, correction="miller-madow") < -0.3
    assert abs(diversity.mutual_information(shown, taken, correction="permutation")) < 0.02
    assert diversity.mutual_information(taken, taken, correction="permutation") > 0.02


def test_single_labels_and_missing_ones_are_understood():
    assert diversity.category_entropy([["tea", None, "toys"]]) == pytest.approx([math.log(2)])
    assert np.isnan(diversity.category_entropy([[None]])).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda: diversity.category_entropy("tea"),
        lambda: diversity.category_entropy(["tea"]),
        lambda: diversity.category_coverage([["tea"]], []),
        lambda: diversity.category_coverage([["tea"]], ["toys"]),
        lambda: diversity.calibration_kl([["tea"]], [["tea"], ["tea"]]),
        lambda: diversity.calibration_kl([["tea"]], [["tea"]], alpha=0.0),
        lambda: diversity.mutual_information([["tea"]], []),
    ],
)
def test_refuses_what_has_no_meaning(call):
    with pytest.raises(InputError):
        call()
