"""Augmentation changes what it says it changes, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhiyin.errors import InputError
from zhiyin.text import words
from zhiyin.text.augment import (
    back_translate,
    drop_words,
    paraphrase,
    replace_synonyms,
    shuffle_baskets,
    subsample,
)


def rng(seed=0):
    return np.random.default_rng(seed)


@given(st.text(max_size=60), st.floats(0, 0.99), st.integers(0, 99))
def test_words_that_stay_keep_their_order(text, share, seed):
    left = iter(words(text))
    made = words(drop_words(text, share=share, rng=rng(seed)))
    assert drop_words(text, share=0.0, rng=rng(seed)) == text
    if words(text) and text.isascii():
        assert made and all(word in left for word in made)


def test_synonyms_keep_capitals_and_everything_else():
    known = {"mug": ["cup"], "茶壶": ["茶罐"]}
    assert replace_synonyms("MUG, mug; 白色茶壶!", known, share=1, rng=rng()) == "CUP, cup; 白色茶罐!"
    assert replace_synonyms("MUG", known, share=0, rng=rng()) == "MUG"
    many = [replace_synonyms("mug", {"mug": ["cup", "beaker"]}, share=1, rng=rng(seed)) for seed in range(20)]
    assert set(many) == {"cup", "beaker"}


def test_histories_lose_the_old_and_baskets_stay_together():
    history = list(range(20))
    kept = subsample(history, share=0.5, rng=rng(), newest=3)
    assert kept == sorted(kept) and kept[-3:] == [17, 18, 19] and 5 < len(kept) < 18
    assert subsample([], share=0.5, rng=rng()) == []
    baskets = [place // 5 for place in history]
    mixed = shuffle_baskets(history, baskets, rng=rng())
    assert mixed != history and sorted(mixed) == history
    assert [one // 5 for one in mixed] == baskets


def test_only_what_still_means_the_same_is_kept():
    texts = ["red mug", "tea set", "blue plate"]
    written = ["a mug in red", "a bicycle", "Blue Plate"]
    assert paraphrase(texts, lambda given: written, lambda a, b: [0.9, 0.2, 1.0]) == [
        "a mug in red",
        None,
        None,
    ]
    assert back_translate(
        ["red mug"], lambda t: ["x"], lambda t: ["red cup<|im_end|>"], lambda a, b: [1]
    ) == ["red cup‹|im_end|›"]
    assert paraphrase([], lambda given: 1 / 0, lambda a, b: 1 / 0) == []
    for write, alike in ((lambda t: [], lambda a, b: [1]), (lambda t: ["x"], lambda a, b: [])):
        with pytest.raises(InputError, match="another number"):
            paraphrase(["red mug"], write, alike)


def test_shares_and_lengths_are_checked():
    for call in (
        lambda: drop_words("a", share=1.0, rng=rng()),
        lambda: replace_synonyms("a", {}, share=2, rng=rng()),
        lambda: subsample([1], share=-1, rng=rng()),
        lambda: subsample([1], share=0.1, newest=-1, rng=rng()),
        lambda: shuffle_baskets([1], [], rng=rng()),
    ):
        with pytest.raises(InputError):
            call()


@pytest.mark.slow
def test_a_language_model_paraphrases_and_the_encoder_checks():
    import zhiyin as zy

    model, encoder = zy.load_language_model("smollm2-135m"), zy.load_text_encoder("minilm-l6")
    texts = ["A red mug that keeps tea warm.", "A white lantern for the garden."]

    def write(given):
        prompts = [
            model.chat_prompt([{"role": "user", "content": f"Rewrite in other words: {one}"}])
            for one in given
        ]
        return model.generate(prompts, max_tokens=30)

    def alike(one, other):
        return (encoder.encode(list(one)) * encoder.encode(list(other))).sum(axis=1)

    found = paraphrase(texts, write, alike, least=0.6)
    assert any(found) and all(one is None or one not in texts for one in found)
