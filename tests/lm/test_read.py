"""A model folder is loaded whole, or one error names the file."""

import json
import os
import subprocess
import sys

import pytest

from zhiyin.errors import InputError, ModelError
from zhiyin.lm import load_language_model


def test_a_folder_works_and_is_shared_while_held(folder):
    model = load_language_model(folder)
    assert load_language_model(str(folder)) is model
    assert load_language_model(folder, dtype="bfloat16") is not model
    assert model.name.startswith("tiny-llama@")
    assert model.count_tokens("abc") == 3


def test_weights_of_one_name_are_told_apart(folder, tmp_path, make_model):
    first = load_language_model(folder)
    make_model("llama", seed=1).save_pretrained(folder)
    assert load_language_model(folder).name != first.name


def test_no_config(folder):
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"not a model folder(.|\n)*config\.json"):
        load_language_model(folder)


@pytest.mark.parametrize("content", ["{", "[]", '{"model_type": "no-such-kind"}'])
def test_damaged_config(folder, content):
    (folder / "config.json").write_text(content)
    with pytest.raises(ModelError, match=r"damaged|cannot be loaded"):
        load_language_model(folder)


@pytest.mark.parametrize("kept", [0, 5, 1000, -1])
def test_truncated_weights(folder, kept):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged"):
        load_language_model(folder)


def test_no_weights(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="holds no weights"):
        load_language_model(folder)


def test_missing_shard(folder):
    index = {"metadata": {}, "weight_map": {"lm_head.weight": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match=r"model-00002-of-00002\.safetensors is missing"):
        load_language_model(folder)


def test_weights_of_another_shape_or_layer(folder):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "intermediate_size": 96}))
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_language_model(folder)
    path.write_text(json.dumps({**config, "num_hidden_layers": 5}))
    with pytest.raises(ModelError, match=r"no weights for model\.layers\.3"):
        load_language_model(folder)


def test_no_tokenizer(folder):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_language_model(folder)


def test_unknown_precision(folder):
    with pytest.raises(InputError, match="float32"):
        load_language_model(folder, dtype="int3")


def test_loading_is_silent_and_offline(folder):
    code = (
        "import sys, zhiyin.lm\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)\n"
        "model = zhiyin.lm.load_language_model(sys.argv[1])\n"
        "print(model.log_likelihood('a', ['b', 'c']).shape)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, folder],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert (done.stdout, done.stderr) == ("(2,)\n", "")
