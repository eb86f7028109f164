import pytest
from hypothesis import given
from hypothesis import strategies as st

from zhiyin.errors import InputError
from zhiyin.text import history_lines


def count(text):
    return len(text.split())


def test_newest_items_come_last():
    assert history_lines(["A", "B", "C"]) == ["A", "B", "C"]
    assert history_lines(["A", "B", "C"], max_items=2) == ["B", "C"]
    assert history_lines(["A", "B", "C"], max_items=0) == []
    assert history_lines([]) == []


def test_repeats_are_one_line_at_their_last_place():
    assert history_lines(["A", "B", "A", "A"]) == ["B", "A (3 times)"]
    assert history_lines(["A", "B", "A"], max_items=1, language="zh") == ["A (2次)"]


def test_prices_and_titles():
    lines = history_lines(["A\nB", "", "\u200b", "<s>"], prices=[2.5, 1.0, 1.0, float("nan")])
    assert lines == ["A B, 2.50", "‹s›"]
    assert history_lines(["A", "A"], prices=[1.0, None]) == ["A (2 times)"]


@pytest.mark.parametrize(
    ("days", "english", "chinese"),
    [
        (0, "today", "今天"),
        (0.99, "today", "今天"),
        (1, "yesterday", "昨天"),
        (2, "2 days ago", "2天前"),
        (13.9, "13 days ago", "13天前"),
        (14, "2 weeks ago", "2周前"),
        (59, "8 weeks ago", "8周前"),
        (60, "2 months ago", "2个月前"),
        (729, "24 months ago", "24个月前"),
        (730, "2 years ago", "2年前"),
        (4_000, "10 years ago", "10年前"),
    ],
)
def test_recency_in_words(days, english, chinese):
    assert history_lines(["A"], days_ago=[days]) == [f"A ({english})"]
    assert history_lines(["A"], days_ago=[days], language="zh") == [f"A ({chinese})"]


def test_the_budget_counts_bullets_and_keeps_the_newest():
    titles = ["one", "two words", "three more words", "four"]
    assert history_lines(titles, max_tokens=6, count_tokens=count) == ["three more words", "four"]
    assert history_lines(titles, max_tokens=2, count_tokens=count) == ["four"]
    assert history_lines(titles, max_tokens=1, count_tokens=count) == []


@given(
    st.lists(st.text(alphabet="ab c", min_size=1, max_size=6), max_size=12),
    st.integers(0, 30),
    st.integers(0, 12),
)
def test_lines_never_exceed_the_budget_and_end_with_the_newest(titles, budget, most):
    lines = history_lines(titles, max_items=most, max_tokens=budget, count_tokens=count)
    assert sum(count(f"- {line}\n") for line in lines) <= budget
    assert len(lines) <= most
    everything = history_lines(titles)
    assert lines == everything[len(everything) - len(lines) :]


def test_bad_input():
    with pytest.raises(InputError, match="prices and titles differ in length") as caught:
        history_lines(["A"], prices=[])
    assert (caught.value.expected, caught.value.received) == ("1", "0")
    with pytest.raises(InputError, match="max_tokens needs count_tokens"):
        history_lines(["A"], max_tokens=3)
