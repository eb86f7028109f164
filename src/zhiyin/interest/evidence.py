"""What a user's behaviour shows, line by line, each with the events behind it; no words yet.

Knows histories and the catalogue, no language model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from zhiyin.data import Catalogue
from zhiyin.text import words
from zhiyin.types import FloatArray, IntArray, Ragged

__all__ = ["Background", "Evidence", "EvidenceLine", "figures", "gather_evidence"]

DAY = 86_400.0
_MARKUP = re.compile(r"<\|[^<>|]{0,40}\|>\w*|\x1b\[[0-9;]*[A-Za-z]")
TOPICS = 5
ATTRIBUTES = 5
RECENT = 3
LEAST_SHARE = 0.2
STOP = frozenset(
    """
    a an and as at by for from in into is it no of on or per set sets pack packs the to with x s pcs
    piece pieces assorted asst asstd design 的 了 和 与 及 套 装 个 款 件
    """.split()
)


@dataclass(frozen=True)
class EvidenceLine:
    """One observation.

    ``kind``: "topic" (a word or phrase of titles), "attribute", "product" (a recent one), "price",
    "activity" or "recency"; ``name``: what it is about; ``value``: the figure in words of the
    table (for a product "recent", or "bought" where there are no times); ``score`` >= 0: how much
    it tells; ``count``: distinct products of a topic or an attribute, events of other kinds behind
    it; ``items``: their ids.
    """

    kind: str
    name: str
    value: str
    score: float
    count: int
    items: tuple[str, ...]


@dataclass(frozen=True)
class Evidence:
    """All lines of one user, strongest first within a kind."""

    user: str | None
    lines: tuple[EvidenceLine, ...]

    def of(self, kind: str) -> tuple[EvidenceLine, ...]:
        """The lines of a kind."""
        return tuple(line for line in self.lines if line.kind == kind)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Plain rows for JSON."""
        return [asdict(line) for line in self.lines]

    def __bool__(self) -> bool:
        return bool(self.lines)


_FIGURES: Mapping[str, Mapping[str, str]] = {
    "topic": {"part": r"^(\d+) of", "whole": r"of (\d+) products"},
    "attribute": {"part": r"^(\d+) of", "whole": r"of (\d+) products"},
    "price": {"low": r"^([\d.]+) to", "high": r"to ([\d.]+),", "middle": r"median ([\d.]+)"},
    "activity": {"products": r"(\d+) product", "purchases": r"(\d+) purchase", "days": r"(\d+) day"},
    "recency": {"ago": r"^(\d+) day"},
}


def figures(line: EvidenceLine) -> dict[str, str]:
    """The numbers of a line's value by name; empty for a product.

    Examples
    --------
    >>> figures(EvidenceLine("topic", "mug", "3 of 9 products", 1.0, 3, ("a", "b", "c")))
    {'part': '3', 'whole': '9'}
    """
    patterns = _FIGURES.get(line.kind, {}).items()
    found = {name: match[1] for name, text in patterns if (match := re.search(text, line.value))}
    if line.kind == "activity" and "products" in found:
        found.setdefault("purchases", found["products"])
    return found


class Background:
    """How common each phrase and attribute is in the catalogue: what a user's are compared with."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @cached_property
    def phrases(self) -> tuple[tuple[str, ...], ...]:
        """Words and pairs of neighbouring words of each title, by item."""
        # Control codes and chat-template tokens in a title are nobody's interest.
        return tuple(
            tuple(dict.fromkeys(_phrases(_MARKUP.sub(" ", title)))) for title in self.catalogue.titles
        )

    @cached_property
    def shares(self) -> Mapping[str, float]:
        """Share of the catalogue's titles that hold a phrase."""
        counts = Counter(phrase for phrases in self.phrases for phrase in phrases)
        total = max(len(self.phrases), 1)
        return {phrase: count / total for phrase, count in counts.items()}

    @cached_property
    def attribute_shares(self) -> Mapping[str, Mapping[str, float]]:
        """Share of the catalogue's items that have a value, by attribute and value."""
        total = max(len(self.catalogue), 1)
        return {
            name: {value: count / total for value, count in Counter(filter(None, values)).items()}
            for name, values in self.catalogue.attributes.items()
        }


def gather_evidence(history: Ragged, background: Background, *, user: str | None, now: float) -> Evidence:
    """The evidence of one history (a Ragged of one row).

    Topics and attributes score count * ln(share among the user's items / share in the catalogue):
    how often times how surprising. A word that nearly always comes in one phrase gives way to the
    phrase; an attribute needs two products and a fifth of them. Activity counts distinct products
    and, where there are more, purchases (events). A history whose times are all 0 has no times:
    nothing is said of days, and no product is called recent.

    Parameters
    ----------
    history : Ragged
        One row, oldest first.
    now : float
        Moment of asking, seconds; recency counts from it.
    """
    known = (history.items >= 0) & (history.items < len(background.catalogue))
    items, times = history.items[known], history.times[known]
    if len(items) == 0:
        return Evidence(user, ())
    catalogue = background.catalogue
    timed = bool((times != 0).any())
    activity = _activity(items, catalogue)
    lines = [
        *_topics(items, background),
        *_attributes(items, background),
        *_recent(items, catalogue, timed=timed),
        *_price(items, catalogue),
        _with_days(activity, times) if timed else activity,
        *(_recency(items, times, catalogue, now) if timed else ()),
    ]
    return Evidence(user, tuple(lines))


def _phrases(title: str) -> Iterator[str]:
    tokens = words(title)
    kept = [token if _telling(token) else "" for token in tokens]
    yield from (token for token in kept if token)
    yield from (f"{here} {after}" for here, after in pairwise(kept) if here and after)


def _telling(token: str) -> bool:
    long_enough = len(token) > 1 or not token.isascii()
    return long_enough and token not in STOP and not any(letter.isdigit() for letter in token)


def _topics(items: IntArray, background: Background) -> list[EvidenceLine]:
    distinct = list(dict.fromkeys(items.tolist()))
    behind: dict[str, list[int]] = {}
    for item in distinct:
        for phrase in background.phrases[item]:
            behind.setdefault(phrase, []).append(item)
    least = 2 if len(distinct) >= 4 else 1
    found = {phrase: rows for phrase, rows in behind.items() if len(rows) >= least}
    for phrase in [phrase for phrase in found if " " in phrase]:
        for word in phrase.split():
            if word in found and len(found[phrase]) >= 0.7 * len(found[word]):
                del found[word]
    scored = {
        phrase: len(rows) * max(np.log(len(rows) / len(distinct) / background.shares[phrase]), 0.0)
        for phrase, rows in found.items()
    }
    best = sorted(scored, key=lambda phrase: (-scored[phrase], phrase))
    chosen: list[str] = []
    taken: set[str] = set()
    for phrase in best:
        # "tin" and "tins" are one topic.
        stems = {word.removesuffix("s") for word in phrase.split()}
        if scored[phrase] > 0 and not stems & taken:
            chosen.append(phrase)
            taken |= stems
    ids = background.catalogue.ids
    return [
        EvidenceLine(
            "topic",
            phrase,
            f"{len(found[phrase])} of {len(distinct)} products",
            round(float(scored[phrase]), 3),
            len(found[phrase]),
            tuple(ids[item] for item in found[phrase]),
        )
        for phrase in chosen[:TOPICS]
    ]


def _attributes(items: IntArray, background: Background) -> list[EvidenceLine]:
    """The values that a fifth of the products share, more than the catalogue does, best first."""
    distinct = list(dict.fromkeys(items.tolist()))
    catalogue = background.catalogue
    lines = []
    for name, values in catalogue.attributes.items():
        behind: dict[str, list[int]] = {}
        for item in distinct:
            if value := values[item]:
                behind.setdefault(value, []).append(item)
        for value, rows in behind.items():
            share = len(rows) / len(distinct)
            score = len(rows) * float(np.log(share / background.attribute_shares[name][value]))
            if len(rows) >= 2 and share >= LEAST_SHARE and score > 0:
                text = f"{len(rows)} of {len(distinct)} products"
                ids = _ids(rows, catalogue)
                lines.append(
                    EvidenceLine("attribute", f"{name}: {value}", text, round(score, 3), len(rows), ids)
                )
    return sorted(lines, key=lambda line: (-line.score, line.name))[:ATTRIBUTES]


def _recent(items: IntArray, catalogue: Catalogue, *, timed: bool) -> list[EvidenceLine]:
    behind: dict[str, dict[str, None]] = {}
    for item in items[::-1].tolist():
        title = catalogue.titles[item]
        if title and (title in behind or len(behind) < RECENT):
            behind.setdefault(title, {})[catalogue.ids[item]] = None
    return [
        # Without times nothing is known to be recent.
        EvidenceLine("product", title, "recent" if timed else "bought", 1.0 / rank, len(ids), tuple(ids))
        for rank, (title, ids) in enumerate(behind.items(), 1)
    ]


def _price(items: IntArray, catalogue: Catalogue) -> list[EvidenceLine]:
    priced = [item for item in items.tolist() if np.isfinite(catalogue.prices[item])]
    if len(priced) < 3:
        return []
    low, middle, high = np.quantile(catalogue.prices[priced], [0.25, 0.5, 0.75])
    value = f"{low:.2f} to {high:.2f}, median {middle:.2f}"
    return [EvidenceLine("price", "price", value, 1.0, len(priced), _ids(priced, catalogue))]


def _activity(items: IntArray, catalogue: Catalogue) -> EvidenceLine:
    behind = _ids(items.tolist(), catalogue)
    value = _number(len(behind), "product")
    if len(items) != len(behind):
        value += f" in {_number(len(items), 'purchase')}"
    return EvidenceLine("activity", "activity", value, 1.0, len(items), behind)


def _with_days(line: EvidenceLine, times: FloatArray) -> EvidenceLine:
    days = len(np.unique(times // DAY))
    return replace(line, value=f"{line.value} on {_number(days, 'day')}")


def _recency(items: IntArray, times: FloatArray, catalogue: Catalogue, now: float) -> list[EvidenceLine]:
    if not np.isfinite(now):
        return []
    ago = max(int((now - times.max()) // DAY), 0)
    last = _ids(items[times == times.max()].tolist(), catalogue)
    return [EvidenceLine("recency", "last seen", f"{_number(ago, 'day')} ago", 1.0, len(last), last)]


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _ids(items: Sequence[int], catalogue: Catalogue) -> tuple[str, ...]:
    return tuple(catalogue.ids[item] for item in dict.fromkeys(items))
