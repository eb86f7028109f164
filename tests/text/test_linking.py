"""Mentions in free text: the right item, the right place, and silence where nothing is meant."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zhiyin as zy
from zhiyin.text import TitleLinker, content_words

TITLES = [
    "RED CANDLE HOLDER",
    "WHITE HANGING HEART T-LIGHT HOLDER",
    "REGENCY CAKESTAND 3 TIER",
    "JUMBO BAG RED RETROSPOT",
    "RED RETROSPOT CAKE STAND",
    "VINTAGE UNION JACK BUNTING",
    "复古红色蜡烛台",
    "白色陶瓷茶壶",
    "",
    "CERAMIC CANDLE HOLDER",
]
LINKER = TitleLinker(TITLES)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("I love the red candle holder.", [("red candle holder", 0)]),
        ("do you have white t-light holders?", [("white t-light holders", 1)]),
        ("the Regency Cake Stand, 3 tier please", [("Regency Cake Stand, 3 tier", 2)]),
        ("two jumbo red retrospot bags", [("jumbo red retrospot bags", 3)]),
        ("union jack buntng for the party", [("union jack buntng", 5)]),
        ("我想买复古的红色蜡烛台", [("复古的红色蜡烛台", 6)]),
        ("a red candle holder and vintage bunting", [("red candle holder", 0), ("vintage bunting", 5)]),
    ],
)
def test_what_is_named_is_found(text, found):
    mentions = LINKER.link(text)
    assert [(one.text, one.items[0]) for one in mentions] == found
    for one in mentions:
        assert text[one.start : one.end] == one.text
        assert all(0 < score <= 1 for score in one.scores)


@pytest.mark.parametrize(
    "text", ["", "!!!", "thank you very much", "red", "the of and", "is it open on Sunday?"]
)
def test_where_nothing_is_named_nothing_is_found(text):
    assert LINKER.link(text) == []


def test_several_items_may_be_meant_and_someone_else_may_choose():
    (mention,) = LINKER.link("a candle holder")
    assert set(mention.items) == {0, 9}
    (chosen,) = LINKER.link("a candle holder", prefer=lambda text, items: np.array(items) == 9)
    assert chosen.items[0] == 9
    (single,) = LINKER.link("a candle holder", limit=1)
    assert len(single.items) == 1
    assert LINKER.link("a candle holder", least=0.99) == []


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80))
def test_any_text_gives_mentions_inside_it(text):
    for one in LINKER.link(text):
        assert text[one.start : one.end] == one.text
        assert all(0 <= item < len(TITLES) for item in one.items)


def test_a_text_of_a_megabyte_and_no_titles():
    assert LINKER.link("red candle holder " * 60_000)
    assert TitleLinker([]).link("red mug") == TitleLinker(["", ""]).link("red mug") == []


def test_most_real_titles_are_found_with_a_third_of_their_words_gone():
    titles = zy.load_bundled("online-retail").catalogue.titles
    linker, draw = TitleLinker(titles), np.random.default_rng(3)
    hits = asked = 0
    for item in draw.choice(len(titles), 300, replace=False):
        words = content_words(titles[item])
        if len(words) < 3:
            continue
        kept = [word for word in words if word not in draw.choice(words, len(words) // 3)]
        mentions = linker.link(f"hello, could you send me the {' '.join(kept)} today?", limit=5)
        asked += 1
        hits += any(item in one.items for one in mentions)
    assert asked > 200 and hits / asked > 0.8
