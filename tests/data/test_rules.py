"""Every rule of cleaning: what it finds, what it leaves, and that it finds nothing twice."""

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhiyin.data import Dataset
from zhiyin.data.cleaning import clean, rule_names
from zhiyin.data.cleaning.near_duplicates import near_copies
from zhiyin.data.cleaning.spam import spam_signs
from zhiyin.errors import ConfigError, DataError
from zhiyin.registry import names

NONE = dict.fromkeys(names("cleaner"), False)


def alone(frame, table, rule, params=True):
    kept, report = clean(frame, table, {**NONE, rule: params})
    again, nothing = clean(kept, table, {**NONE, rule: params})
    assert again.equals(kept) and nothing.n_rejected == 0 and nothing.changed_rows.height == 0
    assert list(report.rules) == [rule]
    return kept, report


def events(rows):
    schema = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_every_rule_says_where_it_looks_and_whether_it_runs():
    assert set(rule_names()) == set(names("cleaner")) and len(rule_names()) == 12
    on = {name for name, default in rule_names().items() if default}
    assert on == {"mojibake", "unseen-characters", "unicode", "impossible-values", "returns", "duplicates"}
    for name, kind in rule_names().items():
        assert any(name in rule_names(table) for table in ("events", "items", "texts")), (name, kind)


def test_bursts_are_inhuman_and_baskets_are_not():
    basket = [("shopper", f"i{n}", 1_000.0) for n in range(300)]
    slow = [("reader", f"i{n}", 1_000.0 + 5 * n) for n in range(300)]
    burst = [("scraper", f"i{n}", 5_000.0 + 0.1 * n) for n in range(100)]
    early = [("scraper", "i1", 10.0)]
    frame = events(basket + slow + burst + early)
    kept, report = alone(frame, "events", "inhuman-rates")
    assert report.counts == {"inhuman rate": 100}
    assert kept.filter(user_id="scraper")["timestamp"].to_list() == [10.0]
    assert kept.height == 601
    assert alone(frame, "events", "inhuman-rates", {"moments": 200})[1].counts == {}


def test_programs_are_regular_or_never_sleep():
    clock = [("clock", f"i{n}", 600.0 * n) for n in range(80)]
    person = [("person", f"i{n}", 600.0 * n + 200.0 * (n % 3)) for n in range(80)]
    busy = [("busy", f"i{n}", float(40 * n + (n % 7) * 5)) for n in range(2_100)]
    kept, report = alone(events(clock + person + busy), "events", "bots")
    assert kept["user_id"].unique().to_list() == ["person"]
    assert report.counts == {"too busy for a person": 2_100, "too regular for a person": 80}


def test_times_and_values_out_of_range():
    frame = events([("a", "x", 0.0), ("a", "y", 1.6e9), ("a", "z", 7e9)])
    kept, report = alone(frame, "events", "time-range")
    assert kept["item_id"].to_list() == ["y"]
    assert report.counts == {"time is too early": 1, "time is too late": 1}
    assert alone(frame, "events", "time-range", {"earliest": 0, "latest": 1e10})[0].height == 3
    rated = frame.with_columns(value=pl.Series([1.0, 5.0, None]), quantity=pl.Series([1.0, 2.0, 900.0]))
    bounds = {"value_from": 4, "quantity_to": 100}
    kept, report = alone(rated, "events", "value-range", bounds)
    assert kept["item_id"].to_list() == ["y"]
    assert report.problems[0].expected == "4 to any"


def test_near_copies_of_texts():
    said = [
        "I really love this red mug, it keeps the tea warm for a long time",
        "I really love this red mug, it keeps the tea warm for a long time!!",
        "The blue plate broke after two days, what a pity, would not buy again",
        "I really LOVE this red mug, it keeps the tea warm for a long while",
        "nice",
        "nice",
    ]
    assert near_copies(said, similarity=0.7, least=4) == {1: 0, 3: 0}
    frame = pl.DataFrame({"user_id": list("abcdef"), "text": said})
    kept, report = alone(frame, "texts", "near-duplicate-texts", {"similarity": 0.7})
    assert kept["user_id"].to_list() == ["a", "c", "e", "f"]
    assert "as on line 1" in report.problems[0].received
    items = pl.DataFrame({"item_id": list("abcdef"), "title": said})
    kept, report = alone(items, "items", "near-duplicate-texts", {"similarity": 0.7})
    assert kept.height == 6 and report.rules == {"near-duplicate-texts": 2}


SPAM = [
    "Click here http://win.example.com to get a FREE gift!!!!!!!",
    "加微信 abc12345 免费领取优惠券",
    "Call +44 1234 567 890, best price guaranteed",
    "wechat: seller88, visit us at www.cheap-bags.example",
]
HONEST = [
    "Lovely mug, arrived in 3 days, would buy again.",
    "Sooooo cute! My daughter loves it",
    "质量很好，包装也不错，下次还会买",
    "The click of the lid is satisfying; bought 2 in 2011 and 10 more later",
    "Size 38 fits, I usually wear 37.5. Delivery 12.10.2011",
]


def test_advertising_has_several_signs():
    assert all(len(spam_signs(text)) >= 2 for text in SPAM)
    assert all(len(spam_signs(text)) < 2 for text in HONEST)
    texts = SPAM + HONEST
    frame = pl.DataFrame({"user_id": [str(n) for n in range(len(texts))], "text": texts})
    kept, report = alone(frame, "texts", "spam-texts")
    assert kept["text"].to_list() == HONEST and report.rules == {"spam-texts": len(SPAM)}


def test_text_rules_keep_what_was_there():
    frame = pl.DataFrame(
        {
            "item_id": ["a", "b", "c"],
            "title": ["CAFÃ‰", "abc\u202edef", "ＲＥＤ mug"],
            "category": ["x", None, "y\u200b"],
            "maker_id": ["Ｘ1", "Ｘ2", "Ｘ3"],
        }
    )
    kept, report = clean(frame, "items")
    assert kept["title"].to_list() == ["CAFÉ", "abcdef", "RED mug"]
    assert kept["category"].to_list() == ["x", None, "y"]
    assert kept["maker_id"].to_list() == ["Ｘ1", "Ｘ2", "Ｘ3"]  # ids are never touched
    assert frame["title"][0] == "CAFÃ‰"
    assert report.changed_rows.select("line", "column", "rule", "before", "after").rows() == [
        (1, "title", "mojibake", "CAFÃ‰", "CAFÉ"),
        (2, "title", "unseen-characters", "abc\u202edef", "abcdef"),
        (3, "title", "mojibake", "ＲＥＤ mug", "RED mug"),
        (3, "category", "unseen-characters", "y\u200b", "y"),
    ]
    raw, _ = clean(frame, "items", {"mojibake": False, "unseen-characters": False, "unicode": False})
    assert raw.equals(frame)


def test_unknown_rules_and_parameters_are_refused():
    frame = events([("a", "x", 1.0)])
    with pytest.raises(ConfigError, match="No rule of cleaning is called 'duplicate'") as caught:
        clean(frame, "events", {"duplicate": False})
    assert caught.value.hint == "Did you mean 'duplicates'?"
    with pytest.raises(ConfigError, match="InhumanRates"):
        clean(frame, "events", {"inhuman-rates": {"speed": 3}})
    with pytest.raises(DataError, match="Texts cannot be cleaned"):
        clean(pl.DataFrame({"text": ["x"]}), "texts")


def test_the_file_of_rejected_rows_names_lines_and_rules(tmp_path):
    (tmp_path / "e.csv").write_text(
        "user_id,item_id,timestamp,quantity\na,x,1,1\na,x,1,1\nb,y,2,-1\nb,y,soon,1\nc,z,3,1\n"
    )
    (tmp_path / "i.csv").write_text("item_id,title\nx,CAFÃ‰\ny,MUG\n", encoding="utf-8")
    data = Dataset.from_files(tmp_path / "e.csv", tmp_path / "i.csv", max_rejected=0.5)
    assert (data.n_events, data.report.n_rejected) == (2, 3)
    data.report.write_rejected(tmp_path / "rejected.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "rejected.jsonl").read_text().splitlines()]
    assert [(one["file"], one["line"]) for one in lines] == [
        ("e.csv", 5), ("e.csv", 3), ("e.csv", 4), ("i.csv", 2),
    ]  # fmt: skip
    assert [one.get("reason", one.get("rule")) for one in lines] == [
        "timestamp: not a time", "item_id: duplicate event", "quantity: quantity is not positive", "mojibake",
    ]  # fmt: skip
    kept = Dataset.from_files(tmp_path / "e.csv", max_rejected=0.5, cleaning={"returns": False})
    assert kept.n_events == 3


word = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("ab"), word), max_size=12))
def test_all_rules_together_find_nothing_twice(rows):
    every = dict.fromkeys(names("cleaner"), True) | {"value-range": False, "time-range": False}
    frame = pl.DataFrame(rows, schema={"user_id": pl.String, "text": pl.String}, orient="row")
    once, _ = clean(frame, "texts", every)
    twice, report = clean(once, "texts", every)
    assert twice.equals(once) and report.n_rejected == 0 and report.changed_rows.height == 0


LONG = ["a" * 1_000_000, "a-" * 500_000, "1 " * 500_000, "<" * 1_000_000, "Ã‰" * 400_000, "红" * 300_000]


@pytest.mark.parametrize("text", LONG, ids=range(len(LONG)))
def test_a_cell_of_a_megabyte_is_only_long(text):
    """What grows with the square of the length would not end here."""
    every = dict.fromkeys(names("cleaner"), True)
    frame = pl.DataFrame({"user_id": ["a", "b"], "text": [text, "short"]})
    kept, _ = clean(frame, "texts", every)
    assert kept.height >= 1
