"""What a user's behaviour shows, line by line, each with the events behind it; no words yet.

Knows histories and the catalogue, no language model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from zhiyin.data import Catalogue
from zhiyin.text import words
from zhiyin.types import FloatArray, IntArray, Ragged

__all__ = ["Background", "Evidence", "EvidenceLine", "gather_evidence"]

DAY = 86_400.0
TOPICS = 5
RECENT = 3
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
    table; ``score`` >= 0: how much it tells; ``count``: events behind it; ``items``: their ids.
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


class Background:
    """How common each phrase is in the catalogue: what a user's phrases are compared with."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    @cached_property
    def phrases(self) -> tuple[tuple[str, ...], ...]:
        """Words and pairs of neighbouring words of each title, by item."""
        return tuple(tuple(dict.fromkeys(_phrases(title))) for title in self.catalogue.titles)

    @cached_property
    def shares(self) -> Mapping[str, float]:
        """Share of the catalogue's titles that hold a phrase."""
        counts = Counter(phrase for phrases in self.phrases for phrase in phrases)
        total = max(len(self.phrases), 1)
        return {phrase: count / total for phrase, count in counts.items()}


def gather_evidence(history: Ragged, background: Background, *, user: str | None, now: float) -> Evidence:
    """The evidence of one history (a Ragged of one row).

    Topics score count * ln(share among the user's items / share in the catalogue): how often
    times how surprising. A word that nearly always comes in one phrase gives way to the phrase.

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
    lines = [
        *_topics(items, background),
        *_attributes(items, background.catalogue),
        *_recent(items, background.catalogue),
        *_price(items, background.catalogue),
        *_activity(items, times, background.catalogue, now),
    ]
    return Evidence(user, tuple(lines))


def _phrases(title: str) -> Iterator[str]:
    tokens = words(title)
    kept = [token if _telling(token) else "" for token in tokens]
    for here, after in zip(kept, [*kept[1:], ""], strict=True):
        if here:
            yield here
            if after:
                yield f"{here} {after}"


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
    for phrase in best:
        if scored[phrase] > 0 and not any(set(phrase.split()) & set(other.split()) for other in chosen):
            chosen.append(phrase)
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


def _attributes(items: IntArray, catalogue: Catalogue) -> list[EvidenceLine]:
    lines = []
    for name, values in catalogue.attributes.items():
        mine = Counter(value for item in items.tolist() if (value := values[item]))
        for value, count in mine.most_common(2):
            if count >= 2:
                behind = tuple(catalogue.ids[item] for item in items.tolist() if values[item] == value)
                share = count / len(items)
                text = f"{count} of {len(items)} events"
                lines.append(
                    EvidenceLine("attribute", f"{name}: {value}", text, round(share, 3), count, behind)
                )
    return lines


def _recent(items: IntArray, catalogue: Catalogue) -> list[EvidenceLine]:
    newest = list(dict.fromkeys(items[::-1].tolist()))[:RECENT]
    return [
        EvidenceLine("product", catalogue.titles[item], "recent", 1.0 / rank, 1, (catalogue.ids[item],))
        for rank, item in enumerate(newest, 1)
        if catalogue.titles[item]
    ]


def _price(items: IntArray, catalogue: Catalogue) -> list[EvidenceLine]:
    priced = [item for item in items.tolist() if np.isfinite(catalogue.prices[item])]
    if len(priced) < 3:
        return []
    low, middle, high = np.quantile(catalogue.prices[priced], [0.25, 0.5, 0.75])
    value = f"{low:.2f} to {high:.2f}, median {middle:.2f}"
    return [EvidenceLine("price", "price", value, 1.0, len(priced), _ids(priced, catalogue))]


def _activity(items: IntArray, times: FloatArray, catalogue: Catalogue, now: float) -> list[EvidenceLine]:
    days = len(np.unique(times // DAY))
    behind = _ids(items.tolist(), catalogue)
    lines = [EvidenceLine("activity", "activity", f"{len(items)} on {days} days", 1.0, len(items), behind)]
    if np.isfinite(now) and times.max() > 0:
        ago = max(int((now - times.max()) // DAY), 0)
        last = _ids(items[times == times.max()].tolist(), catalogue)
        lines.append(EvidenceLine("recency", "last seen", f"{ago} days ago", 1.0, len(last), last))
    return lines


def _ids(items: Sequence[int], catalogue: Catalogue) -> tuple[str, ...]:
    return tuple(catalogue.ids[item] for item in dict.fromkeys(items))
