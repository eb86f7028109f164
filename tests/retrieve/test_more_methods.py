"""What each method is for, on data where the answer is known."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from zhiyin.data import Dataset, split_by_time
from zhiyin.errors import ArtifactError, ConfigError, InputError
from zhiyin.retrieve import make_retriever
from zhiyin.retrieve.boosting import Trees
from zhiyin.retrieve.choice import choice_weights
from zhiyin.testing import small_dataset, small_split
from zhiyin.testing.data import queries_for
from zhiyin.types import Queries, Ragged


def asked(rows, values=None):
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    items = np.array([item for row in rows for item in row], dtype=np.int32)
    flat = np.ones(len(items)) if values is None else np.array([one for row in values for one in row])
    times, events = np.arange(len(items), dtype=float), np.zeros(len(items), np.int16)
    histories = Ragged(offsets, items, times, flat.astype(np.float32), events)
    return Queries(users=(None,) * len(rows), histories=histories, keys=np.arange(len(rows), dtype=np.uint64))


def test_user_neighbours_are_counted_by_hand():
    # a and b share x and y; c shares nothing; b also took z.
    events = pl.DataFrame({"user_id": list("aabbbcc"), "item_id": list("xyxyzvw")})
    data = Dataset.from_frames(events)
    x, y, z, v, w = (int(one) for one in data.catalogue.index_of(list("xyzvw")))
    model = make_retriever("user-knn", neighbours=5).fit(data)
    scores = model.scores(asked([[x, y]]))[0]
    assert scores[z] == pytest.approx(
        2 / np.sqrt(2 * 3)
    )  # b's cosine; a has the very history and is nobody new
    assert np.isneginf(scores[[v, w]]).all()
    jaccard = (
        make_retriever("user-knn", similarity="jaccard", shrinkage=1.0).fit(data).scores(asked([[x]]))[0]
    )
    assert jaccard[z] == pytest.approx(1 / (1 + 3 - 1 + 1)) and jaccard[y] == pytest.approx(1 / 4 + 1 / 3)


@pytest.mark.parametrize("name", ["user-knn", "bpr", "bm25", "vectors", "graph"])
def test_tastes_are_told_apart(name):
    split = small_split()
    found = make_retriever(name).fit(split.train).retrieve(queries_for([f"u{n}" for n in range(20)]), 3)
    rows = [(user, items[items >= 0]) for user, items in enumerate(found.items)]
    right = [(items // 12 % 2 == user % 2).mean() for user, items in rows if len(items)]
    assert len(right) >= 18 and np.mean(right) > 0.8


def test_words_find_what_is_said_and_new_items():
    data = small_dataset()
    model = make_retriever("bm25").fit(small_split().train)
    said = asked([[]])
    found = model.retrieve(Queries(said.users, said.histories, said.keys, texts=("a white lantern",)), 1)
    assert data.catalogue.titles[found.items[0, 0]] == "WHITE LANTERN"
    grown = data.catalogue.updated(pl.DataFrame({"item_id": ["new"], "title": ["PURPLE UMBRELLA"]}))
    later = model.with_catalogue(grown, np.array([len(data.catalogue)], dtype=np.int32))
    query = Queries(said.users, said.histories, said.keys, texts=("purple umbrella",))
    assert later.retrieve(query, 1).items[0, 0] == len(data.catalogue)
    assert model.retrieve(query, 1).items[0, 0] == -1


def ratings(seed=0, users=200, items=80, noise=0.1):
    draw = np.random.default_rng(seed)
    left, right = draw.normal(size=(users, 3)), draw.normal(size=(items, 3))
    taste = left @ right.T / 2 + draw.normal(size=(users, 1)) / 2 + draw.normal(size=items) / 2 + 3
    rows, columns = np.nonzero(draw.random((users, items)) < 0.4)
    values = taste[rows, columns] + draw.normal(scale=noise, size=len(rows))
    frame = pl.DataFrame(
        {
            "user_id": [f"u{row}" for row in rows], "item_id": [f"i{column}" for column in columns],
            "value": np.maximum(values, 0.1), "timestamp": draw.random(len(rows)),
        }
    )  # fmt: skip
    return Dataset.from_frames(frame), taste


def test_ratings_are_predicted_better_than_by_means():
    data, _ = ratings()
    split = split_by_time(data, valid=0.1, test=0.2)
    known = split.train.joined(split.valid)
    model = make_retriever("matrix-factorization", factors=3, regularisation=2 / known.n_events).fit(known)
    assert len(model.mse_) == 15 and model.mse_[-1] < 0.5 * model.mse_[0]
    events = split.test.events
    users, items = events["user"].to_numpy(), events["item"].to_numpy()
    truth = events["value"].to_numpy()
    found = model.predict(known.histories(users), items)
    matrix = known.matrix
    mean = matrix.data.mean()
    counts = np.maximum(np.bincount(matrix.indices, minlength=known.n_items), 1)
    by_item = np.asarray(matrix.sum(axis=0)).ravel() / counts
    errors = [np.mean((one - truth) ** 2) for one in (found, by_item[items], mean)]
    assert errors[0] < 0.5 * errors[1] < errors[1] < errors[2]


def test_one_half_step_is_the_textbook_solution():
    data, _ = ratings(users=12, items=9)
    model = make_retriever("matrix-factorization", factors=2, epochs=2).fit(data)
    matrix = data.matrix.toarray()
    row = 3
    seen = np.flatnonzero(matrix[row])
    features = np.column_stack([model.items_[seen, :-1], np.ones(len(seen))])
    target = matrix[row, seen] - model.mean_ - model.items_[seen, -1]
    expected = np.linalg.solve(features.T @ features + model.ridge_ * np.eye(3), features.T @ target)
    found = model.users_of(asked([seen.tolist()], [matrix[row, seen].tolist()]).histories)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_what_a_method_needs_is_asked_for():
    bare = Dataset.from_frames(pl.DataFrame({"user_id": ["a"], "item_id": ["x"]}))
    with pytest.raises(InputError, match="no triples"):
        make_retriever("graph").fit(bare)
    with pytest.raises(InputError, match="which vectors"):
        make_retriever("vectors").fit(bare)
    with pytest.raises(InputError, match="no such vectors"):
        make_retriever("vectors", vectors="sounds").fit(small_dataset())


def test_weights_of_a_choice_are_found():
    draw = np.random.default_rng(0)
    features = draw.normal(size=(3, 3_000, 12)).astype(np.float32)
    truth = np.array([1.5, 0.0, 0.6])
    odds = np.exp(np.einsum("f,fup->up", truth, features))
    odds[:, 10:] = 0.0
    present = odds > 0
    drawn = (draw.random((3_000, 1)) < np.cumsum(odds / odds.sum(axis=1, keepdims=True), axis=1)).argmax(
        axis=1
    )
    taken = np.zeros_like(present)
    taken[np.arange(3_000), drawn] = True
    found = choice_weights(features, present, taken)
    np.testing.assert_allclose(found, truth, atol=0.12)
    assert (found >= 0).all()
    np.testing.assert_array_equal(choice_weights(features, present, np.zeros_like(taken)), 0)


def test_a_blend_uses_what_tells_and_says_so():
    split = small_split()
    members = [{"method": name} for name in ("ease", "bm25")]
    blend = make_retriever("blend", members=members, windows=[30]).fit(split.train, split.valid)
    lately = {"popularity-30", "popularity", "rising-30"}
    assert set(blend.weights_) == {"ease", "ease-log", "bm25", "bm25-log", *lately, "trees"}
    assert min(blend.weights_.values()) >= 0 and max(blend.weights_.values()) > 0
    found = blend.retrieve(queries_for(["u0", "u1", None]), 5)
    told = sum(found.features[f"retrieve.{name}"] for name in ("ease", "bm25", "popularity", "trees"))
    shown = found.items >= 0
    np.testing.assert_allclose(told[shown], found.scores[shown], rtol=1e-5)
    learned = dict(blend.weights_)
    assert blend.fit(split.train.joined(split.valid)).weights_ == learned


def chosen_in_the_middle(draw, users=400, width=30):
    """Items [U, P], features [2, U, P] and what is taken: where the first feature is neither high nor low."""
    items = np.sort(draw.permuted(np.tile(np.arange(200), (users, 1)), axis=1)[:, :width], axis=1)
    features = draw.random((2, users, width)).astype(np.float32)
    odds = 0.6 * np.exp(-(((features[0] - 0.5) / 0.15) ** 2))
    return items.astype(np.int32), features, draw.random(odds.shape) < odds


def test_trees_find_what_no_weights_can():
    items, features, taken = chosen_in_the_middle(np.random.default_rng(1))
    trees, unseen = Trees.grow(features, items, taken, rounds=100, seed=7)
    weights = choice_weights(np.concatenate([features, unseen[None]]), items >= 0, taken)
    assert weights[2] > 0.3 and weights[:2].max() < 0.5 * weights[2]
    told = trees(features, items >= 0)
    assert told.min() >= 0 and told[taken].mean() > told[~taken].mean() + 1
    again = Trees.from_state(trees.state())
    np.testing.assert_array_equal(again(features, items >= 0), told)
    assert (trees(features, np.zeros_like(taken)) == 0).all()


def test_trees_that_know_items_by_heart_are_not_believed():
    draw = np.random.default_rng(2)
    items, features, _ = chosen_in_the_middle(draw)
    mark = draw.random((2, 200)).astype(np.float32)  # tells items apart, says nothing of them
    liked = draw.random(200) < 0.3
    taken = liked[items] & (draw.random(items.shape) < 0.5)
    features = mark[:, items]
    trees, unseen = Trees.grow(features, items, taken, rounds=100, seed=7)
    by_heart = trees(features, items >= 0)
    believed = [
        choice_weights(np.concatenate([features, one[None]]), items >= 0, taken)[2]
        for one in (unseen, by_heart)
    ]
    assert believed[0] < 0.3 * believed[1]
    few = taken & (np.cumsum(taken.ravel()).reshape(taken.shape) <= 20)
    assert Trees.grow(features, items, few, rounds=100, seed=7) is None


def test_trees_of_a_blend_are_silent_where_a_wish_is_stated(tmp_path):
    split = small_split()
    members = [{"method": name} for name in ("ease", "semantic")]
    blend = make_retriever("blend", members=members).fit(split.train, split.valid)
    items, features, taken = chosen_in_the_middle(np.random.default_rng(3))
    wide = np.concatenate([features, np.zeros((len(blend.names) - 2, *items.shape), np.float32)])
    blend.trees_, _ = Trees.grow(wide, items, taken, rounds=20, seed=7)
    blend.weights_["trees"] = 1.0
    blend.save(tmp_path)
    for one in (blend, type(blend).load(tmp_path)):
        found = one.retrieve(replace(queries_for(["u0", "u0"]), texts=(None, "a green lamp")), 5)
        told = found.features["retrieve.trees"]
        assert told[0].max() > 0 and (told[1] == 0).all()


COUNTING = ["random", "popular", "recent-popular", "item-knn", "user-knn", "transitions", "bm25", "graph"]


@pytest.mark.parametrize("name", COUNTING)
def test_new_events_give_what_a_whole_fit_gives(name):
    split, queries = small_split(), queries_for(["u0", "u1", "u2", None])
    more = make_retriever(name).fit(split.train).partial_fit(split.train, split.valid)
    whole = make_retriever(name).fit(split.train.joined(split.valid))
    one, two = more.retrieve(queries, 9), whole.retrieve(queries, 9)
    np.testing.assert_array_equal(one.items, two.items)
    np.testing.assert_allclose(one.scores, two.scores)
    assert more.cut_ == whole.cut_


def test_als_goes_on_from_its_factors():
    split, queries = small_split(), queries_for([f"u{n}" for n in range(40)])
    first = make_retriever("als", factors=8, epochs=20).fit(split.train)
    more = first.partial_fit(split.train, split.valid)
    assert (
        0 < np.abs(more.item_factors_ - first.item_factors_).mean() < 0.5 * np.abs(first.item_factors_).mean()
    )
    whole = make_retriever("als", factors=8, epochs=20).fit(split.train.joined(split.valid))
    pairs = zip(more.retrieve(queries, 5).items, whole.retrieve(queries, 5).items, strict=True)
    assert np.mean([len(set(a) & set(b)) / 5 for a, b in pairs]) > 0.7


def test_what_cannot_learn_more_names_the_other_way():
    split = small_split()
    with pytest.raises(InputError, match="starting again") as caught:
        make_retriever("ease").fit(split.train).partial_fit(split.train, split.valid)
    assert "fit(before.joined(new))" in str(caught.value)


def test_damaged_trees_are_refused_before_they_are_read():
    items, features, taken = chosen_in_the_middle(np.random.default_rng(4))
    trees, _ = Trees.grow(features, items, taken, rounds=5, seed=7)
    state = trees.state()
    state["trees"] = state["trees"][:300]
    with pytest.raises(ArtifactError, match="damaged"):
        Trees.from_state(state)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"windows": [-3, 5]}, "greater than or equal to 1"),
        ({"windows": [30, 10]}, "rise"),
        ({"windows": [3, 3]}, "rise"),
        ({"windows": [float("inf")]}, "less than or equal"),
        ({"members": [{"method": "ease", "weight": 2}]}, "learns its weights"),
    ],
)
def test_a_blend_refuses_odd_settings(settings, words):
    with pytest.raises(ConfigError, match=words):
        make_retriever("blend", **{"members": [{"method": "ease"}], **settings})


def test_a_blend_needs_no_window():
    found = make_retriever("blend", members=[{"method": "ease"}], windows=[]).fit(small_split().train)
    assert found.retrieve(queries_for(["u0"]), 3).items.shape == (1, 3)


def test_what_is_allowed_is_told_by_item_and_truth():
    asked = queries_for(["u0", "u1"])
    for wrong in (np.ones(4, dtype=np.int64), np.ones((3, 4), dtype=bool)):
        with pytest.raises(InputError, match="allowed"):
            replace(asked, allowed=wrong)
