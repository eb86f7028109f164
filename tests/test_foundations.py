"""Draws, caches, registry, errors, records."""

import numpy as np
import pytest

from zhiyin import logs, registry
from zhiyin.caches import ArrayCache, MemoryCache, content_key
from zhiyin.draws import generator, key_of, keys_of, uniforms
from zhiyin.errors import ConfigError, DataError, InputError, MissingExtraError, ZhiyinError
from zhiyin.extras import require
from zhiyin.types import Candidates, Queries, Ragged


def test_draws_depend_on_seed_key_and_stream_only():
    keys = keys_of(["a", "b", "c"])
    together = uniforms(7, keys, 4)
    assert (uniforms(7, keys[1:2], 4)[0] == together[1]).all()
    assert (uniforms(8, keys, 4) != together).any()
    assert (uniforms(7, keys, 4, stream="other") != together).any()
    assert len(np.unique(together)) == 12
    with pytest.raises(InputError, match="seed"):
        generator(-1, 0)


def test_draws_are_pinned_across_releases():
    assert key_of("17850") == 1073825730085349662
    assert uniforms(7, np.uint64([1]), 2, stream="explore")[0].round(12).tolist() == [
        0.543293894081,
        0.45707520248,
    ]


def test_memory_cache_drops_the_least_recent():
    cache = MemoryCache(10, size_of=len)
    cache.put("a", "xxxx")
    cache.put("b", "yyyy")
    assert cache.get("a") == "xxxx"
    cache.put("c", "zzzz")
    assert cache.get("b") is None and cache.get("a") == "xxxx" and cache.size == 8
    cache.put("d", "w" * 11)
    assert cache.get("d") is None and cache.size == 8


def test_array_cache_is_bounded_and_survives_damage(tmp_path):
    cache = ArrayCache(tmp_path, max_bytes=20_000)
    for number in range(9):
        cache.put(content_key(number), np.full(200, number, np.float64))
        assert sum(path.stat().st_blocks * 512 for path in tmp_path.iterdir()) <= 20_000
    assert 2 <= len(list(tmp_path.iterdir())) < 9
    key = content_key(8)
    assert cache.get(key)[0] == 8
    (tmp_path / f"{key}.npy").write_bytes(b"damaged")
    assert cache.get(key) is None
    assert cache.get(content_key("absent")) is None


def test_array_cache_refuses_pickles(tmp_path):
    np.save(tmp_path / f"{content_key(1)}.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert ArrayCache(tmp_path).get(content_key(1)) is None


def test_registry_names_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'item-knn'"):
        registry.resolve("retriever", "item-kn")
    with pytest.raises(InputError):
        registry.names("no kind")
    with pytest.raises(ConfigError, match="exists already"):
        registry.register("retriever", "popular", "somewhere:Else")


def test_registry_takes_other_peoples_components():
    registry.register("retriever", "theirs", "zhiyin.retrieve.popular:PopularRetriever")
    assert registry.resolve("retriever", "theirs").__name__ == "PopularRetriever"


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_registered_path_resolves(kind):
    assert len(registry.names(kind)) >= 1
    for name in registry.names(kind):
        assert isinstance(registry.resolve(kind, name), type)


def test_errors_say_expected_received_hint():
    error = DataError("bad", expected="x", received="y", hint="z", problems=list(range(30)))
    assert str(error).splitlines()[:4] == ["bad", "  expected: x", "  received: y", "  hint: z"]
    assert "and 10 more" in str(error)
    assert issubclass(MissingExtraError, ZhiyinError) and MissingExtraError("x").exit_code == 3
    assert ZhiyinError("x").exit_code == 2


def test_a_missing_library_names_its_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "plotly", None)
    with pytest.raises(MissingExtraError, match=r"zhiyin\[report\]"):
        require("plotly")


def test_ragged_take_keep_and_matrix():
    ragged = Ragged.from_lists([[3, 1, 3], [], [2]])
    assert [row.tolist() for row in ragged.take([2, 0, 1]).lists()] == [[2], [3, 1, 3], []]
    kept = ragged.keep(ragged.items != 3)
    assert [row.tolist() for row in kept.lists()] == [[1], [], [2]]
    assert ragged.matrix(4).toarray().tolist() == [[0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 1, 0]]
    assert ragged.matrix(3).toarray().tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 1]]
    with pytest.raises(InputError):
        Ragged(np.array([0, 2]), np.int32([1]), np.zeros(1), np.ones(1, np.float32), np.zeros(1, np.int16))


def test_records_refuse_parts_of_different_length():
    with pytest.raises(InputError):
        Queries(users=("a", "b"), histories=Ragged.from_lists([[]]), keys=np.zeros(2, np.uint64))
    with pytest.raises(InputError):
        Candidates(np.zeros((1, 2), np.int32), np.zeros((1, 3), np.float32))


def test_reordered_moves_items_scores_and_features():
    one = Candidates(np.int32([[5, 6, 7]]), np.float32([[3, 2, 1]]), {"f": np.array([[10, 20, 30]])})
    turned = one.reordered(np.array([[2, 0, 1]]))
    assert turned.items.tolist() == [[7, 5, 6]] and turned.scores.tolist() == [[1, 3, 2]]
    assert turned.features["f"].tolist() == [[30, 10, 20]]


def test_without_a_terminal_progress_is_told_in_lines(capsys, monkeypatch):
    logs.configure()
    monkeypatch.setattr(logs, "LINE_SECONDS", 0.0)
    assert list(logs.progress(range(3), "reading")) == [0, 1, 2]
    assert "reading: 2 of 3" in capsys.readouterr().err
    logs.configure(bars=False)
    assert list(logs.progress(iter("ab"), "reading")) == ["a", "b"]
    logs.configure(as_json=True)
    assert list(logs.progress(iter("ab"), "reading")) == ["a", "b"]
    assert capsys.readouterr().err == ""
    logs.configure()
