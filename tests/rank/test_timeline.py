"""A user's events and questions in one text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zhiyin.errors import InputError
from zhiyin.rank.timeline import Asked, Events, Telling, timeline
from zhiyin.text.prompts import LANGUAGES, SCENARIOS


def events(*rows):
    times, titles, liked = zip(*rows, strict=True)
    return Events(np.array(times, float), titles, np.array(liked))


def asked(*rows):
    times, titles, labels = zip(*rows, strict=True)
    return Asked(np.array(times, float), titles, np.array(labels, float))


def test_each_question_sees_what_came_strictly_before():
    told = events((1, "Alien", True), (2, "Heat", False), (2, "Jaws", True), (3, "Big", True))
    ((example, places),) = timeline(
        Telling("en", "video"), told, asked((2, "Jaws", 1), (1, "Alien", 1), (4, "Dune", 0)), name="ann"
    )
    assert example.segments[1:] == (" Alien: Yes.", " Heat: No.", " Jaws: Yes.", " Big: Yes.")
    assert places.tolist() == [1, 0, 2] and example.sees == (1, 2, 5)
    assert example.branches == (" Alien:", " Jaws:", " Dune:") and example.labels == (1.0, 1.0, 0.0)


def test_the_newest_events_are_kept_and_long_questionings_are_cut():
    told = events(*((at, f"f{at}", True) for at in range(20)))
    wanted = asked(*((at + 0.5, f"q{at}", 1) for at in range(10, 20)))
    found = list(timeline(Telling(), told, wanted, name="ann", most=3, block=4))
    assert [len(one.branches) for one, _ in found] == [4, 4, 2]
    for example, places in found:
        for branch, seen in zip(places, example.sees, strict=True):
            assert example.segments[seen - 1] == f" f{branch + 10}: Yes."
        assert example.sees[0] == 4


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=20),
    st.lists(st.integers(0, 9), min_size=1, max_size=20),
    st.integers(0, 30),
    st.integers(1, 7),
)
def test_no_question_sees_its_own_moment(times, moments, most, block):
    told = events(*((at, f"e{at}", True) for at in sorted(times)))
    wanted = asked(*((at, f"q{at}", 0) for at in moments))
    seen_by = {}
    for example, places in timeline(Telling(), told, wanted, name="x", most=most, block=block):
        for place, seen in zip(places, example.sees, strict=True):
            seen_by[int(place)] = [int(one[2:-6]) for one in example.segments[1:seen]]
    assert len(seen_by) == len(moments)
    for place, seen in seen_by.items():
        earlier = sorted(at for at in times if at < moments[place])
        assert seen == earlier[len(earlier) - len(seen) :] and len(seen) >= min(most, len(earlier))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_there_is_a_beginning_for_each(language, scenario):
    telling = Telling(language, scenario)
    event = telling.event("X", True)
    assert telling.head and event.startswith(telling.question("X") + telling.yes)


def test_titles_cannot_pose_as_answers():
    telling = Telling("en", "video")
    assert "\n" not in telling.question("Alien\nYes") and telling.question("BIG FISH") == " Big fish:"


def test_events_out_of_order_are_refused():
    with pytest.raises(InputError, match="order of time"):
        list(timeline(Telling(), events((2, "a", True), (1, "b", True)), asked((3, "c", 1)), name="ann"))
