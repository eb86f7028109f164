"""The diversifier of the pipeline: whole rows, depth, cold items, save and load."""

import numpy as np
import pytest

from zhiyin.diversify import METHODS, EmbeddingDiversifier, rerank
from zhiyin.errors import ArtifactError, ConfigError, InputError, NotFittedError
from zhiyin.registry import resolve
from zhiyin.types import Candidates, Diversifier, Queries, Ragged

ITEMS, USERS, WIDTH = 30, 6, 12


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(0).normal(size=(ITEMS, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def candidates():
    rng = np.random.default_rng(1)
    items = np.argsort(rng.random((USERS, ITEMS)), axis=1)[:, :WIDTH].astype(np.int32)
    scores = -np.sort(-rng.normal(size=(USERS, WIDTH)).astype(np.float32), axis=1)
    items[2, 7:], scores[2, 7:] = -1, -np.inf
    items[3, :], scores[3, :] = -1, -np.inf
    items[4, 3] = ITEMS + 5  # newer than the vectors
    return Candidates(items, scores, {"own": scores * 2})


def queries(n=USERS):
    return Queries((None,) * n, Ragged.from_lists([[]] * n), np.arange(n, dtype=np.uint64))


def test_is_the_registered_diversifier():
    assert resolve("diversifier", "embedding") is EmbeddingDiversifier
    assert isinstance(EmbeddingDiversifier(), Diversifier)


@pytest.mark.parametrize("method", METHODS)
def test_reorders_the_same_items_of_each_row(method, vectors, candidates):
    found = EmbeddingDiversifier(method=method).fit(vectors).reorder(queries(), candidates)
    assert not np.array_equal(found.items, candidates.items)
    np.testing.assert_array_equal(np.sort(found.items), np.sort(candidates.items))
    np.testing.assert_array_equal(found.items[2, 7:], -1)
    np.testing.assert_array_equal(found.items[3], -1)
    for row in range(USERS):
        before = dict(zip(candidates.items[row], candidates.scores[row], strict=True))
        for item, score in zip(found.items[row], found.scores[row], strict=True):
            assert before[item] == score
    np.testing.assert_array_equal(found.features["own"], found.scores * 2)


def test_order_is_that_of_rerank(vectors, candidates):
    found = EmbeddingDiversifier(method="dpp", diversity=0.6).fit(vectors).reorder(queries(), candidates)
    row = candidates.items[0]
    order = rerank(vectors[row], candidates.scores[0], WIDTH, method="dpp", diversity=0.6)
    np.testing.assert_array_equal(found.items[0], row[order])


def test_zero_diversity_changes_nothing(vectors, candidates):
    found = EmbeddingDiversifier(diversity=0.0).fit(vectors).reorder(queries(), candidates)
    np.testing.assert_array_equal(found.items, candidates.items)
    np.testing.assert_array_equal(found.scores, candidates.scores)


def test_behind_depth_the_order_stays(vectors, candidates):
    found = EmbeddingDiversifier(diversity=1.0, depth=5).fit(vectors).reorder(queries(), candidates)
    np.testing.assert_array_equal(found.items[:, 5:], candidates.items[:, 5:])
    np.testing.assert_array_equal(np.sort(found.items[:, :5]), np.sort(candidates.items[:, :5]))
    assert not np.array_equal(found.items[:, :5], candidates.items[:, :5])


def test_batch_equals_single_in_chunks_of_any_size(vectors, candidates, monkeypatch):
    diversifier = EmbeddingDiversifier().fit(vectors)
    whole = diversifier.reorder(queries(), candidates)
    for row in range(USERS):
        alone = diversifier.reorder(queries(1), candidates.take([row]))
        np.testing.assert_array_equal(alone.items[0], whole.items[row])
    monkeypatch.setattr("zhiyin.diversify.embedding.CHUNK_BYTES", 1)
    np.testing.assert_array_equal(diversifier.reorder(queries(), candidates).items, whole.items)


def test_an_item_newer_than_the_vectors_resembles_nothing():
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    candidates = Candidates(np.array([[0, 1, 9]], np.int32), np.array([[3.0, 2.0, 1.0]], np.float32))
    found = EmbeddingDiversifier(diversity=0.9).fit(vectors).reorder(queries(1), candidates)
    assert found.items.tolist() == [[0, 9, 1]]


def test_items_without_a_score_come_behind_but_are_kept(vectors):
    candidates = Candidates(
        np.array([[4, 5, 6, 7, -1]], np.int32), np.array([[1.0, np.nan, 0.5, -np.inf, 0.0]], np.float32)
    )
    found = EmbeddingDiversifier().fit(vectors).reorder(queries(1), candidates)
    assert found.items.tolist() == [[4, 6, 5, 7, -1]]


def test_no_candidates(vectors):
    nothing = Candidates(np.empty((2, 0), np.int32), np.empty((2, 0), np.float32))
    assert EmbeddingDiversifier().fit(vectors).reorder(queries(2), nothing).items.shape == (2, 0)
    nobody = Candidates(np.empty((0, 3), np.int32), np.empty((0, 3), np.float32))
    assert EmbeddingDiversifier().fit(vectors).reorder(queries(0), nobody).items.shape == (0, 3)


def test_survives_save_and_load(vectors, candidates, tmp_path):
    diversifier = EmbeddingDiversifier(method="msd", diversity=0.3, depth=8).fit(vectors)
    diversifier.save(tmp_path)
    again = EmbeddingDiversifier.load(tmp_path)
    assert again.config == diversifier.config
    np.testing.assert_array_equal(again.vectors_, vectors)
    np.testing.assert_array_equal(
        again.reorder(queries(), candidates).items, diversifier.reorder(queries(), candidates).items
    )


@pytest.mark.parametrize("content", [None, b"", b"\x93NUMPY junk", b"not an array at all"])
def test_a_damaged_folder_is_named(vectors, tmp_path, content):
    EmbeddingDiversifier().fit(vectors).save(tmp_path)
    path = tmp_path / "vectors.npy"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"vectors\.npy"):
        EmbeddingDiversifier.load(tmp_path)


def test_vectors_are_copied_and_cannot_be_written(vectors):
    mine = vectors.copy()
    diversifier = EmbeddingDiversifier().fit(mine)
    mine[:] = 0
    np.testing.assert_array_equal(diversifier.vectors_, vectors)
    with pytest.raises(ValueError, match="read-only"):
        diversifier.vectors_[0, 0] = 1.0


@pytest.mark.parametrize(
    "params", [{"method": "best"}, {"diversity": 1.5}, {"depth": 0}, {"diversty": 0.5}, {"diversity": None}]
)
def test_refuses_a_wrong_config(params):
    with pytest.raises(ConfigError):
        EmbeddingDiversifier(**params)


def test_refuses_bad_input(vectors, candidates, tmp_path):
    with pytest.raises(NotFittedError):
        EmbeddingDiversifier().reorder(queries(), candidates)
    with pytest.raises(NotFittedError):
        EmbeddingDiversifier().save(tmp_path)
    with pytest.raises(InputError):
        EmbeddingDiversifier().fit(vectors).reorder(queries(2), candidates)
    for table in (vectors[0], np.full((2, 2), np.inf), [[1.0], [1.0, 2.0]], "text"):
        with pytest.raises(InputError):
            EmbeddingDiversifier().fit(table)
