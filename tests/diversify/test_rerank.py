"""``rerank``: both ends of the knob, the formulas, what is absent, blocked or pinned."""

import numpy as np
import pytest
import pyversity
from hypothesis import given, settings
from hypothesis import strategies as st

from zhiyin.diversify import METHODS, rerank
from zhiyin.diversify.selection import select
from zhiyin.errors import InputError
from zhiyin.evaluate import diversity as measures

every_method = pytest.mark.parametrize("method", METHODS)


def clusters(seed=0, groups=4, each=5, d=8):
    """Items in tight groups; the more relevant groups crowd at the top."""
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.normal(size=(d, d)))[0][:groups]
    label = np.repeat(np.arange(groups), each)
    vectors = centres[label] + rng.normal(0, 0.02, (groups * each, d))
    relevance = 1.0 - 0.2 * label + rng.uniform(0, 0.1, groups * each)
    return vectors.astype(np.float32), relevance, label


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@given(st.integers(0, 10_000), st.floats(0.05, 1.0), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_many_lists_at_once_are_as_each_by_pyversity(seed, diversity, k):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(5, 9, 6)).astype(np.float32)
    relevance = rng.random((5, 9))
    relevance[rng.random((5, 9)) < 0.2] = np.nan
    together = rerank(vectors, relevance, k, method="mmr", diversity=diversity)
    for row in range(5):
        places = np.flatnonzero(~np.isnan(relevance[row]))
        places = places[np.argsort(-relevance[row, places], kind="stable")]
        wanted = min(k, len(places))
        found = places[:0]
        if wanted:
            own = relevance[row, places]
            scaled = (own - own.min()) / max(own.max() - own.min(), 1e-12)
            chosen = select(vectors[row, places], scaled, wanted, method="mmr", diversity=diversity, pins=0)
            found = places[chosen]
        assert together[row].tolist() == [*found.tolist(), *[-1] * (k - wanted)]


def greedy(gain, n, k):
    """Take the best by ``gain(candidate, chosen)`` until k are chosen."""
    chosen = []
    while len(chosen) < k:
        rest = [one for one in range(n) if one not in chosen]
        chosen.append(max(rest, key=lambda one: gain(one, chosen)))
    return chosen


def gain_of(method, vectors, relevance, d):
    """The formulas of the documentation in float64, without pyversity."""
    v = unit(vectors.astype(float))
    r = (relevance - relevance.min()) / np.ptp(relevance)
    cos = v @ v.T
    n = len(r)

    def distance(rows, one):
        if not len(rows):
            return np.linalg.norm(one)
        basis = np.linalg.qr(rows.T)[0]
        return np.linalg.norm(one - basis @ (basis.T @ one))

    def gain(i, chosen):
        first_by_relevance = method in ("mmr", "msd", "ssd") and not chosen
        if first_by_relevance:
            return r[i]
        if method == "mmr":
            return (1 - d) * r[i] - d * max(0.0, cos[i, chosen].max())
        if method == "msd":
            return (1 - d) * r[i] + d * (1 - cos[i, chosen]).sum()
        if method == "dpp":
            return (1 - d) * r[i] + d * 2 * np.log(distance(v[chosen], v[i]))
        if method == "ssd":
            biased = np.hstack([v, np.ones((n, 1))])
            return (1 - d) * r[i] + d * distance(biased[chosen], biased[i])
        cos0 = np.maximum(cos, 0)
        covered = cos0[:, chosen].sum(axis=1)
        gained = (np.sqrt(covered + cos0[:, i]) - np.sqrt(covered)).sum()
        return (1 - d) * r[i] + d * gained / np.sqrt(cos0).sum(axis=0).max()

    return gain


@every_method
@pytest.mark.parametrize("d", [0.1, 0.3, 0.5, 0.8])
def test_follows_the_documented_formula(method, d):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        vectors = rng.normal(size=(14, 9)) + 0.5
        relevance = rng.normal(size=14)
        expected = greedy(gain_of(method, vectors, relevance, d), 14, 6)
        assert rerank(vectors, relevance, 6, method=method, diversity=d).tolist() == expected


@every_method
def test_zero_diversity_is_the_order_of_relevance_exactly(method):
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(50, 6))
    # Differences far below float32 must still decide; ties keep the order given.
    relevance = 1.0 + rng.permutation(50) * 1e-12
    relevance[20:25] = relevance[20]
    expected = np.argsort(-relevance, kind="stable")
    np.testing.assert_array_equal(rerank(vectors, relevance, 50, method=method, diversity=0.0), expected)


@every_method
def test_full_diversity_shows_every_group_first(method):
    for seed in range(5):
        vectors, relevance, label = clusters(seed)
        plain = rerank(vectors, relevance, 4, method=method, diversity=0.0)
        varied = rerank(vectors, relevance, 4, method=method, diversity=1.0)
        assert set(label[plain]) == {0}
        assert set(label[varied]) == {0, 1, 2, 3}
        apart = measures.intra_list_distance([vectors[plain], vectors[varied]])
        assert apart[1] > apart[0] + 0.5


@every_method
def test_full_diversity_ignores_relevance_except_for_ties_and_the_start(method):
    vectors, relevance, _ = clusters(3)
    order = rerank(vectors, relevance, 20, method=method, diversity=1.0)
    if method == "cover":
        other = np.random.default_rng(0).permutation(relevance)
    else:
        other = np.random.default_rng(0).permutation(relevance)
        other[order[0]] = other.max() + 1
    again = rerank(vectors, other, 4, method=method, diversity=1.0)
    if method != "mmr":  # mmr takes all negative cosines alike, so relevance breaks such ties
        assert again.tolist() == order[:4].tolist()
    else:
        assert again[0] == order[0]


@every_method
def test_more_diversity_is_more_varied(method):
    vectors, relevance, _ = clusters(7, groups=6, each=6, d=12)
    found = [rerank(vectors, relevance, 6, method=method, diversity=d) for d in (0.0, 0.5, 1.0)]
    apart = measures.intra_list_distance([vectors[one] for one in found])
    gained = [relevance[one].sum() for one in found]
    assert apart[0] + 0.5 < apart[1] < apart[2] + 0.02
    assert gained[0] > gained[1] > gained[2] - 1e-9


@every_method
def test_scale_of_relevance_and_length_of_vectors_do_not_matter(method):
    vectors, relevance, _ = clusters(2)
    order = rerank(vectors, relevance, 8, method=method)
    assert rerank(vectors * 40, 1000 * relevance - 7, 8, method=method).tolist() == order.tolist()


@every_method
def test_batch_equals_single(method):
    rng = np.random.default_rng(4)
    vectors, relevance = rng.normal(size=(5, 12, 4)), rng.normal(size=(5, 12))
    relevance[1, 3:] = np.nan
    batch = rerank(vectors, relevance, 6, method=method)
    assert batch.shape == (5, 6)
    assert batch.dtype == np.int64
    for row in range(5):
        np.testing.assert_array_equal(batch[row], rerank(vectors[row], relevance[row], 6, method=method))
    shared = rerank(vectors[0], relevance, 6, method=method)
    for row in range(5):
        np.testing.assert_array_equal(shared[row], rerank(vectors[0], relevance[row], 6, method=method))


@every_method
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_each_choosable_item_once_then_pads(method, data):
    n = data.draw(st.integers(1, 9))
    d = data.draw(st.integers(1, 3))
    k = data.draw(st.integers(1, 12))
    seed = data.draw(st.integers(0, 10**6))
    diversity = data.draw(st.sampled_from([0.0, 1e-300, 0.01, 0.5, 0.999, 1.0]))
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-1, 2, (n, d)).astype(float)  # copies, opposites and zeros
    relevance = rng.choice([0.0, 1.0, 1.0, 5.0, np.nan, -np.inf], n)
    allowed = rng.random(n) < 0.8
    present = np.flatnonzero(np.isfinite(relevance) & allowed)
    pinned = rng.permutation(present)[: data.draw(st.integers(0, 3))]
    chosen = rerank(vectors, relevance, k, method=method, diversity=diversity, allowed=allowed, pinned=pinned)
    assert chosen.shape == (k,)
    count = min(k, len(present))
    assert (chosen[count:] == -1).all()
    assert len(set(chosen[:count])) == count
    assert set(chosen[:count]) <= set(present)
    front = pinned[:k]
    assert chosen[: len(front)].tolist() == front.tolist()


@every_method
@pytest.mark.parametrize("diversity", [0.8, 1.0])
def test_the_others_differ_from_what_is_pinned(method, diversity):
    vectors, relevance, label = clusters(5)
    pinned = [7, 12]  # of groups 1 and 2
    chosen = rerank(vectors, relevance, 4, method=method, diversity=diversity, pinned=pinned)
    assert chosen[:2].tolist() == pinned
    assert set(label[chosen[2:]]) == {0, 3}


@every_method
def test_blocked_items_are_as_if_they_were_not_there(method):
    vectors, relevance, _ = clusters(6)
    kept = np.array([0, 2, 3, 6, 9, 11, 14, 15, 19])
    allowed = np.zeros(20, bool)
    allowed[kept] = True
    alone = kept[rerank(vectors[kept], relevance[kept], 5, method=method)]
    np.testing.assert_array_equal(rerank(vectors, relevance, 5, method=method, allowed=allowed), alone)
    absent = np.where(allowed, relevance, np.nan)
    spoiled = np.where(allowed[:, None], vectors, np.nan)
    np.testing.assert_array_equal(rerank(spoiled, absent, 5, method=method), alone)


def test_dpp_fills_up_by_relevance_when_nothing_new_is_left():
    # Three directions among nine items: after one of each there is nothing new.
    vectors = np.repeat(np.eye(3), 3, axis=0) * np.arange(1, 10)[:, None]
    relevance = np.array([0.9, 0.1, 0.5, 0.8, 0.3, 0.2, 0.7, 0.6, 0.4])
    chosen = rerank(vectors, relevance, 9, method="dpp", diversity=0.9)
    assert chosen[:3].tolist() == [0, 3, 6]
    assert chosen[3:].tolist() == [7, 2, 8, 4, 5, 1]


@pytest.mark.parametrize("diversity", [0.03, 0.5, 1.0])
def test_dpp_stands_one_relevance_far_above_thousands(diversity):
    # With pyversity's z-scores its weights overflow float32 here.
    rng = np.random.default_rng(8)
    vectors = rng.normal(size=(8000, 4))
    relevance = rng.random(8000) * 1e-3
    relevance[5] = 1e6
    with pytest.warns(RuntimeWarning):
        pyversity.dpp(vectors, relevance, 3, diversity=0.0001)
    chosen = rerank(vectors, relevance, 3, method="dpp", diversity=diversity)
    assert chosen[0] == 5
    assert len(set(chosen)) == 3


def test_cover_means_the_same_for_long_and_short_lists():
    # Ten copies of each item cover ten times as much; without a scale relevance would drown.
    rng = np.random.default_rng(9)
    vectors, relevance = rng.random((8, 3)), rng.random(8)
    for diversity in (0.2, 0.5, 0.8):
        short = rerank(vectors, relevance, 1, method="cover", diversity=diversity)
        many = rerank(
            np.tile(vectors, (10, 1)), np.tile(relevance, 10), 1, method="cover", diversity=diversity
        )
        assert many.tolist() == short.tolist()
    assert short[0] != np.argmax(relevance)


VECTORS, RELEVANCE = np.eye(4), np.arange(4.0)


@pytest.mark.parametrize(
    "arguments",
    [
        {"k": 0},
        {"k": 2.5},
        {"method": "best"},
        {"diversity": 1.1},
        {"diversity": -0.1},
        {"diversity": float("nan")},
        {"vectors": np.eye(3)},
        {"vectors": np.ones((2, 4, 3))},
        {"vectors": np.ones(4)},
        {"vectors": np.full((4, 2), np.nan)},
        {"vectors": [[1.0], [1.0, 2.0], [0.0], [0.0]]},
        {"relevance": np.ones((1, 1, 4))},
        {"relevance": [0.0, 1.0, 2.0, np.inf]},
        {"allowed": np.ones(3, bool)},
        {"allowed": np.ones(4)},
        {"pinned": [4]},
        {"pinned": [-2]},
        {"pinned": [1, 1]},
        {"pinned": [0.5]},
        {"pinned": [[0], [1]]},
        {"pinned": [1], "allowed": np.array([True, False, True, True])},
        {"pinned": [1], "relevance": [0.0, np.nan, 1.0, 2.0]},
    ],
)
def test_refuses_bad_input(arguments):
    with pytest.raises(InputError):
        rerank(**{"vectors": VECTORS, "relevance": RELEVANCE, "k": 2, **arguments})


def test_no_items_and_no_lists():
    assert rerank(np.empty((0, 3)), np.empty(0), 2).tolist() == [-1, -1]
    assert rerank(np.empty((0, 4, 3)), np.empty((0, 4)), 2).shape == (0, 2)
    assert rerank(VECTORS, np.full(4, np.nan), 2).tolist() == [-1, -1]
    assert rerank(VECTORS, RELEVANCE, 2, pinned=[-1, 2, -1], diversity=0.0).tolist() == [2, 3]
