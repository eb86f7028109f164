"""Texts that say the same again."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import polars as pl
from pydantic import Field

from zhiyin.config import Config as Parameters
from zhiyin.data.cleaning.base import Rule, TableKind
from zhiyin.data.columns import Columns
from zhiyin.data.reading.collecting import Collector
from zhiyin.logs import progress
from zhiyin.text import words

__all__ = ["NearDuplicateTexts", "near_copies"]


class NearDuplicateTexts(Rule):
    """Texts of users that nearly equal an earlier one: kept aside. Titles that do: named, and kept.

    Notes
    -----
    Jaccard similarity of the sets of word pairs, estimated by MinHash of 128 permutations and found
    by locality-sensitive hashing (datasketch). Broder (1997), "On the resemblance and containment of
    documents", doi:10.1109/SEQUEN.1997.666900.
    """

    class Config(Parameters):
        """``similarity``: smallest estimated Jaccard similarity of copies; ``words``: fewest of a text."""

        similarity: float = Field(default=0.8, gt=0, le=1)
        words: int = Field(default=4, ge=1)

    tables: ClassVar[tuple[TableKind, ...]] = ("texts", "items")
    config: Config  # type: ignore[assignment]

    def apply(self, frame: pl.DataFrame, collector: Collector) -> None:
        column = Columns.TITLE if Columns.TITLE in frame.columns else Columns.TEXT
        if column not in frame.columns:
            return
        texts = frame[column].fill_null("").to_list()
        copies = near_copies(texts, similarity=self.config.similarity, least=self.config.words)
        wrong = np.zeros(frame.height, bool)
        wrong[list(copies)] = True
        options = {
            "kind": "nearly the text of an earlier row",
            "expected": "a text of its own",
            "remedy": "Look for advertising, and for one item listed under several ids.",
        }
        if column == Columns.TITLE:
            collector.note(wrong, column, **options)
            return
        collector.reject(
            wrong,
            column,
            **options,
            received=lambda row: f"{texts[row][:60]!r}, as on line {collector.lines[copies[row]]}",
        )


def near_copies(texts: list[str], *, similarity: float, least: int) -> dict[int, int]:
    """Which texts nearly equal an earlier one that is itself no copy: place -> place of that one."""
    from datasketch import MinHash, MinHashLSH  # a third of a second, for a rule that is off

    index = MinHashLSH(threshold=similarity, num_perm=128)
    seen: dict[frozenset[str], int] = {}
    kept: dict[int, Any] = {}
    copies: dict[int, int] = {}
    for place, text in enumerate(progress(texts, "looking for near duplicates")):
        pairs = _pairs(words(text), least)
        if pairs is None:
            continue
        if pairs in seen:
            copies[place] = seen[pairs]
            continue
        sketch = MinHash(num_perm=128, seed=1)
        sketch.update_batch([pair.encode() for pair in pairs])
        near = [one for one in index.query(sketch) if kept[one].jaccard(sketch) >= similarity]
        if near:
            copies[place] = min(near)
            continue
        seen[pairs], kept[place] = place, sketch
        index.insert(place, sketch)
    return copies


def _pairs(found: list[str], least: int) -> frozenset[str] | None:
    if len(found) < least:
        return None
    return frozenset(f"{one} {two}" for one, two in zip(["", *found], [*found, ""], strict=True))
