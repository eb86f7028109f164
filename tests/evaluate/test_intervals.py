"""Bootstrap intervals: their centre, width, coverage, pairing and missing users."""

import numpy as np
import pytest
from scipy import stats

from zhiyin.draws import generator
from zhiyin.errors import InputError
from zhiyin.evaluate import Interval, bootstrap_mean, paired_difference
from zhiyin.evaluate.intervals import bootstrap_columns


def test_width_agrees_with_the_normal_interval():
    values = np.random.default_rng(0).normal(3.0, 2.0, 500)
    found = bootstrap_mean(values, samples=4000)
    low, high = stats.norm.interval(0.95, values.mean(), values.std() / np.sqrt(500))
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)
    assert (found.n, found.missing, found.level) == (500, 0, 0.95)


def test_matches_a_plain_loop_over_resamples():
    values = np.array([0.0, 0.0, 1.0, 0.25, 5.0])
    rng = generator(3, 5, stream="bootstrap")
    means = [values[rng.integers(0, 5, size=5)].mean() for _ in range(300)]
    found = bootstrap_mean(values, samples=300, seed=3, level=0.8)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.1, 0.9])), rel=1e-12)


def test_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(300):
        found = bootstrap_mean(rng.exponential(1.0, 80), samples=300, seed=trial, level=0.9)
        covered += found.low <= 1.0 <= found.high
    assert 0.82 <= covered / 300 <= 0.95


def test_users_without_a_value_are_left_out_and_counted():
    values = np.array([1.0, np.nan, 2.0, 4.0, np.nan])
    found, alone = bootstrap_mean(values), bootstrap_mean([1.0, 2.0, 4.0])
    assert (found.mean, found.low, found.high) == (alone.mean, alone.low, alone.high)
    assert (found.n, found.missing) == (3, 2)


def test_nobody_and_one_user():
    nobody = bootstrap_mean([np.nan, np.nan])
    assert np.isnan([nobody.mean, nobody.low, nobody.high]).all()
    assert (nobody.n, nobody.missing, nobody.excludes_zero) == (0, 2, False)
    assert bootstrap_mean([]).n == 0
    one = bootstrap_mean([0.3])
    assert (one.mean, one.low, one.high) == (0.3, 0.3, 0.3)


def test_same_seed_same_interval_other_seed_other_interval():
    values = np.random.default_rng(2).random(50)
    assert bootstrap_mean(values, seed=1) == bootstrap_mean(values, seed=1)
    assert bootstrap_mean(values, seed=1) != bootstrap_mean(values, seed=2)


def test_chunks_do_not_change_the_result(monkeypatch):
    values = np.random.default_rng(2).random(50)
    whole = bootstrap_mean(values, samples=100)
    monkeypatch.setattr("zhiyin.evaluate.intervals.CHUNK", 120)
    parts = bootstrap_mean(values, samples=100)
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high), rel=1e-12)


def test_columns_equal_single_means():
    values = np.random.default_rng(4).random((60, 5))
    values[values < 0.1] = np.nan
    values[:, 3] = values[:, 1]
    for column, found in enumerate(bootstrap_columns(values, samples=200, seed=9)):
        alone = bootstrap_mean(values[:, column], samples=200, seed=9)
        assert (found.mean, found.low, found.high) == pytest.approx((alone.mean, alone.low, alone.high))
        assert (found.n, found.missing) == (alone.n, alone.missing)


def test_pairing_finds_what_separate_intervals_hide():
    rng = np.random.default_rng(5)
    ease = rng.random(200)
    better = ease + 0.02 + rng.normal(0, 0.01, 200)
    apart = bootstrap_mean(better), bootstrap_mean(ease)
    assert apart[0].low < apart[1].high
    found = paired_difference(better, ease)
    assert found.excludes_zero
    assert found.mean == pytest.approx(np.mean(better - ease))
    assert paired_difference(ease, better).high < 0
    assert not paired_difference(ease, ease).excludes_zero


def test_a_pair_needs_both_sides():
    found = paired_difference([1.0, np.nan, 3.0, 5.0], [0.5, 1.0, np.nan, 4.0])
    assert (found.n, found.missing) == (2, 2)
    assert found.mean == 0.75


def test_printed_form():
    assert str(Interval(0.12349, 0.1011, 0.1459, 10)) == "0.123 [0.101, 0.146]"
    assert str(Interval(-0.0001, -0.0004, 0.0, 10)) == "0.000 [0.000, 0.000]"


@pytest.mark.parametrize(
    ("values", "options"),
    [
        ([[1.0]], {}),
        ([np.inf], {}),
        ([1.0], {"samples": 0}),
        ([1.0], {"level": 1.0}),
        ([1.0], {"level": 0.0}),
        ([1.0], {"seed": -1}),
    ],
)
def test_refuses_bad_input(values, options):
    with pytest.raises(InputError):
        bootstrap_mean(values, **options)


def test_refuses_other_users_on_the_other_side():
    with pytest.raises(InputError):
        paired_difference([1.0, 2.0], [1.0])
    with pytest.raises(InputError):
        paired_difference([np.inf], [np.inf])
