"""What each method computes, against a slow and plain computation."""

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from zhiyin.errors import InputError
from zhiyin.retrieve import ScoringRetriever, make_retriever, top_n
from zhiyin.retrieve.pooling import pool_lists
from zhiyin.retrieve.weights import learn_weights
from zhiyin.testing import small_split
from zhiyin.testing.data import queries_for
from zhiyin.types import Candidates, Queries, Ragged

TRAIN = small_split().train
QUERIES = queries_for(["u0", "u1", "u5"])


def test_popular_counts_users():
    scores = make_retriever("popular").fit(TRAIN).scores(QUERIES)
    assert scores[0].tolist() == TRAIN.matrix.toarray().sum(axis=0).tolist()


def test_recent_popular_counts_the_window():
    scores = make_retriever("recent-popular", days=10).fit(TRAIN).scores(QUERIES)[0]
    recent = TRAIN.events.filter(TRAIN.events["timestamp"] >= TRAIN.cut - 10 * 86_400)
    expected = np.bincount(recent["item"], minlength=TRAIN.n_items)
    assert np.floor(scores).tolist() == expected.tolist()
    assert 0 < len(recent) < TRAIN.n_events


def masked_queries(allowed=None, exclude_seen=True):
    histories = Ragged.from_lists([[3, 1, 3], [], list(range(TRAIN.n_items)), [7]])
    keys = np.arange(4, dtype=np.uint64)
    times = np.array([0.0, TRAIN.cut, TRAIN.cut, 4e9])
    return Queries((None,) * 4, histories, keys, times=times, allowed=allowed, exclude_seen=exclude_seen)


@pytest.mark.parametrize("name", ["popular", "recent-popular", "item-knn"])
@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("masks", ["none", "one", "each"])
def test_short_cuts_find_what_all_scores_would(name, exclude_seen, masks):
    rng = np.random.default_rng(3)
    shape = {"none": None, "one": (TRAIN.n_items,), "each": (4, TRAIN.n_items)}[masks]
    queries = masked_queries(None if shape is None else rng.random(shape) < 0.5, exclude_seen)
    retriever = make_retriever(name).fit(TRAIN)
    for n in (1, 5, TRAIN.n_items + 3):
        found = retriever.retrieve(queries, n)
        plain = ScoringRetriever._best(retriever, queries, n)
        assert found.items.tolist() == plain.items.tolist()
        assert found.scores.tolist() == plain.scores.tolist()


def test_als_solves_users_as_the_library_does():
    from implicit.cpu.als import AlternatingLeastSquares

    als = make_retriever("als", factors=8, regularisation=0.7, confidence=2.0).fit(TRAIN)
    theirs = AlternatingLeastSquares(factors=8, regularization=0.7, alpha=2.0)
    theirs.item_factors = als.item_factors_
    some = TRAIN.matrix[:20]
    expected = theirs.recalculate_user(np.arange(20), sparse.csr_matrix(some))
    assert als.solve(some) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("similarity", ["cosine", "jaccard"])
def test_item_knn_against_loops(similarity):
    shrinkage = 2.0
    knn = make_retriever("item-knn", neighbours=10_000, shrinkage=shrinkage, similarity=similarity).fit(TRAIN)
    x = TRAIN.matrix.toarray()
    counts = x.sum(axis=0)
    n = TRAIN.n_items
    expected = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            shared = (x[:, i] * x[:, j]).sum()
            if similarity == "cosine":
                below = np.sqrt(counts[i] * counts[j]) + shrinkage
            else:
                below = counts[i] + counts[j] - shared + shrinkage
            expected[i, j] = 0 if i == j else shared / below
    wanted = QUERIES.histories.matrix(n).toarray() @ expected
    found = knn.scores(QUERIES)
    np.testing.assert_allclose(np.where(np.isfinite(found), found, 0), wanted, rtol=1e-4, atol=1e-6)


def test_item_knn_keeps_the_nearest_only():
    knn = make_retriever("item-knn", neighbours=3).fit(TRAIN)
    assert np.diff(knn.pairs_.indptr).max() == 3


def test_ease_against_the_closed_form():
    ease = make_retriever("ease", regularisation=5.0).fit(TRAIN)
    x = TRAIN.matrix.toarray().astype(float)
    p = np.linalg.inv(x.T @ x + 5.0 * np.eye(TRAIN.n_items))
    b = np.eye(TRAIN.n_items) - p / np.diag(p)
    np.testing.assert_allclose(ease.weights_, b, atol=1e-5)
    assert not ease.approximate_


def test_low_rank_ease_is_ease_where_the_rank_is_full():
    exact = make_retriever("ease", regularisation=5.0).fit(TRAIN)
    low = make_retriever("ease", regularisation=5.0, exact_items=3).fit(TRAIN)
    assert low.approximate_ and low.weights_.size == 0
    np.testing.assert_allclose(low.scores(QUERIES), exact.scores(QUERIES), atol=1e-4)
    few = make_retriever("ease", regularisation=5.0, exact_items=3, rank=4).fit(TRAIN)
    assert few.axes_.shape == (TRAIN.n_items, 4)
    one, two = few.retrieve(QUERIES, 8).items, exact.retrieve(QUERIES, 8).items
    assert np.mean([len(set(a) & set(b)) / 8 for a, b in zip(one, two, strict=True)]) > 0.6


def test_als_solves_the_user_of_hu_koren_volinsky():
    als = make_retriever("als", factors=4, regularisation=2.0, confidence=3.0, epochs=3).fit(TRAIN)
    items = als.item_factors_.astype(float)
    x = QUERIES.histories.matrix(TRAIN.n_items).toarray()
    for row, scores in enumerate(als.scores(QUERIES)):
        confidence = 3.0 * x[row]
        weights = np.where(x[row] > 0, confidence, 1.0)
        gram = items.T @ (items * weights[:, None]) + 2.0 * np.eye(4)
        user = np.linalg.solve(gram, items.T @ confidence)
        # Three steps of conjugate gradient come near the exact solution, not onto it.
        assert np.corrcoef(items @ user, scores)[0, 1] > 0.95


def test_semantic_hears_what_is_said():
    from dataclasses import replace

    semantic = make_retriever("semantic").fit(TRAIN)
    asked = replace(queries_for([None]), texts=("blue mug",))
    best = semantic.retrieve(asked, 3).items[0]
    assert TRAIN.catalogue.titles[best[0]] == "BLUE MUG"
    assert (semantic.retrieve(queries_for([None]), 3).items == -1).all()


def test_semantic_serves_cold_items():
    semantic = make_retriever("semantic").fit(TRAIN)
    cold = TRAIN.catalogue.index_of(["0099"])[0]
    assert TRAIN.counts[cold] == 0
    assert cold in semantic.retrieve(queries_for(["u0"]), 12).items


def test_fusion_is_the_sum_of_reciprocal_ranks():
    members = [{"method": "popular", "weight": 2.0}, {"method": "ease", "weight": 1.0}]
    fusion = make_retriever("fusion", members=members, constant=10.0).fit(TRAIN)
    found = fusion.retrieve(QUERIES, 5)
    parts = {name: make_retriever(name).fit(TRAIN).retrieve(QUERIES, 300) for name in ("popular", "ease")}
    for row in range(len(QUERIES)):
        for place, item in enumerate(found.items[row]):
            expected = 0.0
            for name, weight in (("popular", 2.0), ("ease", 1.0)):
                where = np.flatnonzero(parts[name].items[row] == item)
                expected += weight / (10 + 1 + where[0]) if len(where) else 0
            assert found.scores[row, place] == pytest.approx(expected, rel=1e-5)
    shares = sum(found.features[f"retrieve.{name}"] for name in ("popular", "ease"))
    np.testing.assert_allclose(shares, found.scores, rtol=1e-5)


def test_fusion_learns_to_leave_out_noise():
    rng = np.random.default_rng(0)
    truth = Ragged.from_lists([[row % 20] for row in range(200)])
    good = np.stack([np.roll(np.arange(20), -(row % 20)) for row in range(200)]).astype(np.int32)
    noise = np.stack([rng.permutation(20) for _ in range(200)]).astype(np.int32)
    scores = np.zeros((200, 20), np.float32)
    pool = pool_lists([Candidates(good, scores), Candidates(noise, scores)], constant=60)
    weights = learn_weights(pool, {"good": None, "noise": None}, truth)
    assert weights["noise"] == 0.0 and weights["good"] > 0
    kept = learn_weights(pool, {"good": None, "noise": 1.0}, truth)
    assert kept["noise"] == 1.0


def test_fusion_hears_the_stated_wish_above_the_rest():
    from dataclasses import replace

    members = [{"method": "popular"}, {"method": "ease"}, {"method": "semantic"}]
    fusion = make_retriever("fusion", members=members).fit(TRAIN)
    asked = replace(queries_for(["u0"]), texts=("blue bowl",))
    assert TRAIN.catalogue.titles[fusion.retrieve(asked, 1).items[0, 0]] == "BLUE BOWL"


@pytest.mark.parametrize(
    "members", [[], [{"method": "popular"}, {"method": "popular"}], [{"method": "none"}]]
)
def test_fusion_refuses_odd_members(members):
    with pytest.raises(InputError, match="different members"):
        make_retriever("fusion", members=members).fit(TRAIN)


def test_top_n_orders_ties_by_index_and_pads():
    scores = np.float32([[1, 2, 2, np.nan, -np.inf, 2, 0]])
    assert top_n(scores, 3).items.tolist() == [[1, 2, 5]]
    assert top_n(scores, 2).items.tolist() == [[1, 2]]
    assert top_n(scores, 8).items.tolist() == [[1, 2, 5, 0, 6, -1, -1, -1]]


@pytest.mark.parametrize("distinct", [3, 50, 10**6])
def test_top_n_of_many_equals_a_stable_sort(distinct):
    rng = np.random.default_rng(2)
    scores = rng.integers(0, distinct, (6, 3000)).astype(np.float32)
    scores[1:3, rng.random(3000) < 0.5] = [[np.nan], [-np.inf]]
    scores[3, 5:] = -np.inf  # fewer than asked for
    clean = np.where(np.isnan(scores), -np.inf, scores)
    expected = np.argsort(-clean, axis=1, kind="stable")[:, :20]
    expected[3, 5:] = -1
    assert (top_n(scores, 20).items == expected).all()


def test_the_first_look_finds_what_all_dimensions_find(retail, monkeypatch):
    semantic = make_retriever("semantic").fit(retail)
    queries = Queries(
        ("u",) * 40 + (None,),
        Ragged.from_lists([*retail.histories().take(np.arange(40)).lists(), []]),
        np.arange(41, dtype=np.uint64),
        allowed=np.arange(retail.n_items) % 3 > 0,
    )
    plain = semantic.retrieve(queries, 50)
    monkeypatch.setattr("zhiyin.retrieve.semantic.REDUCED_FROM", 1)
    reduced = semantic.retrieve(queries, 50)
    found = [np.isin(a, b).mean() for a, b in zip(plain.items[:40], reduced.items[:40], strict=True)]
    assert np.mean(found) > 0.99
    assert (reduced.items[40] == -1).all() and (reduced.items[:40] % 3 > 0).all()
    assert (np.diff(reduced.scores[:40], axis=1) <= 0).all()
    catalogue = retail.catalogue.updated(new_item("red retrospot kettle"))
    grown = semantic.with_catalogue(catalogue, np.array([retail.n_items], np.int32))
    wish = Queries((None,), Ragged.from_lists([[]]), np.zeros(1, np.uint64), texts=("red retrospot kettle",))
    assert grown.retrieve(wish, 3).items[0, 0] == retail.n_items


def new_item(title):
    return pl.DataFrame({"item_id": ["new"], "title": [title]})


def test_top_n_equals_a_stable_sort():
    rng = np.random.default_rng(1)
    scores = rng.integers(0, 6, (50, 40)).astype(np.float32)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :7]
    assert (top_n(scores, 7).items == expected).all()
