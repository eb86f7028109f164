"""A GGUF file is converted once, whole or not at all; damage is seen and named."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from zhiyin.errors import ModelError
from zhiyin.lm import convert, load_language_model
from zhiyin.lm.convert import MANIFEST, converted_folder


@pytest.fixture
def counted(monkeypatch):
    """How often a conversion was really done."""
    calls, real = [], convert._convert
    monkeypatch.setattr(convert, "_convert", lambda *arguments: (calls.append(1), real(*arguments)))
    return calls


def test_converted_weights_are_those_of_the_file(gguf, tmp_path, make_model):
    import torch

    model = load_language_model(gguf, cache=tmp_path)
    expected = make_model("llama")
    ids = torch.arange(3, 40)[None]
    with torch.no_grad():
        torch.testing.assert_close(model.model(ids).logits, expected(ids).logits, atol=1e-4, rtol=1e-4)
    assert model.count_tokens("Zöe") == 4
    assert model.name.startswith("tiny@")


def test_second_time_reads_the_cache(gguf, tmp_path, counted):
    first = converted_folder(gguf, cache=tmp_path)
    assert converted_folder(gguf, cache=tmp_path) == first
    assert len(counted) == 1
    assert [path.name for path in first.parent.iterdir() if not path.name.startswith(".")] == [first.name]


@pytest.mark.parametrize("damage", ["truncated", "changed", "missing", "no manifest", "empty manifest"])
def test_a_damaged_cache_is_converted_again(gguf, tmp_path, counted, damage):
    folder = converted_folder(gguf, cache=tmp_path)
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    if damage == "truncated":
        weights.write_bytes(whole[: len(whole) // 2])
    elif damage == "changed":
        weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif damage == "missing":
        (folder / "tokenizer.json").unlink()
    elif damage == "no manifest":
        (folder / MANIFEST).unlink()
    else:
        (folder / MANIFEST).write_text("{}")
    assert converted_folder(gguf, cache=tmp_path) == folder
    assert len(counted) == 2
    assert weights.read_bytes() == whole
    assert json.loads((folder / MANIFEST).read_text())["source"] == gguf.name


def test_leftovers_of_a_killed_process_are_removed(gguf, tmp_path):
    folder = converted_folder(gguf, cache=tmp_path)
    shutil.rmtree(folder)
    dead = folder.parent / f".{folder.name}.draft-1"
    dead.mkdir()
    (dead / "model.safetensors").write_bytes(b"half")
    converted_folder(gguf, cache=tmp_path)
    assert not dead.exists()


CONVERT = """
import sys, pathlib
from zhiyin.lm import convert
real = convert._convert
def slow(gguf, draft):
    (draft / "model.safetensors").write_bytes(b"half")
    print("converting", flush=True)
    {pause}
    real(gguf, draft)
convert._convert = slow
print(convert.converted_folder(pathlib.Path(sys.argv[1]), cache=pathlib.Path(sys.argv[2])), flush=True)
"""


def start(gguf, cache, pause):
    code = CONVERT.format(pause=pause)
    return subprocess.Popen([sys.executable, "-c", code, gguf, cache], stdout=subprocess.PIPE, text=True)


def test_two_processes_started_together_convert_once(gguf, tmp_path):
    both = [start(gguf, tmp_path, "import time; time.sleep(0.5)") for _ in range(2)]
    lines = [one.communicate(timeout=120)[0].splitlines() for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert sorted(len(one) for one in lines) == [1, 2]
    assert lines[0][-1] == lines[1][-1]
    assert len(load_language_model(gguf, cache=tmp_path).token_log_probabilities(["xyz"])[0]) == 2


def test_killed_half_way_leaves_nothing_broken(gguf, tmp_path):
    process = start(gguf, tmp_path, "import time; time.sleep(60)")
    assert process.stdout.readline() == "converting\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
    process.stdout.close()
    assert not [path for path in (tmp_path / "models").iterdir() if not path.name.startswith(".")]
    begun = time.monotonic()
    assert convert._is_sound(converted_folder(gguf, cache=tmp_path))
    assert time.monotonic() - begun < 60
    assert not list((tmp_path / "models").glob(".*draft*"))


@pytest.mark.parametrize("kept", [0, 10, 5_000, -2_000])
def test_a_damaged_gguf_is_named(gguf, tmp_path, kept):
    path = tmp_path / "damaged.gguf"
    path.write_bytes(gguf.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"damaged\.gguf cannot be read"):
        load_language_model(path, cache=tmp_path)
    assert not [one for one in (tmp_path / "models").iterdir() if not one.name.startswith(".")]


def test_noise_is_not_a_gguf(tmp_path):
    path = tmp_path / "noise.gguf"
    path.write_bytes(np.random.default_rng(0).bytes(10_000))
    with pytest.raises(ModelError, match=r"noise\.gguf cannot be read"):
        load_language_model(path, cache=tmp_path)


def test_a_cache_that_cannot_be_written_is_named(gguf, tmp_path):
    place = tmp_path / "file"
    place.touch()
    with pytest.raises(ModelError, match="ZHIYIN_CACHE"):
        converted_folder(gguf, cache=place)


def test_a_full_disk_leaves_nothing(gguf, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(convert, "_convert", full)
    with pytest.raises(ModelError, match="No space left"):
        converted_folder(gguf, cache=tmp_path)
    assert not [one for one in (tmp_path / "models").iterdir() if not one.name.endswith(".lock")]
