"""Items whose vectors, of images, sounds or anything, are near those of what the user took."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zhiyin.data import Dataset
from zhiyin.errors import InputError
from zhiyin.retrieve.inner_product import FadingProductRetriever, IndexedFadingConfig
from zhiyin.types import Array, BoolArray, Queries, ScoreArray

__all__ = ["VectorRetriever"]


class VectorRetriever(FadingProductRetriever):
    """Score = cosine of the item's vector and the mean of the history's, centred on the catalogue.

    The vectors are those of ``Dataset.vectors``; items without one are never listed. Late
    events weigh more (``half_life``). Needs no behaviour of others, so cold items with a vector are served.
    """

    class Config(IndexedFadingConfig):
        """``vectors``: their name, None: the only ones; ``half_life``."""

        vectors: str | None = None

    config: Config
    learns_more = True

    def _learn(self, train: Dataset) -> None:
        raw = self._raw(train)
        known: BoolArray = np.asarray(np.isfinite(raw).all(axis=1))
        centred = np.where(known[:, None], raw - raw[known].mean(axis=0), np.float32(0))
        norms = np.linalg.norm(centred, axis=1, keepdims=True)
        self.vectors_: ScoreArray = np.asarray(centred / np.maximum(norms, 1e-12), dtype=np.float32)

    def _raw(self, train: Dataset) -> ScoreArray:
        names = list(train.vectors)
        name = self.config.vectors
        if name is None and len(names) == 1:
            name = names[0]
        if name is None or name not in train.vectors:
            what = "There are no such vectors" if name else "It is not certain which vectors are meant"
            raise InputError(
                what,
                expected=", ".join(names) or "a data set with vectors",
                received=str(name),
                hint='Dataset.from_files(…, vectors={"images": "item_vectors.parquet"}).',
            )
        return train.vectors[name]

    def _asked(self, queries: Queries) -> tuple[ScoreArray, BoolArray]:
        weights = self._events(queries)
        users = weights @ self.vectors_
        norms = np.linalg.norm(users, axis=1, keepdims=True)
        return (users / np.maximum(norms, 1e-12)).astype(np.float32), norms.ravel() == 0

    def _answers(self) -> ScoreArray:
        return self.vectors_

    def _listed(self) -> BoolArray:
        return np.asarray(self.vectors_.any(axis=1))

    def _learn_more(self, known: Dataset) -> None:
        self.cut_ = known.cut  # events tell nothing of items here

    def _state(self) -> Mapping[str, Array]:
        return {"vectors": self.vectors_}

    def _restore(self, state: Mapping[str, Array]) -> None:
        self.vectors_ = state["vectors"]
