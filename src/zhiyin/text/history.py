"""What a user did, line by line, within a token budget; knows strings and numbers, no dataset."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from zhiyin.errors import InputError
from zhiyin.safety import sanitise
from zhiyin.text.cards import price_text
from zhiyin.text.lexicon import event_words, rating_words

__all__ = ["history_lines"]

# Days up to which a unit is used, days in the unit, and the words for it.
UNITS: Final = (
    (14, 1, "day", "天"),
    (60, 7, "week", "周"),
    (730, 30, "month", "个月"),
    (math.inf, 365, "year", "年"),
)


def history_lines(
    titles: Sequence[str],
    *,
    prices: Sequence[float | None] | None = None,
    days_ago: Sequence[float] | None = None,
    events: Sequence[str | None] | None = None,
    ratings: Sequence[float | None] | None = None,
    scale: tuple[float, float] | None = None,
    max_items: int = 20,
    max_tokens: int | None = None,
    count_tokens: Callable[[str], int] | None = None,
    language: str = "en",
) -> list[str]:
    """Write the newest items of a history, one line each, oldest first.

    An item that occurs several times is written once, at its last place, with its count, its last rating
    and the types of all its events. Lines are
    taken from the newest backwards until ``max_items`` or the budget is reached; so the newest
    is never given up for an older one. Items without a visible title are passed over.

    Parameters
    ----------
    titles : sequence of str, length n
        Oldest first; sanitised here.
    prices : sequence of float or None, length n, optional
        In the shop's currency; None or NaN: unknown.
    days_ago : sequence of float, length n, optional
        Age of each event in days, >= 0; where given, a line ends in "3 weeks ago".
    events : sequence of str or None, length n, optional
        Type of each event, put in words: "viewed", "bought".
    ratings : sequence of float or None, length n, optional
        Put in words by their place on ``scale``: "loved", "disliked".
    scale : (float, float), optional
        Lowest and highest rating; required with ``ratings``.
    max_items : int
        Most lines, >= 0.
    max_tokens : int or None
        Budget for all lines, each counted as "- " + line + a line end.
    count_tokens : callable
        Text -> number of tokens; required with ``max_tokens``.
    language : {"en", "zh"}
        Language of the words around the titles.

    Returns
    -------
    list of str
        Without bullets: ``render`` adds them.

    Raises
    ------
    InputError
        When lengths differ, a budget comes without ``count_tokens``, or ratings without a scale.

    Examples
    --------
    >>> history_lines(["RED MUG", "TEA PLATE", "RED MUG"], prices=[2.5, 4.0, 2.5], days_ago=[30, 20, 1])
    ['TEA PLATE, 4.00 (2 weeks ago)', 'RED MUG, 2.50 (2 times, yesterday)']
    >>> kinds = ["rate", "view", "rate"]
    >>> history_lines(["Alien", "Up", "Up"], events=kinds, ratings=[2, None, 5], scale=(1, 5))
    ['Alien (rated, disliked)', 'Up (2 times, viewed, rated, loved)']
    """
    given = {"prices": prices, "days_ago": days_ago, "events": events, "ratings": ratings}
    for name, values in given.items():
        if values is not None and len(values) != len(titles):
            raise InputError(
                f"{name} and titles differ in length", expected=str(len(titles)), received=str(len(values))
            )
    if max_tokens is not None and count_tokens is None:
        raise InputError("max_tokens needs count_tokens", hint="Pass count_tokens=lm.count_tokens.")
    if ratings is not None and scale is None:
        raise InputError("ratings need a scale", hint="Pass scale=(1, 5).")
    counts = Counter(titles)
    told = _told(titles, events, ratings, scale, language)
    last = {title: place for place, title in enumerate(titles)}
    lines: list[str] = []
    left = math.inf if max_tokens is None else float(max_tokens)
    for title, place in sorted(last.items(), key=lambda pair: -pair[1]):
        if len(lines) >= max_items:
            break
        price = None if prices is None else prices[place]
        age = None if days_ago is None else days_ago[place]
        line = _line(title, price, counts[title], told.get(title, ()), age, language)
        if not line:
            continue
        left -= 0 if count_tokens is None or max_tokens is None else count_tokens(f"- {line}\n")
        if left < 0:
            break
        lines.append(line)
    return lines[::-1]


def _told(
    titles: Sequence[str],
    events: Sequence[str | None] | None,
    ratings: Sequence[float | None] | None,
    scale: tuple[float, float] | None,
    language: str,
) -> dict[str, tuple[str, ...]]:
    """What each title's events and its last rating are in words."""
    kinds: dict[str, dict[str, None]] = {}
    stars: dict[str, float] = {}
    for place, title in enumerate(titles):
        event = None if events is None else events[place]
        rating = None if ratings is None else ratings[place]
        if event:
            kinds.setdefault(title, {})[event_words(event, language)] = None
        if rating is not None and not math.isnan(rating):
            stars[title] = rating
    return {
        title: (
            *kinds.get(title, {}),
            *([rating_words(stars[title], scale, language)] if scale is not None and title in stars else []),
        )
        for title in {**kinds, **stars}
    }


def _line(
    title: str, price: float | None, count: int, told: Sequence[str], age: float | None, language: str
) -> str:
    line = sanitise(title)
    if not line:
        return ""
    if price is not None and not math.isnan(price):
        line += f", {price_text(price)}"
    remarks = [_times(count, language)] if count > 1 else []
    remarks += told
    remarks += [] if age is None else [_ago(age, language)]
    return f"{line} ({', '.join(remarks)})" if remarks else line


def _times(count: int, language: str) -> str:
    return f"{count}次" if language == "zh" else f"{count} times"


def _ago(days: float, language: str) -> str:
    if days < 2:
        names = ("今天", "昨天") if language == "zh" else ("today", "yesterday")
        return names[int(days >= 1)]
    _, size, english, chinese = next(unit for unit in UNITS if days < unit[0])
    number = int(days // size)
    if language == "zh":
        return f"{number}{chinese}前"
    return f"{number} {english}{'s' if number > 1 else ''} ago"
