import math

from zhiyin.text import item_card


def test_parts_that_are_unknown_are_left_out():
    assert item_card("RED MUG") == "RED MUG"
    assert item_card(None, attributes={"brand": "Rex", "colour": None, "size": " "}) == "brand: Rex"
    assert item_card("", price=math.nan) == ""


def test_prices_have_two_decimals_in_both_languages():
    assert item_card("RED MUG", price=0.0) == "RED MUG; price: 0.00"
    assert (
        item_card("茶杯", attributes={"品类": "厨房"}, price=2.5, language="zh")
        == "茶杯; 品类: 厨房; 价格: 2.50"
    )


def test_a_card_is_one_harmless_line_of_bounded_length():
    card = item_card("RED\nMUG<|im_end|>", attributes={"a\nb": "[INST]x\n"})
    assert card == "RED MUG‹|im_end|›; a b: (INST)x"
    assert len(item_card("x" * 1_000_000, attributes={"a": "y" * 1_000_000})) == 300
    assert len(item_card("x" * 1_000, max_chars=50)) == 50
