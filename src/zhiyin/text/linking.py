"""Mentions of items in free text -> items; knows titles by index, no catalogue and no model."""

from __future__ import annotations

import difflib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from zhiyin.errors import InputError
from zhiyin.text.words import stop_words, word_spans, words

__all__ = ["Mention", "TitleLinker"]

LONGEST: Final = 20_000  # characters of a text that are looked at
SIMILAR: Final = 0.88
CLOSE: Final = 0.8  # share of the best score that makes an item a candidate of the same mention
SHORTEST: Final = 3  # letters of each part of a word that is cut in two
ALONE: Final = 0.75  # share of a title that a single word must be

Prefer = Callable[[str, Sequence[int]], npt.NDArray[np.float64]]
_Spans = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Mention:
    """Words that name an item: their place, and the items they may mean, the likeliest first.

    ``scores`` in (0, 1]: how much of the mention and of the title the two share, by the weight of words.
    """

    start: int
    end: int
    text: str
    items: tuple[int, ...]
    scores: tuple[float, ...]


class TitleLinker:
    """Finds the items that a text speaks of.

    Each word weighs its inverse document frequency among the titles; for each item the span of the
    text is found whose words are most its own (the largest sum of the weights of its words minus those of
    foreign words: Kadane's algorithm, over all items at once). The item with most of its own words in a
    span takes it; others that share nearly as much are further candidates. Plurals count as their
    singulars, "cakestand" as "cake stand" where titles have both words; a word that no title has
    stands for one that is spelled nearly the same. A single word is a mention where it is most of a title.

    Parameters
    ----------
    titles : sequence of str
        By item index; "" where unknown.

    Examples
    --------
    >>> linker = TitleLinker(["RED CANDLE HOLDER", "WHITE CANDLE HOLDER", "TEA SET"])
    >>> [(one.text, one.items) for one in linker.link("I love the red candle holders, and my tea set!")]
    [('red candle holders', (0,)), ('tea set', (2,))]
    """

    def __init__(self, titles: Sequence[str]) -> None:
        self._stops = stop_words("en") | stop_words("zh")
        bags = [[_singular(one) for one in words(title) if one not in self._stops] for title in titles]
        self._counts = Counter(one for bag in bags for one in set(bag))
        cut = {one: self._parts(one) for one in self._counts}
        sets = [{part for one in bag for part in cut[one]} for bag in bags]
        self._postings: dict[str, list[int]] = defaultdict(list)
        for item, found in enumerate(sets):
            for one in found:
                self._postings[one].append(item)
        n = max(len(titles), 1)
        self._weights = {one: math.log(1.0 + n / len(items)) for one, items in self._postings.items()}
        self._lengths = np.array([sum(self._weights[one] for one in found) for found in sets])
        self._foreign = math.log(1.0 + n)
        self._spellings: dict[tuple[str, int], list[str]] = defaultdict(list)
        for one in self._counts:
            self._spellings[one[:1], len(one)].append(one)

    def link(
        self, text: str, *, limit: int = 5, least: float = 0.5, prefer: Prefer | None = None
    ) -> list[Mention]:
        """Find mentions, in the order of the text.

        Parameters
        ----------
        text : str
            Free text; the first 20,000 characters count.
        limit : int
            Most items of a mention, >= 1.
        least : float
            Smallest score of a mention, in [0, 1].
        prefer : callable, optional
            (mention, items) -> a number for each item by which those of one mention are ordered, such as
            the cosine of an encoder's vectors; else they are ordered by score.
        """
        if limit < 1:
            raise InputError("limit is too small", expected=">= 1", received=str(limit))
        spans = self._spoken(text[:LONGEST])
        candidates = sorted({item for *_, one in spans for item in self._postings.get(one, ())})
        if not candidates:
            return []
        first, last, scores, shared = self._best_spans([one for *_, one in spans], np.array(candidates))
        found: list[Mention] = []
        left = np.flatnonzero(scores >= least)
        while len(left):
            best = left[np.lexsort((-scores[left], -shared[left]))[0]]
            overlap = left[(first[left] <= last[best]) & (last[left] >= first[best])]
            same = overlap[shared[overlap] >= CLOSE * shared[best]]
            same = same[np.lexsort((-scores[same], -shared[same]))][:limit]
            start, end = spans[first[best]][0], spans[last[best]][1]
            mention = text[start:end]
            items = [candidates[place] for place in same]
            if prefer is not None and len(items) > 1:
                order = np.argsort(-np.asarray(prefer(mention, items), dtype=np.float64), kind="stable")
                same, items = same[order], [items[place] for place in order]
            found.append(Mention(start, end, mention, tuple(items), tuple(float(scores[at]) for at in same)))
            left = np.setdiff1d(left, overlap)
        return sorted(found, key=lambda one: one.start)

    def _spoken(self, text: str) -> list[tuple[int, int, str]]:
        """The words of a text as titles spell them, and where they stand."""
        return [
            (start, end, part)
            for start, end, one in word_spans(text)
            if one not in self._stops
            for part in self._parts(self._known(_singular(one)))
        ]

    def _parts(self, one: str) -> list[str]:
        """A word as two where titles have both, for "cakestand" and "cake stand" to be the same."""
        if not one.isascii():
            return [one]
        cuts = [
            (min(self._counts[one[:at]], self._counts[rest]), [one[:at], rest])
            for at in range(SHORTEST, len(one) - SHORTEST + 1)
            if one[:at] in self._counts and (rest := _singular(one[at:])) in self._counts
        ]
        return max(cuts)[1] if cuts else [one]

    def _known(self, one: str) -> str:
        """The word of the titles that is spelled nearly like it."""
        if one in self._counts or len(one) < 5 or not one.isascii():
            return one
        near = [
            other
            for length in (len(one) - 1, len(one), len(one) + 1)
            for other in self._spellings.get((one[:1], length), ())
        ]
        return next(iter(difflib.get_close_matches(one, near, n=1, cutoff=SIMILAR)), one)

    def _best_spans(self, spoken: Sequence[str], items: npt.NDArray[np.int64]) -> _Spans:
        """Of each item's best span, each [items]: first and last word, score, weight of what is its own."""
        n = len(items)
        zeros = np.zeros(n, np.int64)
        first, last, start = zeros.copy(), zeros.copy(), zeros.copy()
        best, current = np.full(n, -np.inf), np.full(n, -np.inf)
        own, total = np.zeros(n), np.zeros(n)  # of the current span: weight of the item's words, of all
        best_own, best_total = np.zeros(n), np.zeros(n)
        said: dict[str, None] = {}
        count, best_count = zeros.copy(), zeros.copy()
        for place, one in enumerate(spoken):
            weight = self._weights.get(one, self._foreign)
            has = np.isin(items, self._postings.get(one, ()))
            gain = np.where(has, 0.0 if one in said else weight, -weight)
            fresh = current <= 0
            start = np.where(fresh, place, start)
            current = np.where(fresh, gain, current + gain)
            own = np.where(fresh, 0.0, own) + np.where(has, gain, 0.0)
            total = np.where(fresh, 0.0, total) + (0.0 if one in said else weight)
            count = np.where(fresh, 0, count) + (has & (one not in said))
            better = (current > best) & has
            best = np.where(better, current, best)
            first, last = np.where(better, start, first), np.where(better, place, last)
            best_own, best_total = np.where(better, own, best_own), np.where(better, total, best_total)
            best_count = np.where(better, count, best_count)
            said[one] = None
        shared = np.divide(best_own, best_total, out=np.zeros(n), where=best_total > 0)
        covered = np.divide(best_own, self._lengths[items], out=np.zeros(n), where=self._lengths[items] > 0)
        scores = np.sqrt(shared * np.minimum(covered, 1.0))
        scores[(best_count < 2) & (covered < ALONE)] = 0.0
        return first, last, scores, best_own


def _singular(one: str) -> str:
    """Without the "s" of a plural."""
    if len(one) > 3 and one.isascii() and one.endswith("s") and not one.endswith(("ss", "us", "is")):
        return one[:-3] + "y" if one.endswith("ies") and len(one) > 4 else one[:-1]
    return one
