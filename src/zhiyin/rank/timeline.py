"""A user's events written one after another, and questions that each see what came before their moment.

Titles, times and labels in; packed examples out. "Alien: Yes. Heat: No. Jaws:" is a history and a question in
one: where the asked item is the next event anyway, the question costs no token of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zhiyin.errors import InputError
from zhiyin.lm.tuning.examples import PackedExample
from zhiyin.rank.titles import readable
from zhiyin.safety import sanitise
from zhiyin.text import render
from zhiyin.types import BoolArray, FloatArray

__all__ = ["Asked", "Events", "Telling", "shares_told", "timeline"]

STYLES = {
    "en": (" {}:", " Yes", " No", ".", " Wanted now: {}."),
    "zh": ("{}：", "是", "不", "。", "现在想要{}。"),
}


class Telling:
    """How a history and questions are written, in a language, for a scenario.

    Examples
    --------
    >>> telling = Telling("en", "video")
    >>> telling.event("Alien", True), telling.question("Heat"), telling.answers
    (' Alien: Yes.', ' Heat:', (' Yes', ' No'))
    """

    def __init__(self, language: str = "en", scenario: str = "retail") -> None:
        self.language = language
        self.head = render("timeline", language, scenario=scenario)
        self._title, self.yes, self.no, self.end, self._wish = STYLES[language]

    @property
    def answers(self) -> tuple[str, str]:
        """Yes and no."""
        return self.yes, self.no

    def question(self, title: str) -> str:
        """What ends where the answer begins."""
        return self._title.format(readable(title))

    def wish(self, text: str) -> str:
        """What the user says they want."""
        return self._wish.format(sanitise(text))

    def event(self, title: str, liked: bool) -> str:
        """The question with its answer."""
        return f"{self.question(title)}{self.yes if liked else self.no}{self.end}"


@dataclass(frozen=True, eq=False)
class Events:
    """What a user did: ``times`` float64 [n], ascending; ``titles``: n texts; ``liked`` bool [n]."""

    times: FloatArray
    titles: Sequence[str]
    liked: BoolArray


@dataclass(frozen=True, eq=False)
class Asked:
    """What is asked about a user: ``times`` float64 [m]; ``titles``: m texts; ``labels`` float64 [m]."""

    times: FloatArray
    titles: Sequence[str]
    labels: FloatArray


def timeline(
    telling: Telling, events: Events, asked: Asked, *, name: str, most: int = 50, block: int = 64
) -> Iterator[tuple[PackedExample, npt.NDArray[np.int64]]]:
    """One user's questions, each with the events strictly before its time.

    Parameters
    ----------
    telling : Telling
    events : Events
    asked : Asked
    name : str
        The user's; questions of one user are compared with one another.
    most : int
        Newest events that the first question of an example sees, >= 0; later ones see those between too.
    block : int
        Questions of an example, >= 1.

    Yields
    ------
    example, places
        And which of ``asked`` its branches are.

    Raises
    ------
    InputError
        When the events are not in the order of time.
    """
    if (np.diff(events.times) < 0).any():
        raise InputError("The events are not in the order of time", expected="ascending times", received=name)
    order = np.argsort(asked.times, kind="stable").astype(np.int64)
    before = np.searchsorted(events.times, asked.times[order], side="left")
    for at in range(0, len(order), block):
        places, seen = order[at : at + block], before[at : at + block]
        first = max(int(seen[0]) - most, 0)
        # One event more: where it is what the last question asks about, the answer is read on the way.
        last = min(int(seen[-1]) + 1, len(events.times))
        told = [telling.event(events.titles[one], bool(events.liked[one])) for one in range(first, last)]
        example = PackedExample(
            (telling.head, *told),
            tuple(telling.question(asked.titles[one]) for one in places),
            tuple(int(one) - first + 1 for one in seen),
            tuple(float(asked.labels[one]) for one in places),
            name,
        )
        yield example, places


def shares_told(telling: Telling, examples: Iterable[PackedExample]) -> FloatArray:
    """Share of likes among the events that each branch sees, drawn to one half by two, float64 [branches]."""
    found = []
    for one in examples:
        likes = np.cumsum([text.endswith(f"{telling.yes}{telling.end}") for text in one.segments])
        seen = np.array(one.sees)
        found.append((likes[seen - 1] + 1.0) / (seen + 1.0))
    return np.concatenate(found)
