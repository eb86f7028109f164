"""Reorder candidates by the resemblance of their item vectors; knows no texts and no encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from zhiyin import config
from zhiyin.artifacts import read_json, write_text
from zhiyin.diversify.rerank import floats, rerank
from zhiyin.errors import ArtifactError, InputError, NotFittedError
from zhiyin.types import Candidates, Queries, ScoreArray

__all__ = ["EmbeddingDiversifier"]

CHUNK_BYTES = 64 << 20


class EmbeddingDiversifier:
    """Diversify by vectors of the items, the more relevant first (a ``Diversifier``).

    The first ``depth`` candidates of each row are reordered by ``rerank``; the others keep their
    order behind them. Scores travel with their items, so they no longer fall from place to place.

    Parameters
    ----------
    method : {"mmr", "msd", "dpp", "ssd", "cover"}
        As in ``rerank``; default "mmr".
    diversity : float
        0.0 keeps the order of the scores, 1.0 is variety alone; default 0.5.
    depth : int
        Candidates to reorder, >= 1; default 50.

    Examples
    --------
    >>> vectors = np.array([[1, 0], [1, 0.01], [0, 1]])
    >>> diversifier = EmbeddingDiversifier(diversity=0.7).fit(vectors)
    >>> candidates = Candidates(np.array([[0, 1, 2, -1]], np.int32), np.array([[3, 2, 1, 0]], np.float32))
    >>> diversifier.diversify(candidates).items
    array([[ 0,  2,  1, -1]], dtype=int32)
    """

    class Config(config.Config):
        """``method`` and ``diversity`` of ``rerank``; ``depth``: candidates to reorder."""

        method: Literal["mmr", "msd", "dpp", "ssd", "cover"] = "mmr"
        diversity: float = Field(default=0.5, ge=0.0, le=1.0)
        depth: int = Field(default=50, ge=1)

    def __init__(self, **params: Any) -> None:
        self.config = config.parse(self.Config, params, where="The diversifier 'embedding'")
        self.vectors_: ScoreArray | None = None

    def fit(self, vectors: npt.ArrayLike) -> Self:
        """Take over the vectors of the items.

        Parameters
        ----------
        vectors : float [n_items, d]
            Row i belongs to item i; compared by cosine.

        Returns
        -------
        Self

        Raises
        ------
        InputError
            When they are no finite table.
        """
        table = floats(vectors, np.float32, name="vectors").copy()
        if table.ndim != 2 or not np.isfinite(table).all():
            raise InputError(
                "Item vectors must be a finite table",
                expected="finite numbers of shape [n_items, d]",
                received=f"shape {table.shape}",
            )
        table.setflags(write=False)
        self.vectors_ = table
        return self

    def with_vectors(self, items: npt.NDArray[np.int32], vectors: npt.ArrayLike) -> Self:
        """A snapshot with new vectors for some items; the table grows where they lie behind its end.

        Parameters
        ----------
        items : int32 [c]
        vectors : float [c, d]
        """
        if self.vectors_ is None:
            raise NotFittedError(type(self).__name__)
        size = max(len(self.vectors_), int(items.max(initial=-1)) + 1)
        table = np.zeros((size, self.vectors_.shape[1]), dtype=np.float32)
        table[: len(self.vectors_)] = self.vectors_
        table[items] = vectors
        return type(self)(**self.config.model_dump()).fit(table)

    def reorder(self, queries: Queries, candidates: Candidates) -> Candidates:
        """Reorder each row; the same items, each once, -1 pads on the right.

        Parameters
        ----------
        queries : Queries
            One for each row; not looked at.
        candidates : Candidates
            Relevance is their ``scores``; NaN or -inf goes behind the others. An item newer than
            the vectors resembles nothing.

        Raises
        ------
        NotFittedError, InputError
        """
        if len(queries) != len(candidates):
            raise InputError(
                "Queries and candidates differ in length",
                expected=f"{len(queries)} rows",
                received=f"{len(candidates)} rows",
            )
        return self.diversify(candidates)

    def diversify(self, candidates: Candidates) -> Candidates:
        """``reorder`` without queries."""
        if self.vectors_ is None:
            raise NotFittedError(type(self).__name__)
        users, n = candidates.items.shape
        depth = min(self.config.depth, n)
        order = np.broadcast_to(np.arange(n), (users, n)).copy()
        size = max(1, CHUNK_BYTES // (4 * max(1, depth * self.vectors_.shape[1])))
        for start in range(0, users if depth else 0, size):
            rows = slice(start, min(start + size, users))
            items, scores = candidates.items[rows, :depth], candidates.scores[rows, :depth]
            order[rows, :depth] = self._order(_looked_up(self.vectors_, items), items, scores)
        return candidates.reordered(order)

    def _order(
        self, vectors: ScoreArray, items: npt.NDArray[np.int32], scores: ScoreArray
    ) -> npt.NDArray[np.int64]:
        chosen = rerank(
            vectors,
            np.where(items >= 0, scores, np.nan),
            items.shape[1],
            method=self.config.method,
            diversity=self.config.diversity,
        )
        return _completed(chosen, items)

    def save(self, folder: Path) -> None:
        """Write config.json and vectors.npy into an existing folder."""
        if self.vectors_ is None:
            raise NotFittedError(type(self).__name__)
        np.save(folder / "vectors.npy", self.vectors_, allow_pickle=False)
        write_text(folder / "config.json", self.config.model_dump_json(indent=1))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote.

        Raises
        ------
        ArtifactError
            When a file is missing or damaged.
        """
        path = folder / "vectors.npy"
        diversifier = cls(**read_json(folder / "config.json"))
        try:
            return diversifier.fit(np.load(path, allow_pickle=False))
        except (OSError, ValueError, EOFError) as error:
            raise ArtifactError(
                f"{path} cannot be read", expected="a table of vectors", received=str(error)
            ) from error


def _looked_up(vectors: ScoreArray, items: npt.NDArray[np.int32]) -> ScoreArray:
    """Look up the vector of each item, zero where there is none."""
    known = (items >= 0) & (items < len(vectors))
    found = np.zeros((*items.shape, vectors.shape[1]), dtype=np.float32)
    found[known] = vectors[items[known]]
    return found


def _completed(chosen: npt.NDArray[np.int64], items: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Each place once: chosen ones first, then items that were passed over, then the pads."""
    n = items.shape[1]
    rank = np.where(items >= 0, n, 2 * n) + np.arange(n)
    rows, places = np.nonzero(chosen >= 0)
    rank[rows, chosen[rows, places]] = places
    return np.argsort(rank, axis=1, kind="stable")
