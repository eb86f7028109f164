"""Items nobody took, told by those that read alike."""

import numpy as np
import polars as pl
import pytest

from zhiyin.data import Dataset
from zhiyin.retrieve import make_retriever
from zhiyin.retrieve.newcomers import Newcomers, resemblance
from zhiyin.retrieve.reading import ItemReader
from zhiyin.testing import small_dataset
from zhiyin.testing.data import COLD_ITEM, queries_for
from zhiyin.types import Queries


def few():
    vectors = np.float32([[1, 0], [0, 1], [0.8, 0.6], [0, 0], [0.9, np.sqrt(0.19)]])
    words = np.array([[0, -1], [1, -1], [0, 1], [-1, -1], [0, -1]])
    return ItemReader("none", vectors, np.zeros(2, np.float32), words, ("red", "tea"))


TAKEN = np.array([True, True, False, False, True])
ASKED = np.array([2, 3], dtype=np.int32)


def test_weights_are_those_of_kriging():
    reader = few()
    rarity = np.log1p(3 / np.array([2, 1]))
    said = np.array([[rarity[0], 0], [0, rarity[1]], rarity, [0, 0], [rarity[0], 0]])
    said /= np.maximum(np.linalg.norm(said, axis=1, keepdims=True), 1e-9)
    kernel = np.exp(reader.vectors @ reader.vectors.T + said @ said.T - 2)
    known = np.flatnonzero(TAKEN)
    expected = np.linalg.solve(kernel[np.ix_(known, known)] + 0.7 * np.eye(3), kernel[known, 2])
    found = resemblance(reader, ASKED, TAKEN, noise=0.7).toarray()
    np.testing.assert_allclose(found[0, known], expected, rtol=1e-4)
    assert not found[:, ~TAKEN].any() and not found[1].any()  # item 3 has no text
    nobody = resemblance(reader, ASKED, np.zeros(5, dtype=bool), noise=0.7)
    assert nobody.shape == (2, 5) and nobody.nnz == 0


def test_only_the_nearest_tell(monkeypatch):
    monkeypatch.setattr("zhiyin.retrieve.newcomers.NEAREST", 2)
    found = resemblance(few(), ASKED[:1], TAKEN, noise=0.7)
    assert sorted(found.indices.tolist()) == [1, 4]


def test_newcomers_are_read_as_if_they_had_been_there():
    dataset = small_dataset()
    old, taken = dataset.catalogue, dataset.counts > 0
    fresh = pl.DataFrame({"item_id": ["fresh", "mute"], "title": [old.titles[0] + " MINI", ""]})
    new = old.updated(fresh)
    changed = np.arange(len(old), len(new), dtype=np.int32)
    before = Newcomers.of(old, taken, encoder="minilm-l6", noise=0.5)
    grown = before.read(new, changed)
    assert len(old) in grown.items and len(old) + 1 not in grown.items
    assert set(before.items) == set(grown.items) - {len(old)}
    kept = grown.told[np.flatnonzero(grown.items != len(old))].toarray()
    np.testing.assert_array_equal(kept[:, : len(old)], before.told.toarray())
    renamed = new.updated(pl.DataFrame({"item_id": ["mute"], "title": [old.titles[0] + " MINI"]}))
    both = grown.read(renamed, changed[1:]).told.toarray()[-2:]
    np.testing.assert_allclose(both[0], both[1], atol=1e-6)
    again = Newcomers.from_state("minilm-l6", grown.state())
    assert (again.told != grown.told).nnz == 0 and again.noise == 0.5


def kinds():
    """Users take of one kind only; of each kind two items that nobody took."""
    names = [["red", "crimson", "scarlet"], ["tea", "coffee", "cocoa"]]
    titles = {f"{kind}{at}": f"{names[kind][at % 3]} {'cup mug pot'.split()[at // 3 % 3]} {at}"
              for kind in range(2) for at in range(10)}  # fmt: skip
    draws = np.random.default_rng(0)
    rows = [(f"u{user}", f"{user % 2}{at}") for user in range(40) for at in draws.permutation(8)[:4]]
    events = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    items = pl.DataFrame({"item_id": list(titles), "title": list(titles.values())})
    return Dataset.from_frames(events, items)


@pytest.mark.parametrize("exact_items", [1000, 3])
def test_ease_finds_items_nobody_took_by_their_texts(exact_items, tmp_path):
    data = kinds()
    cold = data.catalogue.index_of(["08", "09", "18", "19"])
    allowed = np.zeros(data.n_items, dtype=bool)
    allowed[cold] = True
    queries = queries_for([f"u{user}" for user in range(20)], dataset=data)
    narrowed = Queries(queries.users, queries.histories, queries.keys, allowed=allowed)
    ease = make_retriever("ease", texts=True, regularisation=5.0, exact_items=exact_items).fit(data)
    found = ease.retrieve(narrowed, 2)
    names = [data.catalogue.ids_of(row) for row in found.items]
    right = [name[0] == str(user % 2) for user, row in enumerate(names) for name in row]
    assert np.mean(right) > 0.9
    ease.save(tmp_path)
    np.testing.assert_array_equal(type(ease).load(tmp_path).retrieve(narrowed, 2).scores, found.scores)
    silent = make_retriever("ease", regularisation=5.0, exact_items=exact_items).fit(data)
    assert np.abs(silent.scores(queries)[:, cold]).max() < 1e-6


def test_ease_takes_in_new_items_while_it_serves():
    dataset = small_dataset()
    ease = make_retriever("ease", texts=True).fit(dataset)
    old = dataset.catalogue
    cold = old.index_of([COLD_ITEM])[0]
    new = old.updated(pl.DataFrame({"item_id": ["fresh"], "title": [old.titles[cold]]}))
    changed = np.array([len(old)], dtype=np.int32)
    queries = queries_for(["u0", "u1", "u5"])
    before = ease.scores(queries)
    after = ease.with_catalogue(new, changed).scores(queries)
    np.testing.assert_allclose(after[:, : len(old)], before, atol=1e-6)
    np.testing.assert_allclose(after[:, len(old)], before[:, cold], atol=1e-6)
    plain = make_retriever("ease").fit(dataset)
    assert plain.with_catalogue(new, changed).scores(queries).shape == before.shape
