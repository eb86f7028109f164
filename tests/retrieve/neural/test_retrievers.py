"""What trained networks know: order, time, types, texts, ratings; and how they are fitted again."""

import numpy as np
import polars as pl
import pytest
import torch

from zhiyin.data import Dataset
from zhiyin.draws import keys_of
from zhiyin.errors import ArtifactError, InputError
from zhiyin.retrieve import make_retriever
from zhiyin.retrieve.neural import training
from zhiyin.retrieve.neural.ncf import _refused
from zhiyin.retrieve.neural.pretraining import pretrain
from zhiyin.testing.data import COLD_ITEM, queries_for, small_dataset, small_split
from zhiyin.types import Queries, Ragged

DAY = 86_400.0
PLAIN = {"text": "none", "words": False, "dimensions": 16, "dropout": 0.1, "batch": 128}


def dataset_of(rows, **items):
    """From (user, item, time[, event]) and the items' columns."""
    names = ["user_id", "item_id", "timestamp", "event"][: len(rows[0])]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    weights = {"buy": 5.0, "view": 1.0} if "event" in names else None
    return Dataset.from_frames(
        frame.with_columns(pl.col("timestamp").cast(pl.Float64)),
        pl.DataFrame(items) if items else None,
        event_weights=weights,
    )


def first_items(retriever, dataset, histories, times=None):
    """Ids of the best item for each history of ids."""
    rows = [dataset.catalogue.index_of(one).tolist() for one in histories]
    told = Ragged.from_lists(rows)
    users = tuple(f"new {at}" for at in range(len(rows)))
    queries = Queries(users, told, keys_of(users), times=times)
    return dataset.catalogue.ids_of(retriever.retrieve(queries, 1).items[:, 0])


def round_and_round(users=80, items=12, events=8, step=1):
    """Everybody takes the items in one order, beginning anywhere."""
    rng = np.random.default_rng(0)
    starts = rng.integers(items, size=users)
    return [
        (f"u{user}", f"i{(start + step * at) % items:02d}", at * DAY)
        for user, start in enumerate(starts)
        for at in range(events)
    ]


@pytest.mark.parametrize("name", ["sasrec", "two-tower"])
def test_sequence_models_learn_what_comes_next(name):
    dataset = dataset_of(round_and_round())
    retriever = make_retriever(name, **PLAIN, epochs=30, learning_rate=0.01).fit(dataset)
    found = first_items(retriever, dataset, [["i01", "i02"], ["i07", "i08", "i09"]])
    assert found == ["i03", "i10"]


def test_a_sample_of_items_teaches_too():
    dataset = dataset_of(round_and_round())
    retriever = make_retriever("sasrec", **PLAIN, epochs=30, learning_rate=0.01, negatives=3).fit(dataset)
    assert retriever.model_.items.own.sparse
    assert first_items(retriever, dataset, [["i01", "i02"]]) == ["i03"]


def test_the_time_until_the_question_tells():
    rows = []
    for user in range(120):
        late = user % 2
        start = user * DAY
        rows += [(f"u{user}", "first", start), (f"u{user}", "week" if late else "hour",
                 start + (7 * DAY if late else 3600.0))]  # fmt: skip
    dataset = dataset_of(rows)
    retriever = make_retriever("sasrec", **PLAIN, epochs=30, learning_rate=0.01).fit(dataset)
    found = first_items(retriever, dataset, [["first"]] * 2, times=np.array([3600.0, 7 * DAY]))
    assert found == ["hour", "week"]


def test_the_type_of_event_that_weighs_most_is_asked_for():
    rows = []
    for user in range(120):
        item, kind = ("bought", "buy") if user % 2 else ("seen", "view")
        rows += [(f"u{user}", "first", 0.0, "view"), (f"u{user}", item, DAY, kind)]
    dataset = dataset_of(rows)
    retriever = make_retriever("sasrec", **PLAIN, epochs=30, learning_rate=0.01).fit(dataset)
    assert first_items(retriever, dataset, [["first"]], times=np.array([DAY])) == ["bought"]


def test_what_is_known_of_a_user_tells(tmp_path):
    rows = []
    for user in range(120):
        rows += [(f"u{user}", "first", 0.0), (f"u{user}", "north" if user % 2 else "south", DAY)]
    users = pl.DataFrame(
        {
            "user_id": [f"u{at}" for at in range(122)],
            "country": ["SE" if at % 2 else "ES" for at in range(122)],
        }
    )
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    dataset = Dataset.from_frames(frame, users=users)
    tower = make_retriever("two-tower", **PLAIN, epochs=30, learning_rate=0.01).fit(dataset)
    first = Ragged.from_lists([[dataset.catalogue.index_of(["first"])[0]]] * 2)
    queries = Queries(("u120", "u121"), first, keys_of(["u120", "u121"]), times=np.array([DAY, DAY]))
    assert dataset.catalogue.ids_of(tower.retrieve(queries, 1).items[:, 0]) == ["south", "north"]
    tower.save(tmp_path)
    again = type(tower).load(tmp_path).retrieve(queries, 3)
    np.testing.assert_array_equal(again.scores, tower.retrieve(queries, 3).scores)


def two_kinds(prefix, users=60, each=10):
    """Users of two tastes; titles tell which items are of which."""
    rng = np.random.default_rng(len(prefix))
    words = (("red candle", "warm lamp", "tea light"), ("tin plate", "blue mug", "soup bowl"))
    ids = [f"{prefix}{kind}{at}" for kind in range(2) for at in range(each)]
    titles = [f"{words[kind][at % 3]} {at}" for kind in range(2) for at in range(each)]
    rows = [
        (f"{prefix}{user}", ids[int(item) + each * (user % 2)], place * DAY)
        for user in range(users)
        for place, item in enumerate(rng.permutation(each - 2)[:5])
    ]
    return dataset_of(rows, item_id=ids, title=titles)


@pytest.mark.parametrize(
    ("name", "params"),
    [("sasrec", {"forget": 0.3}), ("two-tower", {"forget": 0.3}), ("lightgcn", {})],
)
def test_items_nobody_took_are_found_by_their_text(name, params):
    dataset = two_kinds("a")
    cold = [f"a{kind}{at}" for kind in range(2) for at in (8, 9)]
    allowed = np.zeros(dataset.n_items, dtype=bool)
    allowed[dataset.catalogue.index_of(cold)] = True
    retriever = make_retriever(name, epochs=8, dimensions=16, batch=64, **params).fit(dataset)
    queries = queries_for([f"a{user}" for user in range(20)], dataset=dataset)
    narrowed = Queries(queries.users, queries.histories, queries.keys, allowed=allowed)
    found = retriever.retrieve(narrowed, 2).items
    right = [
        item[1] == str(user % 2) for user, row in enumerate(found) for item in dataset.catalogue.ids_of(row)
    ]
    assert np.mean(right) > 0.9


@pytest.mark.parametrize("name", ["sasrec", "lightgcn"])
def test_a_new_item_is_read_as_if_it_had_been_there(name):
    dataset = small_dataset()
    retriever = make_retriever(name, epochs=1).fit(dataset)
    old = dataset.catalogue
    cold = old.index_of([COLD_ITEM])[0]
    new = old.updated(pl.DataFrame({"item_id": ["fresh"], "title": [old.titles[cold]]}))
    grown = retriever.with_catalogue(new, np.array([len(old)], dtype=np.int32))
    np.testing.assert_allclose(grown._answers()[len(old)], retriever._answers()[cold], atol=1e-5)
    np.testing.assert_allclose(grown._answers()[: len(old)], retriever._answers(), atol=1e-5)


def test_start_from_the_texts():
    dataset = two_kinds("a")
    torch.manual_seed(0)
    retriever = make_retriever("sasrec", text="start", words=False, epochs=1, learning_rate=1e-9)
    own = retriever.fit(dataset).model_.items.own.weight.detach().numpy()
    same = own @ own.T
    kinds = np.repeat([0, 1], 10)
    inside = kinds[:, None] == kinds
    assert same[inside].mean() > same[~inside].mean() + same.std()
    assert retriever.known_.all()  # also those that nobody took


@pytest.mark.parametrize("name", ["sasrec", "lightgcn", "ncf"])
def test_fitted_again_it_trains_as_long_as_was_best(name):
    split = small_split()
    retriever = make_retriever(name, epochs=5, patience=5).fit(split.train, split.valid)
    best = retriever.course_.epochs
    assert 1 <= best <= 5 and len(retriever.course_.qualities) == 5
    again = retriever.fit(split.train.joined(split.valid))
    assert len(again.course_.losses) == best and not again.course_.qualities


def test_a_fit_that_was_stopped_goes_on(monkeypatch):
    monkeypatch.setattr(training, "SAVE_SECONDS", 0.0)
    split, queries = small_split(), queries_for(["u0", "u1", "u2"])
    wanted = make_retriever("sasrec", epochs=4).fit(split.train, split.valid).retrieve(queries, 5)
    stopped = make_retriever("sasrec", epochs=4)
    judge, calls = stopped._judge(split.train, split.valid), []

    def twice():
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return judge()

    monkeypatch.setattr(stopped, "_judge", lambda *_: twice)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(split.train, split.valid)
    again = make_retriever("sasrec", epochs=4).fit(split.train, split.valid)
    assert len(again.course_.losses) == 4
    np.testing.assert_array_equal(again.retrieve(queries, 5).scores, wanted.scores)


def test_what_was_not_taken_is_drawn():
    matrix = small_dataset().matrix
    users = matrix[np.flatnonzero(np.diff(matrix.indptr))]
    draw = np.random.default_rng(0)
    among = np.arange(24)
    found = _refused(users, among, 4, draw)
    assert len(found) == 4 * users.nnz and set(np.unique(found)) <= set(range(24))
    rows = np.repeat(np.repeat(np.arange(users.shape[0]), np.diff(users.indptr)), 4)
    taken = np.asarray(users[rows, found]).ravel() > 0
    assert taken.mean() < 0.01  # a third would be by chance


def rated(users=150, items=30, seed=0):
    """Ratings of two factors and noise."""
    rng = np.random.default_rng(seed)
    one, other = rng.normal(size=(users, 2)), rng.normal(size=(items, 2))
    full = 3.0 + 0.8 * one @ other.T + 0.5 * rng.normal(size=items)
    rows = [(u, i) for u in range(users) for i in rng.permutation(items)[:15]]
    frame = pl.DataFrame(
        {
            "user_id": [f"u{u}" for u, _ in rows],
            "item_id": [f"i{i:02d}" for _, i in rows],
            "value": [float(np.clip(full[u, i], 0.5, 6)) for u, i in rows],
            "timestamp": [float(at % 15) * DAY for at in range(len(rows))],
        }
    )
    return Dataset.from_frames(frame)


def test_ratings_are_foretold_better_than_by_the_means():
    dataset = rated()
    early = pl.col("timestamp") < 12 * DAY
    train, later = dataset.where(early, cut=12 * DAY), dataset.where(~early, cut=dataset.cut)
    model = make_retriever("recommender-model", epochs=30, dropout=0.0, batch=256).fit(train, later)
    users = later.active_users
    held = later.histories(users)
    found = model.predict(train.histories(users).take(held.rows), held.items)
    sums = np.asarray(train.matrix.sum(axis=0)).ravel()
    means = sums / np.maximum(np.bincount(train.matrix.indices, minlength=train.n_items), 1)
    error, rule = (np.sqrt(np.mean((one - held.values) ** 2)) for one in (found, means[held.items]))
    assert error < 0.9 * rule
    assert max(model.course_.qualities) == pytest.approx(-error)
    with pytest.raises(InputError, match="rated"):
        model.predict(train.histories(users), held.items[: len(users)] * 0 - 1)


def test_pretraining_on_one_shop_helps_another(tmp_path):
    shops = [two_kinds("a"), two_kinds("bb")]
    params = {"dimensions": 16, "batch": 64, "words": False, "learning_rate": 0.01}
    course = pretrain([make_retriever("sasrec", **params) for _ in shops], shops, tmp_path, epochs=6)
    assert len(course.losses) == 6 and course.losses[-1] < course.losses[0]
    few = two_kinds("ccc", users=4)
    start = dict(params, epochs=1, learning_rate=1e-9)
    queries = queries_for([f"ccc{user}" for user in range(4)], dataset=few)

    def right(retriever):
        found = retriever.fit(few).retrieve(queries, 3).items
        ids = [few.catalogue.ids_of(row) for row in found]
        return np.mean([item[3] == str(user % 2) for user, row in enumerate(ids) for item in row])

    without = right(make_retriever("sasrec", **start))
    assert right(make_retriever("sasrec", **start, pretrained=str(tmp_path))) > max(without, 0.8)


def test_pretraining_by_masked_events_and_what_does_not_fit(tmp_path):
    shop = two_kinds("a")
    params = {"dimensions": 16, "words": False, "dropout": 0.1}
    course = pretrain([make_retriever("sasrec", **params)], [shop], tmp_path, objective="masked", epochs=12)
    assert course.losses[-1] < course.losses[0]
    make_retriever("sasrec", **params, epochs=1, pretrained=str(tmp_path)).fit(shop)
    for wrong, error in (({"dimensions": 8}, "does not fit"), ({"encoder": "multilingual"}, "does not fit")):
        with pytest.raises(ArtifactError, match=error):
            make_retriever("sasrec", **{**params, **wrong}, pretrained=str(tmp_path)).fit(shop)
    with pytest.raises(ArtifactError):
        make_retriever("sasrec", **params, pretrained=str(tmp_path / "none")).fit(shop)
    with pytest.raises(InputError, match="one retriever a data set"):
        pretrain([], [], tmp_path)
    with pytest.raises(InputError, match="texts"):
        pretrain([make_retriever("sasrec", text="none")], [shop], tmp_path)
    with pytest.raises(InputError, match="attention"):
        pretrain([make_retriever("two-tower")], [shop], tmp_path, objective="masked")
