"""Text encoders from packaged weights."""

import shutil

import numpy as np
import pytest

from zhiyin.errors import ModelError
from zhiyin.lm import load_text_encoder
from zhiyin.lm.find import find_encoder
from zhiyin.types import TextEncoder


@pytest.fixture(scope="module", params=["minilm-l6", "multilingual"])
def encoder(request):
    return load_text_encoder(request.param)


TEXTS = ["red candle holder", "a candle in a red glass", "bicycle pump", "", "  \n", "RED CANDLE " * 300]


def test_vectors_have_unit_length_and_empty_texts_are_zero(encoder):
    assert isinstance(encoder, TextEncoder)
    vectors = encoder.encode(TEXTS)
    assert vectors.dtype == np.float32 and vectors.shape == (6, encoder.dimension)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 1, 1, 0, 0, 1], atol=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
    assert encoder.encode([]).shape == (0, encoder.dimension)
    assert encoder.encode([""]).tolist() == [[0.0] * encoder.dimension]


def test_a_text_alone_equals_itself_in_a_batch(encoder):
    texts = [
        " ".join(["cup", "of", "tea", "blue"][: 1 + index % 4] * (1 + index % 7)) for index in range(300)
    ]
    together = encoder.encode(texts)
    alone = np.concatenate([encoder.encode([text]) for text in texts[:12]])
    np.testing.assert_allclose(together[:12], alone, atol=1e-5)


def test_languages_meet():
    encoder = load_text_encoder("multilingual")
    english, chinese, other = encoder.encode(["red candle", "红色的蜡烛", "a bicycle pump"])
    assert english @ chinese > max(english @ other, chinese @ other) + 0.2


def test_minilm_equals_sentence_transformers():
    texts = [*TEXTS[:3], TEXTS[5], "Ångström 5% off!"]
    place = find_encoder("minilm-l6").path
    from zhiyin.lm.encoder import _SentenceTransformer

    expected = _SentenceTransformer(str(place)).embed(texts)
    np.testing.assert_allclose(load_text_encoder("minilm-l6").encode(texts), expected, atol=1e-5)


def test_a_folder_of_another_kind_goes_through_sentence_transformers(tmp_path):
    place = tmp_path / "cls"
    shutil.copytree(find_encoder("minilm-l6").path, place)
    pooling = place / "1_Pooling" / "config.json"
    pooling.write_text(
        pooling.read_text()
        .replace('mean_tokens": true', 'mean_tokens": false')
        .replace('cls_token": false', 'cls_token": true')
    )
    texts = ["red candle holder", "bicycle pump"]
    other, mean = load_text_encoder(place).encode(texts), load_text_encoder("minilm-l6").encode(texts)
    np.testing.assert_allclose(np.linalg.norm(other, axis=1), 1, atol=1e-5)
    assert np.abs(other - mean).max() > 0.01


def test_damaged_folders_are_named(tmp_path):
    place = tmp_path / "minilm"
    shutil.copytree(find_encoder("minilm-l6").path, place)
    weights = place / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1_000_000])
    with pytest.raises(ModelError, match=r"model\.safetensors is damaged"):
        load_text_encoder(place)
    with pytest.raises(ModelError, match="'minilm-l6', 'multilingual'"):
        load_text_encoder("minilm-l7")
