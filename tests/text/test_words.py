import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhiyin.text import is_chinese, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("WHITE HANGING HEART T-LIGHT HOLDER", ["white", "hanging", "heart", "t", "light", "holder"]),
        ("Women’s don't WRAP 50'S", ["women", "don't", "wrap", "50"]),
        ("3.5cm, 1,000 pcs; 85123A no_2", ["3.5", "cm", "1,000", "pcs", "85123a", "no", "2"]),
        ("ＲＥＤ Straße ÇA ﬁsh", ["red", "strasse", "ça", "fish"]),
        ("红色复古茶具，iPhone手机壳 2个", ["红色", "复古", "茶具", "iphone", "手机", "壳", "2", "个"]),
        ("…!? — ()", []),
        ("", []),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


@given(st.text())
def test_words_are_stable_and_hold_no_space_or_capital(text):
    found = words(text)
    assert all(word and not word.isspace() and word == word.casefold() for word in found if word.isascii())
    assert not any(" " in word for word in found)


@given(st.text(alphabet="红色复古茶具杯子手机壳 ，", max_size=30))
def test_no_chinese_character_is_lost(text):
    assert "".join(words(text)) == text.replace(" ", "").replace("，", "")


@pytest.mark.parametrize(
    ("text", "chinese"),
    [
        ("红色茶杯", True),
        ("iPhone 15 Pro 手机壳", True),
        ("RED MUG", False),
        ("a red mug from 中国", False),
        ("かわいい猫のカップ", False),
        ("12345 !?", False),
        ("", False),
    ],
)
def test_is_chinese(text, chinese):
    assert is_chinese(text) is chinese
