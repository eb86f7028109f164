"""Methods whose score is an inner product of two vectors, among any number of items; knows no vectors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from pydantic import Field
from safetensors.numpy import load_file
from safetensors.numpy import save as to_safetensors

from zhiyin import config
from zhiyin.artifacts import write_bytes
from zhiyin.data import Dataset
from zhiyin.retrieve.base import ScoringRetriever
from zhiyin.retrieve.forgetting import ForgettingConfig, ForgettingRetriever
from zhiyin.retrieve.index import EXACT_BELOW, VectorIndex
from zhiyin.retrieve.selection import hide_listed, top_n
from zhiyin.types import BoolArray, Candidates, IntArray, Queries, ScoreArray

__all__ = ["FadingProductRetriever", "IndexedConfig", "IndexedFadingConfig", "InnerProductRetriever"]

INDEX = "index.safetensors"


class IndexedConfig(config.Config):
    """``recall``: share of the best 100 that an index must find where the items are very many; 1: all."""

    recall: float = Field(default=0.95, gt=0, le=1)


class IndexedFadingConfig(IndexedConfig, ForgettingConfig):
    """``recall`` and ``half_life``."""


class InnerProductRetriever(ScoringRetriever):
    """Base of methods with a vector of the question and one of each item.

    Below ``indexed_from`` items every product is worked out; from there on ``index_`` is asked, which is
    saved with the model. What must not be shown is told to it, so that n items come back where n exist.
    """

    Config: ClassVar[type[IndexedConfig]] = IndexedConfig
    config: IndexedConfig
    indexed_from: ClassVar[int] = EXACT_BELOW
    index_: VectorIndex | None = None

    @abstractmethod
    def _asked(self, queries: Queries) -> tuple[ScoreArray, BoolArray]:
        """Vectors of the questions, float32 [U, d], and who has nothing to ask by, bool [U]."""

    @abstractmethod
    def _answers(self) -> ScoreArray:
        """Vectors of the items, float32 [n_items, d]."""

    def _listed(self) -> BoolArray | None:
        """Items of which anything is known, bool [n_items]; None: all."""
        return None

    def _scores(self, queries: Queries) -> ScoreArray:
        wanted, silent = self._asked(queries)
        scores: ScoreArray = wanted @ self._answers().T
        listed = self._listed()
        if listed is not None:
            scores[:, ~listed] = -np.inf
        scores[silent] = -np.inf
        return scores

    def _best(self, queries: Queries, n: int) -> Candidates:
        return super()._best(queries, n) if self.index_ is None else self._from_index(queries, n, self.index_)

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Learn from ``train``, choose on ``valid``, and index the items where they are many.

        Returns
        -------
        Self
            This component, fitted.
        """
        self.index_ = None
        super().fit(train, valid)
        self._make_index()
        return self

    def _make_index(self) -> None:
        self.index_ = None
        if self._known_items >= self.indexed_from:
            self.index_ = VectorIndex.of(self._answers(), recall=self.config.recall)

    def _update_index(self, changed: IntArray) -> None:
        """The items that are new or have other vectors."""
        if self.index_ is None:
            self._make_index()
        elif len(changed):
            self.index_ = self.index_.copy()
            self.index_.put(changed, self._answers()[changed])

    def _from_index(self, queries: Queries, n: int, index: VectorIndex) -> Candidates:
        wanted, silent = self._asked(queries)
        items = np.full((len(queries), n), -1, dtype=np.int32)
        scores = np.full((len(queries), n), -np.inf, dtype=np.float32)
        for rows, allowed in self._alike(queries, np.flatnonzero(~silent).astype(np.int32)):
            asked = queries.take(rows)
            seen = int(asked.histories.lengths.max(initial=0)) if asked.exclude_seen else 0
            width = min(n + seen, self._known_items)
            found, values = index.search(wanted[rows], width, allowed=allowed)
            values[hide_listed(found, asked, self.available_from_, self.cut_)] = -np.inf
            best = top_n(values, n)
            chosen = np.take_along_axis(found, np.maximum(best.items, 0), axis=1)
            items[rows] = np.where(best.items >= 0, chosen, -1)
            scores[rows] = best.scores
        return Candidates(items, scores)

    def _alike(self, queries: Queries, rows: IntArray) -> Iterator[tuple[IntArray, BoolArray | None]]:
        """Rows that may be shown the same items, and which these are; None: all."""
        times = np.full(len(queries), self.cut_) if queries.times is None else queries.times
        late = self.available_from_ > times.min(initial=np.inf)
        allowed, listed = queries.allowed, self._listed()
        if not late.any() and allowed is None:
            yield rows, listed
            return
        groups: dict[bytes, list[int]] = {}
        masks: dict[bytes, BoolArray] = {}
        for row in rows.tolist():
            mask = ~late | (self.available_from_ <= times[row])
            if allowed is not None:
                mask &= (allowed[row] if allowed.ndim == 2 else allowed)[: len(mask)]
            if listed is not None:
                mask &= listed
            key = np.packbits(mask).tobytes()
            groups.setdefault(key, []).append(row)
            masks[key] = mask
        for key, alike in groups.items():
            yield np.asarray(alike, dtype=np.int32), masks[key]

    def save(self, folder: Path) -> None:
        """Write config.json, state.safetensors and, where there is one, the index into an existing folder."""
        super().save(folder)
        if self.index_ is not None:
            write_bytes(folder / INDEX, to_safetensors(self.index_.state()))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        retriever = super().load(folder)
        if (folder / INDEX).is_file():
            retriever.index_ = VectorIndex.from_state(load_file(folder / INDEX))
        return retriever


class FadingProductRetriever(InnerProductRetriever, ForgettingRetriever):
    """Base of those whose question is a sum over the history, in which late events weigh more."""

    Config: ClassVar[type[IndexedFadingConfig]] = IndexedFadingConfig
    config: IndexedFadingConfig
