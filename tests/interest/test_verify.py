"""False claims that look true, true claims in the allowed words, and how a text is cut."""

import pytest

from zhiyin.interest import Evidence, EvidenceLine, check_sentence, verified_claims
from zhiyin.interest.verify import split_sentences

CAKE, BOTTLE = "PACK OF 72 RETROSPOT CAKE CASES", "CHOCOLATE HOT WATER BOTTLE"
NINE = tuple(f"p{i}" for i in range(9))
FOUND = Evidence(
    "u",
    (
        EvidenceLine("topic", "paper lantern", "3 of 9 products", 5.0, 3, NINE[:3]),
        EvidenceLine("topic", "candle", "2 of 9 products", 4.0, 2, NINE[3:5]),
        EvidenceLine("topic", "bag", "1 of 9 products", 1.0, 1, NINE[5:6]),
        EvidenceLine("attribute", "brand: Acme", "4 of 9 products", 3.0, 4, NINE[:4]),
        EvidenceLine("product", CAKE, "recent", 1.0, 1, ("p7",)),
        EvidenceLine("product", BOTTLE, "recent", 0.5, 1, ("p8",)),
        EvidenceLine("product", "RED CANDLE", "recent", 0.3, 1, ("p3",)),
        EvidenceLine("price", "price", "1.25 to 2.95, median 1.95", 1.0, 9, NINE),
        EvidenceLine("activity", "activity", "9 products in 11 purchases on 5 days", 1.0, 11, NINE),
        EvidenceLine("recency", "last seen", "7 days ago", 1.0, 1, ("p7",)),
    ),
)

FALSE = [
    # counts bound to the wrong thing
    "Bought 11 paper lantern products.",
    "Bought 9 paper lantern products.",
    "Bought 2 paper lantern products.",
    "Bought 11 CHOCOLATE HOT WATER BOTTLE items.",
    "Bought 1 CHOCOLATE HOT WATER BOTTLE.",
    "Bought 11 Acme products.",
    "Bought 11 products on 5 days.",
    "Bought 9 products on 11 days.",
    "Bought 9 products in 9 purchases on 5 days.",
    "Bought Acme products on 5 days.",
    "Bought 9 products each on 5 days.",
    "3 of 11 products are paper lantern.",
    "9 of 9 products are paper lantern.",
    "2 of 9 products are Acme.",
    "Often buys 3 paper lantern products.",
    "Recently bought 2 candles.",
    "Likes 2 candles.",
    "常买11件candle。",
    "买了11件candle。",
    "在5天里买了11种商品。",
    "在11天里买了9种商品。",
    "最近买了2件candle。",
    # money, shares, and units that the evidence does not have
    "Usually pays 1.25 to 2.95 for £ 11.",
    "Bought paper lantern for £ 11.",
    "Bought paper lantern for 11£.",
    "Usually pays £1.25 to £2.95.",
    "Buys bag 1731 % of the time.",
    "Buys bag 72% of the time.",
    f"Bought {CAKE} for 2.95.",
    "Spends 1.95 on Acme.",
    "Pays 1.25 to 2.95 for Acme.",
    "candle的价格是2.95。",
    "candle的价格中位数是1.95。",
    "通常花费2.95到1.25。",
    "每周花费1.25到2.95。",
    "通常每天花费1.25到2.95。",
    f"Bought {CAKE} 72 days ago.",
    f"Bought {CAKE} on 72 days.",
    f"Pays 72 for {CAKE}.",
    "Bought 72 products.",
    "Made 9 products on 5 days.",
    "Last seen 72 days ago.",
    "Last seen 7 month ago.",
    "Last seen 7 year ago.",
    "Last seen 1.95 days ago.",
    "Last seen 5 days ago.",
    "上次出现在7个月前。",
    "上次出现在5天前。",
    "Usually pays 1.25 to 2.95 per day.",
    "Usually pays 1.25 to 2.95 per order.",
    "Pays 1.25 each week.",
    "Pays 2.95 to 1.25.",
    "Pays 7 to 11.",
    "Usually pays 1.25 to 2.95, median 2.95.",
    "Usually pays 1,25 to 2,95.",
    "Bought 5² products.",
    # recency of what is not known to be recent
    "Last bought paper lantern 7 days ago.",
    "Bought Acme 7 days ago.",
    "上次购买Acme在7天前。",
    "Recently bought paper lantern.",
    "Recently bought Acme.",
    "最近买了paper lantern。",
    "Bought paper lantern, last seen 7 days ago.",
    # quantity, comparison, negation, habit, other people
    "Prefers products without Acme.",
    "Prefers other brand than Acme.",
    "Prefers Acme over candle.",
    "Most products are Acme.",
    "Buys paper lantern each day.",
    "Buys paper lantern every week.",
    "Bought Acme in the last year.",
    "Other customers bought paper lantern.",
    "Customers bought paper lantern.",
    "Does not buy paper lantern.",
    "Will buy paper lantern.",
    "Would have bought paper lantern.",
    "Bought paper lantern or candle.",
    "Often buys bag.",
    f"Often buys {BOTTLE}.",
    f"Prefers {BOTTLE}.",
    "Prefers the brand candle.",
    "Often buys paper lantern?",
    "不买paper lantern。",
    "其他顾客常买paper lantern。",
    "更喜欢Acme。",
    "常买bag。",
    # symbols, word order, parts of names, names run together
    "Often buys paper lantern and 🚲.",
    "Often buys paper lantern \ue000.",
    "Often buys \ue000.",
    "Often buys paper lantern + candle = love.",
    "Bought some bottle water hot chocolate.",
    "Bought lantern paper.",
    "Bought the CHOCOLATE HOT WATER BOTTLE in RETROSPOT.",
    "Bought chocolate.",
    "Bought hot water.",
    "Bought paper.",
    "Bought PACK OF 27 RETROSPOT CAKE CASES.",
    "Bought 72 RETROSPOT CAKE CASES.",
    "Bought paper candle.",
    "Bought paper lantern candle.",
    "Bought candle with Acme.",
    "Bought Acme paper lantern.",
    "常买lantern paper。",
    "常买candle Acme。",
    "常买candle茶。",
    "",
    ".",
]


@pytest.mark.parametrize("claim", FALSE)
def test_false_claims_are_refused(claim):
    assert check_sentence(claim, FOUND) is not None
    kept, rejected = verified_claims(claim, FOUND)
    assert kept == () and len(rejected) == (1 if claim else 0)


def test_false_claims_are_refused_in_one_text_too():
    kept, rejected = verified_claims("\n".join(FALSE), FOUND)
    assert kept == () and len(rejected) == len(FALSE) - 1


TRUE = {
    "Often buys paper lantern.": NINE[:3],
    "Often buys paper lanterns and candles.": NINE[:5],
    "This customer often buys paper lanterns, candles, and prefers Acme.": NINE[:5],
    "The customer likes the chocolate hot water bottle.": ("p8",),
    f"Recently bought {CAKE}; {BOTTLE}.": ("p7", "p8"),
    "Recently bought a candle.": ("p3",),
    "Bought bags.": ("p5",),
    "Bought 3 paper lantern products.": NINE[:3],
    "Bought 4 Acme products.": NINE[:4],
    "Often buys paper lanterns (3 of 9 products).": NINE[:3],
    "3 of 9 products are paper lanterns.": NINE[:3],
    "Prefers brand: Acme.": NINE[:4],
    "Prefers the Acme brand.": NINE[:4],
    "Bought 9 products on 5 days.": NINE,
    "Bought 9 products in 11 purchases on 5 days.": NINE,
    "Made 11 purchases on 5 days.": NINE,
    "Usually pays 1.25 to 2.95.": NINE,
    "Pays 1.25 to 2.95, median 1.95, and was last seen 7 days ago.": NINE,
    "The median price is 1.95.": NINE,
    "Last seen 7 days ago.": ("p7",),
    "这位用户常买paper lantern和candle。": NINE[:5],
    f"最近买了{CAKE}；{BOTTLE}。": ("p7", "p8"),
    "最近买了candle。": ("p3",),
    "买了3件paper lantern。": NINE[:3],
    "9种商品中有3种是paper lantern。": NINE[:3],
    "偏好brand: Acme。": NINE[:4],
    "通常花费1.25到2.95，中位数1.95。": NINE,
    "在5天里分11次买了9种商品。": NINE,
    "上次出现在7天前。": ("p7",),
}


@pytest.mark.parametrize("claim", TRUE)
def test_true_claims_pass_with_their_items_only(claim):
    kept, rejected = verified_claims(claim, FOUND)
    assert rejected == () and [one.text for one in kept] == [claim]
    assert set(kept[0].items) == set(TRUE[claim])
    assert check_sentence(claim, FOUND) is None


def test_reasons_name_what_is_missing():
    assert check_sentence("Often buys ponies.", FOUND) == "'ponies' is not in the evidence"
    assert check_sentence("Bought 72 products.", FOUND) == "the number 72 is not in the evidence"
    assert check_sentence("Prefers products.", FOUND) == "it names nothing of the evidence"
    assert "does not say this" in check_sentence("Recently bought Acme.", FOUND)


@pytest.mark.parametrize(
    "title",
    [
        "T-LIGHTS.",
        "NO. 5 MUG",
        "OF4 50'S MUGS 40x40cm",
        "3D SHEET 250g",
        "DAY BUY 5",
        "!!! 12",
        "红色 蜡烛。",
    ],
)
@pytest.mark.parametrize(
    "form", ["Recently bought {}.", "Bought {}; RED MUG.", "最近买了{}。", "买过RED MUG、{}。"]
)
def test_titles_of_any_shape_are_read_whole(title, form):
    lines = (
        EvidenceLine("product", title, "recent", 1.0, 1, ("a",)),
        EvidenceLine("product", "RED MUG", "recent", 1.0, 1, ("b",)),
    )
    kept, rejected = verified_claims(form.format(title), Evidence("u", lines))
    assert rejected == () and len(kept) == 1


def test_titles_made_of_plain_words_or_figures_do_not_change_the_figures():
    odd = [
        EvidenceLine("product", name, "recent", 1.0, 1, (name,)) for name in ("DAY", "72", "BUY", "products")
    ]
    odd.append(EvidenceLine("topic", "day", "3 of 9 products", 1.0, 3, ("x",)))
    odd.append(EvidenceLine("attribute", "size: 11", "3 of 9 products", 1.0, 3, ("y",)))
    found = Evidence("u", (*odd, *FOUND.lines))
    assert check_sentence("Bought 9 products on 5 days.", found) is None
    assert check_sentence("Often buys days.", found) is None
    assert check_sentence("Prefers size: 11.", found) is None
    for claim in ["Bought 72 products.", "Bought 11 products.", "Bought 72 products on 5 days.", "Pays 72."]:
        assert check_sentence(claim, found) is not None


def test_a_long_text_of_plain_names_is_refused_quickly():
    found = Evidence("u", (EvidenceLine("topic", "day", "3 of 9 products", 1.0, 3, ("x",)),))
    assert check_sentence("day " * 5000, found) is not None


def test_sentences_are_cut_at_their_ends_only():
    assert split_sentences("Pays 1.25 to 2.95. Last seen 7 days ago.\n\n常买candle。上次出现在7天前。") == [
        "Pays 1.25 to 2.95.", "Last seen 7 days ago.", "常买candle。", "上次出现在7天前。",
    ]  # fmt: skip
    assert split_sentences(" \n ") == []
    line = EvidenceLine("product", "NO. 5 MUG", "recent", 1.0, 1, ("a",))
    assert len(split_sentences("Bought NO. 5 MUG. Bought tea.", Evidence("u", (line,)))) == 2
