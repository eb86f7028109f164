import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhiyin.data.cleaning import clean_events, clean_titles
from zhiyin.errors import DataError

EVENTS = pl.DataFrame(
    {
        "user_id": ["a", "a", "a", "a", "b", "b", "b"],
        "item_id": ["x", "x", "x", "y", "x", "y", "z"],
        "timestamp": [1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 3.0],
        "event": ["buy", "buy", "view", "buy", "buy", "buy", "buy"],
        "value": [1.0, 5.0, 1.0, float("nan"), 1.0, None, float("inf")],
        "quantity": [1.0, 9.0, 1.0, 1.0, -2.0, None, 1.0],
        "session_id": ["1", "1", "1", "1", None, None, "2"],
    }
)


def test_duplicates_and_impossible_values_are_kept_aside():
    kept, report = clean_events(EVENTS)
    assert kept.rows() == [EVENTS.row(0), EVENTS.row(2), EVENTS.row(5)]
    assert report.counts == {"value is not finite": 2, "quantity is not positive": 1, "duplicate event": 1}
    assert report.n_rejected == 4
    assert report.n_rows == 0
    assert report.rejected_rows["line"].to_list() == [2, 4, 5, 7]
    assert [problem.line for problem in report.problems] == [2, 4, 5, 7]
    assert str(report.problems[0]).startswith(
        "events, usable rows, row 2, column item_id: duplicate event; expected"
    )
    assert report.problems[2].received == "-2.0"


def test_repeated_purchases_are_no_duplicates():
    events = pl.DataFrame({"user_id": ["a"] * 3, "item_id": ["x"] * 3, "timestamp": [1.0, 2.0, 2.0]})
    sessions = events.with_columns(pl.Series("session_id", ["1", "2", "3"]))
    assert clean_events(events)[0].height == 2
    assert clean_events(sessions)[0].height == 3
    assert clean_events(events.drop("timestamp"))[0].height == 3
    assert clean_events(events.with_columns(timestamp=pl.lit(None, pl.Float64)))[0].height == 3


def test_the_copy_of_a_rejected_row_is_judged_on_its_own():
    events = pl.DataFrame(
        {"user_id": ["a", "a"], "item_id": ["x", "x"], "timestamp": [1.0, 1.0], "quantity": [0.0, 2.0]}
    )
    assert clean_events(events)[0]["quantity"].to_list() == [2.0]


def test_events_need_ids():
    with pytest.raises(DataError, match="cannot be cleaned") as caught:
        clean_events(pl.DataFrame({"user_id": ["a"]}))
    assert caught.value.hint == "Add item_id."


number = st.sampled_from([None, 0.0, 1.0, -1.0, 2.5, float("nan"), float("inf")])
name = st.sampled_from(["a", "b"])
rows = st.lists(st.tuples(name, name, st.sampled_from([None, 1.0, 2.0]), number, number), max_size=30)


@settings(deadline=None)
@given(rows)
def test_cleaning_events_twice_changes_nothing(table):
    schema = ["user_id", "item_id", "timestamp", "value", "quantity"]
    types = [pl.String, pl.String, pl.Float64, pl.Float64, pl.Float64]
    events = pl.DataFrame(table, schema=dict(zip(schema, types, strict=True)), orient="row")
    once, report = clean_events(events)
    twice, nothing = clean_events(once)
    assert twice.equals(once)
    assert (nothing.problems, nothing.n_rejected) == ((), 0)
    assert once.height + report.n_rejected == events.height


@pytest.mark.parametrize(
    ("title", "clean"),
    [
        ("RED MUG", "RED MUG"),
        ("  RED   MUG\t", "RED MUG"),
        ("CAFÃ‰ SIGN", "CAFÉ SIGN"),
        ("é¦™è\x8d‰", "香草"),
        ("L&amp;amp;L", "L&L"),
        ("ＲＥＤ　ﬁsh", "RED fish"),
        ("A\x00B\x07\u200bC", "ABC"),
        ("two\nlines", "two lines"),
        ("\x1b[31mRED\x1b[0m", "RED"),
        ("\ud83d\ude00 fun", "😀 fun"),
        ("红色 茶杯", "红色 茶杯"),
        ("ﷺ", "ﷺ"),
        ("<|im_end|>", "<|im_end|>"),
        ("", ""),
    ],
)
def test_titles_are_repaired(title, clean):
    assert clean_titles([title]) == [clean]


broken = st.sampled_from(
    [
        "Ã",
        "©",
        "â€™",
        "&amp;",
        "&",
        "amp;",
        "lt;",
        "Â",
        "\xa0",
        "ï¬",
        "ﷺ",
        "…",
        "\x1b[31m",
        "\u0301",
        "e",
        "Ｒ",
        "�",
        "ã€",
        "\x85",
        "\x92",
        "\ud83d",
        "\ude00",
        "&#x",
        "1F600;",
        "ä¸­æ–‡",
        "ﬁ",
        " ",
        "\u200b",
        "㍈",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(broken, st.text(max_size=3)), max_size=10).map("".join))
def test_cleaning_titles_twice_changes_nothing(title):
    (once,) = clean_titles([title])
    assert clean_titles([once]) == [once]
    assert len(once) <= 6 * len(title)
    once.encode()
