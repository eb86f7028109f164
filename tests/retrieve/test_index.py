"""An index finds what a loop finds, forgets, grows, builds itself again, and is saved whole."""

import threading

import numpy as np
import pytest

from zhiyin.errors import InputError
from zhiyin.retrieve import index as module
from zhiyin.retrieve import make_retriever
from zhiyin.retrieve.index import VectorIndex
from zhiyin.retrieve.inner_product import InnerProductRetriever
from zhiyin.testing import RETRIEVER_CHECKS
from zhiyin.testing.data import queries_for, small_split

KINDS = ["exact", "hnsw", "ivf-pq"]
N, D = 3000, 16


def vectors(n=N, seed=0):
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(20, D))[rng.integers(20, size=n)] + 0.7 * rng.normal(size=(n, D))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module", params=KINDS)
def index(request):
    return VectorIndex.of(vectors(), kind=request.param)


def share(found, asked, known, k):
    truth = np.argsort(-(asked @ known.T), axis=1)[:, :k]
    return np.mean([len(set(a) & set(b)) / k for a, b in zip(found, truth, strict=True)])


def test_it_finds_as_much_as_it_says(index):
    asked = vectors(100, seed=1)
    items, scores = index.search(asked, 10)
    assert items.dtype == np.int32 and scores.dtype == np.float32
    assert (np.diff(scores, axis=1) <= 1e-6).all()
    assert share(items, asked, vectors(), 10) > (0.999 if index.kind == "exact" else 0.85)
    assert index.recall >= 0.95 and (index.kind == "exact") == (index.recall == 1.0 and index.width == 0)
    np.testing.assert_allclose(scores, np.einsum("qd,qkd->qk", asked, vectors()[items]), atol=1e-5)


@pytest.mark.parametrize("allowed", [1500, 150, 70, 40, 3, 0])
def test_only_allowed_items_and_as_many_as_there_are(index, allowed):
    mask = np.zeros(N, dtype=bool)
    mask[np.random.default_rng(2).permutation(N)[:allowed]] = True
    items, _ = index.search(vectors(100, seed=3), 30, allowed=mask)
    assert ((items >= 0).sum(axis=1) == min(allowed, 30)).all()
    assert mask[items[items >= 0]].all()
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in items)


@pytest.mark.parametrize("kind", KINDS)
def test_removed_items_are_gone_at_once_and_new_ones_are_there(kind):
    index, known = VectorIndex.of(vectors(), kind=kind), vectors()
    index.remove(np.arange(100))
    assert len(index) == N - 100
    assert (index.search(known[:50], 20)[0] >= 100).all()
    index.put(np.array([7, N + 5]), known[[7, 8]])
    assert index.search(known[[7, 8]], 1)[0].ravel().tolist() == [7, N + 5]
    index.put(np.array([7]), -known[[7]])  # another vector for the same item
    assert 7 not in index.search(known[[7]], 20)[0] and len(index) == N - 98


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_built_again_when_a_fifth_is_gone_and_keeps_what_comes_meanwhile(kind):
    index, known = VectorIndex.of(vectors(), kind=kind), vectors()
    index.remove(np.arange(0, N, 4))
    index.put(np.array([N]), known[[0]])
    index.wait()
    assert len(index._items) < N  # what was removed is not carried along
    items = index.search(known[:40], 10)[0]
    assert not np.isin(items, np.arange(0, N, 4)).any() and N in index.search(known[[0]], 1)[0]


def test_it_answers_while_it_is_built_again():
    index, known, wrong = VectorIndex.of(vectors(), kind="hnsw"), vectors(), []

    def ask():
        for _ in range(30):
            if not (index.search(known[:10], 1)[0].ravel() == np.arange(10)).all():
                wrong.append(1)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    index.remove(np.arange(1000, 2000))
    index.wait()
    for thread in threads:
        thread.join()
    assert not wrong


def test_it_is_saved_with_what_is_gone(index):
    other = index.copy()
    other.remove(np.array([5]))
    other.wait()
    again = VectorIndex.from_state(other.state())
    one, two = (each.search(vectors(20, seed=4), 15) for each in (other, again))
    np.testing.assert_array_equal(one[0], two[0])
    assert (again.kind, again.width, len(again)) == (other.kind, other.width, N - 1)
    assert len(index) == N  # a copy is its own


def test_the_kind_is_chosen_by_size_and_recall():
    assert module._kind(199_999, 384, 0.95) == "exact"
    assert module._kind(200_000, 384, 0.95) == "hnsw"
    assert module._kind(200_000, 384, 1.0) == "exact"
    assert module._kind(20_000_000, 384, 0.95) == "ivf-pq"


@pytest.mark.parametrize("wrong", [{"recall": 0.0}, {"recall": 1.5}, {"kind": "tree"}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(InputError, match="index"):
        VectorIndex(4, **wrong)


def test_wrong_questions_are_refused(index):
    with pytest.raises(InputError):
        index.search(np.zeros((1, D + 1), np.float32), 3)
    with pytest.raises(InputError):
        index.put(np.array([1, 1]), np.zeros((2, D), np.float32))
    assert index.search(np.zeros((0, D), np.float32), 3)[0].shape == (0, 3)


INDEXED = ["als", "bpr", "linear-towers", "vectors", "semantic", "lightgcn", "two-tower", "sasrec"]
SMALL = {"als": {"factors": 8, "epochs": 5}, "bpr": {"factors": 8}, "linear-towers": {"dimensions": 8}}
SMALL |= {name: {"epochs": 2} for name in ("lightgcn", "two-tower", "sasrec")}


@pytest.fixture
def always_indexed(monkeypatch):
    monkeypatch.setattr(InnerProductRetriever, "indexed_from", 1)


@pytest.mark.parametrize("check", RETRIEVER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", INDEXED)
@pytest.mark.usefixtures("always_indexed")
def test_contract_with_an_index(name, check):
    check(lambda: make_retriever(name, **SMALL.get(name, {})))


@pytest.mark.parametrize("name", INDEXED)
def test_with_an_index_the_answers_are_the_same(name, monkeypatch):
    split, queries = small_split(), queries_for(["u0", "u1", "u5", None])
    plain = make_retriever(name, **SMALL.get(name, {})).fit(split.train, split.valid).retrieve(queries, 9)
    monkeypatch.setattr(InnerProductRetriever, "indexed_from", 1)
    fitted = make_retriever(name, **SMALL.get(name, {})).fit(split.train, split.valid)
    assert fitted.index_ is not None
    np.testing.assert_array_equal(fitted.retrieve(queries, 9).items, plain.items)


def test_few_vectors_are_looked_at_one_by_one():
    vectors = np.random.default_rng(1).normal(size=(5, 8)).astype(np.float32)
    for kind in ("hnsw", "ivf-pq"):
        few = VectorIndex.of(vectors, kind=kind)
        assert few.search(vectors[:1], 1)[0][0, 0] == np.argmax(vectors @ vectors[0])
        few.remove(np.arange(5))
        few.put(np.array([7, 9]), vectors[:2])
        few.wait()
        assert set(few.search(vectors[:1], 3)[0][0].tolist()) == {7, 9, -1}
    none = VectorIndex.of(vectors[:0], kind="hnsw")
    assert none.search(vectors[:1], 2)[0].tolist() == [[-1, -1]]


@pytest.mark.parametrize("items", [[-5], [7.5], [1, 1]])
def test_items_are_different_whole_numbers(items):
    index = VectorIndex.of(np.eye(3, dtype=np.float32))
    with pytest.raises(InputError, match="One vector an item"):
        index.put(np.array(items), np.ones((len(items), 3), dtype=np.float32))


def test_numbers_that_are_none_are_refused():
    index = VectorIndex.of(np.eye(3, dtype=np.float32))
    wrong = np.array([[1.0, np.nan, 0.0]], dtype=np.float32)
    for call in (
        lambda: VectorIndex.of(wrong),
        lambda: index.put(np.array([9]), wrong),
        lambda: index.search(wrong, 1),
    ):
        with pytest.raises(InputError, match="not finite"):
            call()
