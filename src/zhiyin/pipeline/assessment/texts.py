"""How much the items' texts say, and in which languages; knows no events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zhiyin.data import Catalogue
from zhiyin.draws import generator
from zhiyin.text import content_words, detect_language

__all__ = ["TextFacts", "gather_text_facts"]

SAMPLE = 2_000  # titles whose language is looked at


@dataclass(frozen=True)
class TextFacts:
    """What the titles say.

    ``titled_share``: not empty; ``words``: median number that carry meaning; ``unique_share``: that no
    other item has; ``languages``: share of a sample, ISO 639-1; ``attributes``: names of the columns.
    """

    titled_share: float
    words: float
    unique_share: float
    languages: Mapping[str, float]
    attributes: tuple[str, ...]
    priced_share: float
    dated_share: float

    @property
    def telling(self) -> bool:
        """Whether the texts say enough for methods that read them."""
        return self.titled_share >= 0.5 and self.words >= 2

    @property
    def main_language(self) -> str:
        """The language of most titles; "und" where there are none."""
        return next(iter(self.languages), "und")


def gather_text_facts(catalogue: Catalogue, *, seed: int = 0) -> TextFacts:
    """Look at the titles."""
    titles = [title.strip() for title in catalogue.titles]
    filled = [title for title in titles if title]
    counts = Counter(title.casefold() for title in filled)
    if len(filled) > SAMPLE:
        chosen = generator(seed, 0, stream="titles").choice(len(filled), SAMPLE, replace=False)
        sample = [filled[place] for place in np.sort(chosen)]
    else:
        sample = filled
    languages = Counter(detect_language(title) for title in sample)
    n = max(len(titles), 1)
    return TextFacts(
        titled_share=len(filled) / n,
        words=float(np.median([len(content_words(title)) for title in sample])) if sample else 0.0,
        unique_share=sum(counts[title.casefold()] == 1 for title in filled) / max(len(filled), 1),
        languages={one: count / len(sample) for one, count in languages.most_common()},
        attributes=tuple(catalogue.attributes),
        priced_share=float(np.isfinite(catalogue.prices).mean()) if titles else 0.0,
        dated_share=float(np.isfinite(catalogue.available_from).mean()) if titles else 0.0,
    )
