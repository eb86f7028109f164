"""What networks read of items: the encoder's vectors of their texts, and the words in them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from zhiyin.data import Catalogue
from zhiyin.interest import item_cards, item_vectors
from zhiyin.interest.vectors import encode_texts
from zhiyin.text import content_words
from zhiyin.types import Array, IntArray, ScoreArray

__all__ = ["ItemReader"]

Long = npt.NDArray[np.int64]
LONGEST = 24  # words of an item that count
MOST = 30_000  # words that have an embedding
FEWEST = 2  # items that share a word


@dataclass(frozen=True, eq=False)
class ItemReader:
    """``vectors`` float32 [n, p], centred on ``mean`` and of unit length, zero without a text; or None.

    ``words`` int64 [n, f]: places in ``vocabulary``, -1 pads; or None. New items are read by the mean and the
    vocabulary of the fit.
    """

    encoder: str
    vectors: ScoreArray | None = None
    mean: ScoreArray | None = None
    words: Long | None = None
    vocabulary: tuple[str, ...] = ()

    @classmethod
    def of(cls, catalogue: Catalogue, *, encoder: str, vectors: bool, words: bool) -> Self:
        """Read all items of a catalogue."""
        made = cls(encoder)
        if vectors:
            raw = item_vectors(catalogue, encoder)
            told = raw.any(axis=1)
            mean = raw[told].mean(axis=0) if told.any() else np.zeros(raw.shape[1], np.float32)
            made = replace(made, vectors=_centred(raw, mean), mean=mean)
        if words:
            bags = [content_words(card) for card in item_cards(catalogue, range(len(catalogue)))]
            shared = Counter(word for bag in bags for word in set(bag))
            kept = tuple(word for word, n in shared.most_common(MOST) if n >= FEWEST)
            made = replace(made, vocabulary=kept)
            made = replace(made, words=made._places(bags))
        return made

    def read(self, catalogue: Catalogue, changed: IntArray) -> Self:
        """The same for a catalogue that has grown, or whose texts at ``changed`` differ."""
        if not len(changed):
            return self
        cards = item_cards(catalogue, changed)
        made, n = self, len(catalogue)
        if self.vectors is not None and self.mean is not None:
            vectors = np.zeros((n, self.vectors.shape[1]), dtype=np.float32)
            vectors[: len(self.vectors)] = self.vectors
            vectors[changed] = _centred(encode_texts(cards, self.encoder), self.mean)
            made = replace(made, vectors=vectors)
        if self.words is not None:
            words = np.full((n, LONGEST), -1, dtype=np.int64)
            words[: len(self.words)] = self.words
            words[changed] = self._places([content_words(card) for card in cards])
            made = replace(made, words=words)
        return made

    @cached_property
    def _place(self) -> Mapping[str, int]:
        return {word: at for at, word in enumerate(self.vocabulary)}

    def _places(self, bags: Sequence[Sequence[str]]) -> Long:
        """Known words of each text, each once, the first ``LONGEST``."""
        rows = np.full((len(bags), LONGEST), -1, dtype=np.int64)
        for row, bag in enumerate(bags):
            known = list(dict.fromkeys(self._place[word] for word in bag if word in self._place))[:LONGEST]
            rows[row, : len(known)] = known
        return rows

    def state(self) -> dict[str, Array]:
        """Everything, as arrays."""
        found: dict[str, Array] = {}
        if self.vectors is not None and self.mean is not None:
            found |= {"vectors": self.vectors, "mean": self.mean}
        if self.words is not None:
            told = json.dumps(self.vocabulary, ensure_ascii=False).encode()
            found |= {"words": self.words, "vocabulary": np.frombuffer(told, dtype=np.uint8)}
        return found

    @classmethod
    def from_state(cls, encoder: str, state: Mapping[str, Array]) -> Self:
        """What ``state`` gave."""
        vocabulary = tuple(json.loads(state["vocabulary"].tobytes())) if "vocabulary" in state else ()
        return cls(encoder, state.get("vectors"), state.get("mean"), state.get("words"), vocabulary)


def _centred(raw: ScoreArray, mean: ScoreArray) -> ScoreArray:
    """Unit vectors around the mean; zero where there is no text to speak of."""
    moved = raw - mean
    norms = np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-12)
    return np.where(raw.any(axis=1, keepdims=True), moved / norms, np.float32(0)).astype(np.float32)
