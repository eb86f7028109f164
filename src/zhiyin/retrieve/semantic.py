"""Items whose text is near what the user took, or near what the user says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from pydantic import Field

from zhiyin.data import Catalogue, Dataset
from zhiyin.interest.vectors import encode_texts, item_cards, item_vectors
from zhiyin.retrieve.inner_product import FadingProductRetriever, IndexedFadingConfig
from zhiyin.retrieve.reduced import ReducedVectors
from zhiyin.retrieve.selection import hide
from zhiyin.types import Array, BoolArray, Candidates, IntArray, Queries, ScoreArray

__all__ = ["SemanticRetriever"]

REDUCED_FROM = 20_000  # items; below, all dimensions are read as fast


class SemanticRetriever(FadingProductRetriever):
    """Score = cosine of the item's vector and the user's, from a text encoder.

    The user's vector is the mean of the vectors of the history, late events weighing more
    (``half_life``); a stated text, where there is one, is added with the weight ``text_weight``.
    Needs no behaviour of others, so cold items and new users are served. Vectors are centred on the
    catalogue's mean first: titles of one shop share most of what a general encoder sees (the "common
    direction" of Mu & Viswanath 2018, "All-but-the-top").
    """

    class Config(IndexedFadingConfig):
        """``encoder``: name of the text encoder; ``text_weight`` in [0, 1]."""

        encoder: str = "minilm-l6"
        text_weight: float = Field(default=0.8, ge=0, le=1)

    config: Config
    learns_more = True
    reads_texts = True

    def _learn(self, train: Dataset) -> None:
        for name in ("told_", "reduced_"):
            self.__dict__.pop(name, None)
        raw = item_vectors(train.catalogue, self.config.encoder)
        described = raw.any(axis=1)
        self.mean_: ScoreArray = raw[described].mean(axis=0) if described.any() else raw.sum(axis=0)
        self.vectors_: ScoreArray = self._centred(raw)

    def _centred(self, raw: ScoreArray) -> ScoreArray:
        """Unit vectors around the catalogue's mean; zero where there is no text to speak of."""
        return np.where(raw.any(axis=1, keepdims=True), _unit(raw - self.mean_), np.float32(0))

    def _extend(self, catalogue: Catalogue, changed: IntArray) -> None:
        # The mean stays that of the fit, so that the vectors of all other items stay as they are.
        vectors = np.zeros((len(catalogue), self.vectors_.shape[1]), dtype=np.float32)
        vectors[: len(self.vectors_)] = self.vectors_
        if len(changed):
            cards = item_cards(catalogue, changed)
            vectors[changed] = self._centred(encode_texts(cards, self.config.encoder))
        self.vectors_, self.n_items_ = vectors, len(catalogue)
        self.__dict__.pop("told_", None)
        if "reduced_" in self.__dict__:
            self.__dict__["reduced_"] = self.reduced_.updated(vectors, changed)
        self._update_index(changed)

    def _answers(self) -> ScoreArray:
        return self.vectors_

    def _listed(self) -> BoolArray | None:
        return self.told_ if not self.told_.all() else None

    def _best(self, queries: Queries, n: int) -> Candidates:
        if len(self.vectors_) < REDUCED_FROM or self.index_ is not None:
            return super()._best(queries, n)
        wanted, silent = self._asked(queries)

        def hide_both(scores: ScoreArray) -> None:
            scores[silent] = -np.inf
            scores[:, ~self.told_] = -np.inf
            hide(scores, queries, self.available_from_, self.cut_)

        return self.reduced_.best(wanted, n, hide=hide_both)

    @cached_property
    def told_(self) -> BoolArray:
        """Items with a text, bool [n_items]."""
        return np.asarray(self.vectors_.any(axis=1))

    def wish_nearness(self, text: str, items: IntArray) -> ScoreArray:
        """How near items are to what somebody says, cosine in [-1, 1], float32 [len(items)]."""
        wish = self._centred(encode_texts([text], self.config.encoder))[0]
        known = items < len(self.vectors_)
        near = np.zeros(len(items), dtype=np.float32)
        near[known] = self.vectors_[items[known]] @ wish
        return near

    @cached_property
    def reduced_(self) -> ReducedVectors:
        """The vectors for a first look."""
        return ReducedVectors.of(self.vectors_)

    def _asked(self, queries: Queries) -> tuple[ScoreArray, BoolArray]:
        """Vectors of users, float32 [U, d], and who neither took nor says anything, bool [U]."""
        weights = self._events(queries)
        users = _unit(weights @ self.vectors_)
        stated = np.array([bool(text and text.strip()) for text in queries.texts], dtype=bool)
        if stated.any():
            texts = [text for text in queries.texts if text and text.strip()]
            wishes = self._centred(encode_texts(texts, self.config.encoder))
            weight = self.config.text_weight
            users[stated] = _unit(weight * wishes + (1 - weight) * users[stated])
        return users, ~stated & ~users.any(axis=1)

    def _learn_more(self, known: Dataset) -> None:
        self.cut_ = known.cut  # events tell nothing of items here

    def _state(self) -> Mapping[str, Array]:
        return {"vectors": self.vectors_, "mean": self.mean_}

    def _restore(self, state: Mapping[str, Array]) -> None:
        self.vectors_, self.mean_ = state["vectors"], state["mean"]


def _unit(vectors: ScoreArray) -> ScoreArray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)
