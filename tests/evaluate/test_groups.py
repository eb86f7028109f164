"""Groups, gaps, corrections, quartiles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhiyin.errors import InputError
from zhiyin.evaluate import activity_quartiles, bootstrap_mean, holm
from zhiyin.evaluate.groups import by_group


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_against_its_steps(p):
    found = holm(p)
    order = np.argsort(p, kind="stable")
    largest = 0.0
    for step, place in enumerate(order):
        largest = max(largest, min(1.0, p[place] * (len(p) - step)))
        assert found[place] == pytest.approx(largest)
    assert (found >= p).all()


def test_holm_passes_over_what_is_unknown_and_refuses_nonsense():
    assert holm([0.01, np.nan, 0.02]).tolist()[::2] == [0.02, 0.02]
    with pytest.raises(InputError):
        holm([1.5])


def test_p_values_are_uniform_where_nothing_differs():
    rng = np.random.default_rng(0)
    p = [bootstrap_mean(rng.normal(size=60), samples=200, seed=seed).p for seed in range(400)]
    assert 0.02 < np.mean(np.array(p) <= 0.05) < 0.10
    assert bootstrap_mean(np.ones(50), samples=200).p == pytest.approx(2 / 201)


def test_the_gap_is_between_the_best_and_the_worst_large_group():
    values = np.concatenate([np.full(30, 0.2), np.full(30, 0.5), np.full(5, 9.0), [np.nan]])
    labels = ["a"] * 30 + ["b"] * 30 + ["few"] * 5 + ["a"]
    found = by_group(values, labels, samples=100)
    assert found.gap.mean == pytest.approx(0.3) and found.gap.low == pytest.approx(0.3)
    assert found.groups["a"].missing == 1 and found.groups["few"].n == 5


def test_quartiles_of_activity():
    assert activity_quartiles([]) == []
    assert activity_quartiles([0, 0]) == ["none", "none"]
    counts = np.arange(1, 101)
    found = np.array(activity_quartiles(counts))
    assert [int((found == name).sum()) for name in sorted(set(found))] == [25] * 4
