"""The weight of the second score: zero for noise, high for signal, with an honest interval."""

import numpy as np
import pytest

from zhiyin.errors import InputError
from zhiyin.rank import fit_blend, is_permutation, standardise
from zhiyin.types import Candidates

USERS, N = 300, 20


def made(first_strength, second_strength, seed=0):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(2, USERS, N))
    logits = first_strength * first + second_strength * second + rng.gumbel(size=(USERS, N))
    labels = np.zeros((USERS, N), dtype=bool)
    labels[np.arange(USERS), logits.argmax(axis=1)] = True
    return first, second, labels, np.ones((USERS, N), dtype=bool)


def test_noise_gets_no_weight():
    blend = fit_blend(*made(1.0, 0.0), seed=1)
    assert blend.low == 0.0 and blend.weight < 0.12


def test_a_harmful_score_gets_exactly_zero():
    blend = fit_blend(*made(1.0, -1.0), seed=1)
    assert blend.weight == 0.0 and blend.high == 0.0 and blend.gain <= 1e-9


@pytest.mark.parametrize(("first", "second"), [(1.0, 1.0), (0.5, 1.5), (1.5, 0.5)])
def test_the_true_weight_is_within_the_interval(first, second):
    blend = fit_blend(*made(first, second), seed=1)
    assert blend.low < second / (first + second) < blend.high
    assert blend.high - blend.low < 0.25 and blend.gain > 0


def test_the_interval_covers_as_often_as_it_says():
    hits = 0
    for seed in range(20):
        blend = fit_blend(*made(1.0, 0.6, seed), seed=seed, samples=60)
        hits += blend.low <= 0.6 / 1.6 <= blend.high
    assert hits >= 16


def test_more_users_narrow_the_interval():
    parts = made(1.0, 1.0)
    few = fit_blend(*(part[:40] for part in parts), seed=1)
    many = fit_blend(*parts, seed=1)
    assert many.high - many.low < few.high - few.low


def test_it_is_deterministic_for_a_seed():
    parts = made(1.0, 0.5)
    assert fit_blend(*parts, seed=3) == fit_blend(*parts, seed=3)


def test_absent_candidates_do_not_count():
    first, second, labels, present = made(1.0, 1.0)
    present = present.copy()
    present[:, 15:] = False
    changed = second.copy()
    changed[:, 15:] = 1e6
    labels = labels & present
    assert fit_blend(first, second, labels, present, seed=1) == fit_blend(
        first, changed, labels, present, seed=1
    )


def test_nothing_to_learn_from_is_an_error():
    first, second, labels, present = made(1.0, 1.0)
    with pytest.raises(InputError, match="nothing to learn"):
        fit_blend(first, second, labels & False, present, seed=1)


def test_standardise_rows():
    scores = np.array([[1.0, 2.0, 3.0, 99.0], [5.0, 5.0, 5.0, 5.0]])
    present = np.array([[True, True, True, False], [True] * 4])
    result = standardise(scores, present)
    assert result[0, :3].mean() == pytest.approx(0) and result[0, :3].std() == pytest.approx(1)
    assert result[0, 3] == 0 and (result[1] == 0).all()


@pytest.mark.parametrize(
    ("items", "good"),
    [([7, 4, -1], True), ([4, 7, -1], True), ([4, 4, -1], False), ([4, 8, -1], False), ([4, -1, 7], False)],
)
def test_only_permutations_pass(items, good):
    scores = np.zeros((1, 3), np.float32)
    before = Candidates(np.int32([[4, 7, -1]]), scores)
    assert is_permutation(before, Candidates(np.int32([items]), scores))[0] == good
    broken = Candidates(np.int32([items]), np.full((1, 3), np.nan, np.float32))
    assert not is_permutation(before, broken)[0]
    assert not is_permutation(before, before.head(2))[0]
