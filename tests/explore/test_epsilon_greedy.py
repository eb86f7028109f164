"""ε-greedy and greedy slates: both propensities against a full enumeration, and the draws."""

import itertools
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhiyin.draws import keys_of
from zhiyin.errors import ConfigError, InputError
from zhiyin.explore import EpsilonGreedyPolicy, GreedyPolicy, make_policy
from zhiyin.explore.epsilon_greedy import marginal_table
from zhiyin.registry import names
from zhiyin.types import Candidates, Decision, Policy, Queries, Ragged


def queries(users, start=0):
    keys = keys_of(range(start, start + users))
    return Queries((None,) * users, Ragged.from_lists([[]] * users), keys)


def candidates(users, n, lengths=None):
    """Items 100, 101, … in order, so that rank = item - 100."""
    items = np.tile(np.arange(100, 100 + n, dtype=np.int32), (users, 1))
    scores = np.tile(np.linspace(1, 0, n, dtype=np.float32), (users, 1))
    if lengths is not None:
        pads = np.arange(n) >= np.asarray(lengths)[:, None]
        items[pads], scores[pads] = -1, -np.inf
    return Candidates(items, scores)


def enumerate_slates(n, k, epsilon, pool):
    """Every slate of ranks with its conditional propensities, by definition."""
    pool = n if pool is None else min(pool, n)
    for slate in itertools.permutations(range(n), min(k, n)):
        remaining, conditional = list(range(n)), []
        for rank in slate:
            reach = [one for one in remaining if one < pool]
            explored = epsilon * (rank in reach) / len(reach) if reach else 0.0
            exploited = (1 - epsilon if reach else 1.0) * (rank == remaining[0])
            conditional.append(explored + exploited)
            remaining.remove(rank)
        yield slate, conditional


def exact(n, k, epsilon, pool):
    """Conditional propensities by slate, and marginal ones by (rank, place)."""
    conditionals, marginals = {}, defaultdict(float)
    for slate, conditional in enumerate_slates(n, k, epsilon, pool):
        conditionals[slate] = conditional
        for place, rank in enumerate(slate):
            marginals[rank, place] += np.prod(conditional)
    return conditionals, marginals


@pytest.mark.parametrize("epsilon", [0.0, 0.05, 0.3, 0.77, 1.0])
@pytest.mark.parametrize(("n", "k", "pool"), [(1, 1, None), (4, 3, None), (6, 4, None), (5, 5, 3), (5, 4, 2)])
def test_propensities_equal_the_enumeration(n, k, pool, epsilon):
    conditionals, marginals = exact(n, k, epsilon, pool)
    assert sum(np.prod(one) for one in conditionals.values()) == pytest.approx(1.0)
    slates = make_policy("epsilon-greedy", epsilon=epsilon, pool=pool).choose(
        queries(300), candidates(300, n), k, seed=5
    )
    ranks = slates.items - 100
    for row in range(300):
        slate = tuple(ranks[row].tolist())
        np.testing.assert_allclose(slates.conditional[row], conditionals[slate], rtol=0, atol=1e-12)
        expected = [marginals[rank, place] for place, rank in enumerate(slate)]
        np.testing.assert_allclose(slates.marginal[row], expected, rtol=0, atol=1e-12)
    assert (slates.conditional > 0).all()
    assert (slates.conditional <= 1).all()
    assert (slates.marginal > 0).all()
    assert (slates.marginal <= 1).all()


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize(("size", "k"), [(1, 1), (3, 2), (6, 6), (7, 4)])
def test_marginal_table_equals_the_enumeration(size, k, epsilon):
    _, marginals = exact(size, k, epsilon, None)
    expected = [[marginals[rank, place] for place in range(k)] for rank in range(size)]
    np.testing.assert_allclose(marginal_table(size, k, epsilon), expected, rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=100)
@given(size=st.integers(1, 400), k=st.integers(1, 25), epsilon=st.floats(0, 1))
def test_marginal_table_sums(size, k, epsilon):
    table = marginal_table(size, min(k, size), epsilon)
    np.testing.assert_allclose(table.sum(axis=0), 1.0, rtol=0, atol=1e-12)
    assert (table.sum(axis=1) <= 1 + 1e-12).all()
    assert (table >= 0).all()
    assert (table <= 1).all()
    if k >= size:
        np.testing.assert_allclose(table.sum(axis=1), 1.0, rtol=0, atol=1e-12)


def test_frequencies_agree_with_the_propensities():
    users, n, k = 20_000, 6, 4
    slates = EpsilonGreedyPolicy(epsilon=0.4, pool=5).choose(queries(users), candidates(users, n), k, seed=2)
    ranks = slates.items - 100
    conditionals, marginals = exact(n, k, 0.4, 5)
    for place in range(k):
        shares = np.bincount(ranks[:, place], minlength=n) / users
        expected = np.array([marginals[rank, place] for rank in range(n)])
        assert (np.abs(shares - expected) < 4.5 * np.sqrt(expected * (1 - expected) / users) + 1e-12).all()
    slates_seen, counts = np.unique(ranks, axis=0, return_counts=True)
    for slate, count in zip(slates_seen, counts, strict=True):
        likely = np.prod(conditionals[tuple(slate.tolist())])
        assert abs(count / users - likely) < 5 * np.sqrt(likely * (1 - likely) / users) + 1e-12
    # Inverse propensity weights recover the size of what is counted.
    weights = 1 / slates.marginal[:, 1]
    for rank in range(5):
        shown = ranks[:, 1] == rank
        assert (weights * shown).mean() == pytest.approx(1.0, abs=0.2)


def test_zero_epsilon_is_the_order_with_propensity_one():
    for policy in (
        EpsilonGreedyPolicy(epsilon=0.0),
        EpsilonGreedyPolicy(epsilon=0.0, pool=2),
        GreedyPolicy(),
    ):
        slates = policy.choose(queries(50), candidates(50, 9), 4, seed=0)
        assert (slates.items == [100, 101, 102, 103]).all()
        assert (slates.conditional == 1.0).all()
        assert (slates.marginal == 1.0).all()


def test_epsilon_one_is_uniform():
    slates = EpsilonGreedyPolicy(epsilon=1.0).choose(queries(50), candidates(50, 8), 3, seed=0)
    np.testing.assert_allclose(slates.conditional, np.tile([1 / 8, 1 / 7, 1 / 6], (50, 1)), atol=1e-15)
    np.testing.assert_allclose(slates.marginal, 1 / 8, atol=1e-15)


def test_behind_the_pool_the_order_is_certain():
    slates = EpsilonGreedyPolicy(epsilon=1.0, pool=3).choose(queries(200), candidates(200, 8), 6, seed=1)
    assert (np.sort(slates.items[:, :3]) == [100, 101, 102]).all()
    assert (slates.items[:, 3:] == [103, 104, 105]).all()
    assert (slates.conditional[:, 2:] == 1.0).all()
    assert (slates.marginal[:, 3:] == 1.0).all()


def test_short_rows_end_in_empty_places():
    lengths = [5, 2, 0, 1]
    pool = candidates(4, 5, lengths)
    for policy in (
        EpsilonGreedyPolicy(epsilon=0.5),
        EpsilonGreedyPolicy(epsilon=0.5, pool=2),
        GreedyPolicy(),
    ):
        slates = policy.choose(queries(4), pool, 7, seed=3)
        assert slates.items.shape == (4, 7)
        for row, length in enumerate(lengths):
            assert sorted(slates.items[row, :length]) == list(range(100, 100 + length))
            assert (slates.items[row, length:] == -1).all()
            assert np.isneginf(slates.scores[row, length:]).all()
            assert np.isfinite(slates.conditional[row, :length]).all()
            assert np.isfinite(slates.marginal[row, :length]).all()
            assert np.isnan(slates.conditional[row, length:]).all()
            assert np.isnan(slates.marginal[row, length:]).all()


def test_gaps_among_the_candidates_do_not_count():
    whole = candidates(100, 4)
    gaps = np.full((100, 7), -1, np.int32)
    gaps[:, [0, 2, 3, 6]] = whole.items
    spread = Candidates(gaps, np.zeros((100, 7), np.float32))
    policy = EpsilonGreedyPolicy(epsilon=0.6, pool=3)
    expected = policy.choose(queries(100), whole, 4, seed=1)
    found = policy.choose(queries(100), spread, 4, seed=1)
    np.testing.assert_array_equal(found.items, expected.items)
    np.testing.assert_array_equal(found.marginal, expected.marginal)


def test_scores_travel_with_their_items():
    pool = candidates(40, 6)
    slates = EpsilonGreedyPolicy(epsilon=0.8).choose(queries(40), pool, 4, seed=4)
    np.testing.assert_array_equal(slates.scores, pool.scores[0][slates.items - 100])
    assert slates.items.dtype == np.int32
    assert slates.scores.dtype == np.float32
    assert slates.conditional.dtype == slates.marginal.dtype == np.float64


def test_batch_equals_single_and_longer_begins_with_shorter():
    lengths = np.arange(30) % 7
    pool = candidates(30, 6, lengths)
    policy = EpsilonGreedyPolicy(epsilon=0.7, pool=4)
    whole = policy.choose(queries(30), pool, 5, seed=9)
    for row in range(30):
        alone = policy.choose(queries(1, start=row), pool.take([row]), 5, seed=9)
        assert alone.ids[0] == whole.ids[row]
        np.testing.assert_array_equal(alone.items[0], whole.items[row])
        np.testing.assert_array_equal(alone.conditional[0], whole.conditional[row])
        np.testing.assert_array_equal(alone.marginal[0], whole.marginal[row])
    shorter = policy.choose(queries(30), pool, 2, seed=9)
    np.testing.assert_array_equal(shorter.items, whole.items[:, :2])
    np.testing.assert_array_equal(shorter.marginal, whole.marginal[:, :2])


def test_seed_and_key_decide():
    pool = candidates(60, 10)
    policy = EpsilonGreedyPolicy(epsilon=0.9)
    first = policy.choose(queries(60), pool, 5, seed=1)
    again = policy.choose(queries(60), pool, 5, seed=1)
    other = policy.choose(queries(60), pool, 5, seed=2)
    np.testing.assert_array_equal(first.items, again.items)
    assert first.ids == again.ids
    assert not np.array_equal(first.items, other.items)
    assert not set(first.ids) & set(other.ids)
    assert len(set(first.ids)) == 60
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in first.ids)
    assert len(np.unique(first.items, axis=0)) > 30


def test_names_of_the_policies():
    assert make_policy("epsilon-greedy").policy == "epsilon-greedy@1(epsilon=0.05)"
    assert make_policy("epsilon-greedy", epsilon=0.2, pool=20).policy == (
        "epsilon-greedy@1(epsilon=0.2,pool=20)"
    )
    assert make_policy("greedy").policy == "greedy@1"
    slates = make_policy("greedy").choose(queries(1), candidates(1, 2), 1, seed=0)
    assert slates.policy == "greedy@1"
    for name in ("greedy", "epsilon-greedy"):
        assert name in names("policy")
        assert isinstance(make_policy(name), Policy)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("epsilon-greedy", {"epsilon": 1.1}),
        ("epsilon-greedy", {"epsilon": -0.1}),
        ("epsilon-greedy", {"epsilon": float("nan")}),
        ("epsilon-greedy", {"pool": 0}),
        ("epsilon-greedy", {"eps": 0.1}),
        ("greedy", {"epsilon": 0.1}),
        ("gredy", {}),
    ],
)
def test_refuses_a_wrong_config(name, params):
    with pytest.raises(ConfigError) as caught:
        make_policy(name, **params)
    assert caught.value.hint


def test_refuses_bad_input():
    policy = EpsilonGreedyPolicy()
    for k in (0, -1, 1.5, True):
        with pytest.raises(InputError):
            policy.choose(queries(1), candidates(1, 3), k, seed=0)
    with pytest.raises(InputError):
        policy.choose(queries(2), candidates(1, 3), 1, seed=0)
    with pytest.raises(InputError):
        policy.choose(queries(1), candidates(1, 3), 1, seed=-1)


def test_nobody_and_nothing():
    for policy in (EpsilonGreedyPolicy(), GreedyPolicy()):
        assert policy.choose(queries(0), candidates(0, 3), 2, seed=0).items.shape == (0, 2)
        nothing = policy.choose(queries(2), candidates(2, 0), 2, seed=0)
        assert (nothing.items == -1).all()
        assert np.isnan(nothing.marginal).all()


def test_update_learns_nothing_but_checks():
    policy = EpsilonGreedyPolicy(epsilon=0.2)
    decision = Decision(
        id="a",
        time=0.0,
        user=None,
        scenario=None,
        policy=policy.policy,
        pool=np.arange(3, dtype=np.int32),
        items=np.arange(2, dtype=np.int32),
        conditional=np.ones(2),
        marginal=np.ones(2),
        features=np.zeros((2, 1), np.float32),
    )
    assert policy.update([decision], np.array([1.0])) is policy
    with pytest.raises(InputError):
        policy.update([decision], np.array([]))


def test_survives_save_and_load(tmp_path):
    policy = EpsilonGreedyPolicy(epsilon=0.3, pool=7)
    policy.save(tmp_path)
    again = EpsilonGreedyPolicy.load(tmp_path)
    assert again.config == policy.config
    assert again.policy == policy.policy
