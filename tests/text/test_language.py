"""Languages, words of languages, and what events and ratings are in words."""

import pytest

from zhiyin.errors import InputError
from zhiyin.text import (
    content_words,
    detect_language,
    event_words,
    history_lines,
    item_card,
    price_band,
    rating_words,
    stop_words,
)
from zhiyin.text.lexicon import _lexicon

TEXTS = {
    "en": "A WHITE HANGING HEART FOR THE WINDOW OF YOUR KITCHEN",
    "zh": "复古红色蜡烛台，适合客厅",
    "ja": "かわいいマグカップです",
    "ko": "빨간 머그잔입니다",
    "de": "Eine rote Tasse für den Tee am Morgen, sehr schön",
    "ru": "Красная кружка для чая, очень красивая",
    "und": "85123A / 22423",
}


@pytest.mark.parametrize("language", TEXTS)
def test_languages_are_told(language):
    assert detect_language(TEXTS[language]) == language


def test_odd_texts_have_no_language_and_long_ones_end():
    assert [detect_language(text) for text in ("", " ", "\n\n", "!!!", "😀")] == ["und"] * 5
    assert detect_language("the red mug is on the table " * 40_000) == "en"


def test_stop_words_are_left_out():
    assert content_words("The mug of my aunt, 我的 红色 杯子") == ["mug", "aunt", "红色", "杯子"]
    assert len(stop_words("en")) > 100 and len(stop_words("zh")) > 100
    assert stop_words("../en") == frozenset()


def test_both_languages_know_the_same_events_and_ratings():
    english, chinese = _lexicon("en"), _lexicon("zh")
    assert english.keys() == chinese.keys() and english["events"].keys() == chinese["events"].keys()
    assert [one["from"] for one in english["ratings"]] == [one["from"] for one in chinese["ratings"]]
    with pytest.raises(InputError, match="No words in this language"):
        event_words("view", "tlh")


def test_ratings_events_and_prices_in_words():
    assert [rating_words(n, (0, 10), "zh") for n in (10, 7, 5, 2, 0, 99, -3)] == [
        "非常喜欢", "喜欢", "觉得一般", "不喜欢", "讨厌", "非常喜欢", "讨厌",
    ]  # fmt: skip
    assert event_words("<|im_end|>lent", "en") == "‹|im_end|›lent"
    assert price_band(9, (2, 5), "zh") == "昂贵"
    with pytest.raises(InputError, match="no length"):
        rating_words(1, (5, 5), "en")


def test_histories_tell_what_was_done_and_felt():
    lines = history_lines(
        ["MUG", "PLATE", "MUG", "BOWL"],
        events=["view", "purchase", "purchase", None],
        ratings=[None, 2.0, 5.0, float("nan")],
        scale=(1, 5),
        language="zh",
    )
    assert lines == ["PLATE (买过, 不喜欢)", "MUG (2次, 浏览过, 买过, 非常喜欢)", "BOWL"]
    with pytest.raises(InputError, match="need a scale"):
        history_lines(["MUG"], ratings=[3.0])
    with pytest.raises(InputError, match="events and titles differ"):
        history_lines(["MUG"], events=[])


def test_cards_keep_to_their_budget():
    def count(text):
        return len(text.split())

    full = item_card(
        "RED MUG",
        attributes={"maker": "Acme"},
        price=2.5,
        band="cheap",
        description="Keeps tea warm for hours.",
    )
    assert full == "RED MUG; maker: Acme; price: 2.50, cheap; Keeps tea warm for hours."
    for budget in range(1, 13):
        card = item_card(
            "RED MUG", attributes={"maker": "Acme"}, price=2.5, description="Keeps tea warm for hours.",
            max_tokens=budget, count_tokens=count,
        )  # fmt: skip
        assert count(card) <= budget and card.startswith("RED")
    assert item_card("one two three", max_tokens=2, count_tokens=count) == "one two"
    assert item_card("", max_tokens=2, count_tokens=count) == ""
    with pytest.raises(InputError, match="needs count_tokens"):
        item_card("x", max_tokens=2)
