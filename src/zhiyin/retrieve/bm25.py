"""Items whose words are those of the history, or of what the user says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field
from scipy import sparse

from zhiyin.data import Catalogue, Dataset
from zhiyin.interest import item_cards
from zhiyin.retrieve.forgetting import ForgettingConfig, ForgettingRetriever
from zhiyin.text import content_words
from zhiyin.types import Array, IntArray, Queries, ScoreArray

__all__ = ["BM25Retriever"]


class BM25Retriever(ForgettingRetriever):
    """Score = BM25 of the item's text for the words of the newest items taken, and of what is said.

    Score of an item = sum over words w of weight(w) idf(w) tf (k1 + 1) / (tf + k1 (1 - b + b length /
    mean length)), with idf(w) = ln(1 + (n - n_w + 0.5) / (n_w + 0.5)); the weight of a word is how often
    the items taken hold it, late ones more, and ``text_weight`` times as much for what is said. English and
    Chinese words, without stop words. Needs no behaviour of others (Robertson & Zaragoza 2009, "The
    probabilistic relevance framework: BM25 and beyond").
    """

    class Config(ForgettingConfig):
        """``k1`` saturation of repeats; ``b`` weight of the length; ``text_weight``; ``half_life``."""

        k1: float = Field(default=1.2, ge=0)
        b: float = Field(default=0.75, ge=0, le=1)
        text_weight: float = Field(default=5.0, ge=0)

    config: Config
    learns_more = True
    reads_texts = True

    def _learn(self, train: Dataset) -> None:
        bags = [Counter(content_words(card)) for card in _cards(train.catalogue)]
        self.vocabulary_: dict[str, int] = {}
        for bag in bags:
            for word in bag:
                self.vocabulary_.setdefault(word, len(self.vocabulary_))
        self._index(self._counts(bags))

    def _index(self, counts: sparse.csr_array) -> None:
        """Weights of words in items, from how often they occur, [n_items, words]."""
        self.counts_ = counts
        n = counts.shape[0]
        holders = np.bincount(counts.indices, minlength=counts.shape[1])
        idf = np.log1p((n - holders + 0.5) / (holders + 0.5))
        lengths = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
        mean = max(float(lengths[lengths > 0].mean()) if (lengths > 0).any() else 1.0, 1e-9)
        k1, b = self.config.k1, self.config.b
        rows = np.repeat(np.arange(n), np.diff(counts.indptr))
        tf = counts.data.astype(np.float64)
        values = idf[counts.indices] * tf * (k1 + 1) / (tf + k1 * (1 - b + b * lengths[rows] / mean))
        shape = counts.shape
        weights = sparse.csr_array((values.astype(np.float32), counts.indices, counts.indptr), shape=shape)
        self.words_: sparse.csr_array = weights.T.tocsr()

    def _counts(self, bags: Sequence[Mapping[str, int]]) -> sparse.csr_array:
        """How often each text holds each known word, float32 [texts, words]."""
        place = self.vocabulary_
        known = [{place[word]: n for word, n in bag.items() if word in place} for bag in bags]
        offsets = np.concatenate([[0], np.cumsum([len(bag) for bag in known])]).astype(np.int64)
        indices = np.array([word for bag in known for word in bag], dtype=np.int64)
        data = np.array([n for bag in known for n in bag.values()], dtype=np.float32)
        return sparse.csr_array((data, indices, offsets), shape=(len(bags), max(len(self.vocabulary_), 1)))

    def _extend(self, catalogue: Catalogue, changed: IntArray) -> None:
        if len(changed) == 0:
            return
        cards = item_cards(catalogue, changed)
        bags = [Counter(content_words(card)) for card in cards]
        self.vocabulary_ = dict(self.vocabulary_)
        for bag in bags:
            for word in bag:
                self.vocabulary_.setdefault(word, len(self.vocabulary_))
        wide = sparse.csr_array(
            (self.counts_.data, self.counts_.indices, self.counts_.indptr),
            shape=(self.counts_.shape[0], max(len(self.vocabulary_), 1)),
        )
        rows = sparse.vstack(
            [wide, sparse.csr_array((len(catalogue) - wide.shape[0], wide.shape[1]), dtype=np.float32)]
        ).tolil()
        fresh = self._counts(bags)
        for place, item in enumerate(changed.tolist()):
            rows[[item], :] = fresh[[place], :]
        self.n_items_ = len(catalogue)
        self._index(sparse.csr_array(rows.tocsr(), dtype=np.float32))

    def _scores(self, queries: Queries) -> ScoreArray:
        asked = self._events(queries) @ self.counts_
        said: list[Counter[str]] = [Counter(content_words(text or "")) for text in queries.texts]
        if any(said):
            asked = asked + self.config.text_weight * self._counts(said)
        scores: ScoreArray = (asked @ self.words_).toarray().astype(np.float32)
        scores[scores == 0] = -np.inf
        return scores

    def _learn_more(self, known: Dataset) -> None:
        self.cut_ = known.cut  # events tell nothing of items here

    def _state(self) -> Mapping[str, Array]:
        words = json.dumps(list(self.vocabulary_), ensure_ascii=False).encode()
        counts = self.counts_
        return {
            "words": np.frombuffer(words, dtype=np.uint8), "shape": np.array(counts.shape, dtype=np.int64),
            "data": counts.data, "indices": counts.indices, "indptr": counts.indptr,
        }  # fmt: skip

    def _restore(self, state: Mapping[str, Array]) -> None:
        words = json.loads(state["words"].tobytes().decode())
        self.vocabulary_ = {word: place for place, word in enumerate(words)}
        items, width = (int(size) for size in state["shape"])
        parts = (state["data"], state["indices"], state["indptr"])
        self._index(sparse.csr_array(parts, shape=(items, width)))


def _cards(catalogue: Catalogue) -> list[str]:
    return item_cards(catalogue, range(len(catalogue)))
