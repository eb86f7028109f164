"""Items nobody took, told by items that read alike; knows no method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import linalg, sparse

from zhiyin.data import Catalogue
from zhiyin.logs import progress
from zhiyin.nesting import behind, under
from zhiyin.retrieve.reading import ItemReader
from zhiyin.types import Array, BoolArray, IntArray, ScoreArray

__all__ = ["Newcomers", "resemblance"]

NEAREST = 200
CHUNK = 1024  # items at a time
MOST = 2.0  # cosine of meanings + cosine of words
READER = "reader."


@dataclass(frozen=True, eq=False)
class Newcomers:
    """``items`` int32 [c], ascending, that nobody took but that can be told by others.

    ``told`` float32 [c, n_items]: how much of each item that was taken (``resemblance``); ``taken`` bool
    [n_items]; ``reader``: texts of all items; ``noise``: of ``resemblance``.
    """

    reader: ItemReader
    taken: BoolArray
    items: IntArray
    told: sparse.csr_array
    noise: float

    @classmethod
    def of(cls, catalogue: Catalogue, taken: BoolArray, *, encoder: str, noise: float) -> Self:
        """All items that nobody took."""
        reader = ItemReader.of(catalogue, encoder=encoder, vectors=True, words=True)
        return cls._told(reader, taken, np.flatnonzero(~taken).astype(np.int32), noise)

    @classmethod
    def none(cls, taken: BoolArray, *, encoder: str) -> Self:
        """Nothing is read of any item, so nothing can be told."""
        return cls._told(ItemReader(encoder), taken, np.empty(0, dtype=np.int32), 1.0)

    @classmethod
    def _told(cls, reader: ItemReader, taken: BoolArray, items: IntArray, noise: float) -> Self:
        told = resemblance(reader, items, taken, noise=noise)
        readable = np.flatnonzero(np.diff(told.indptr))
        return cls(reader, taken, items[readable], told[readable], noise)

    def read(self, catalogue: Catalogue, changed: IntArray) -> Self:
        """The same for a catalogue that has grown, or whose texts at ``changed`` differ.

        Of the other newcomers those are told again of whom a changed item tells.
        """
        n = len(catalogue)
        reader = self.reader.read(catalogue, changed)
        taken = np.pad(self.taken, (0, n - len(self.taken)))
        teachers = changed[taken[changed]]
        again = np.flatnonzero(np.diff(self.told[:, teachers].tocsr().indptr))
        anew = np.union1d(changed[~taken[changed]], self.items[again]).astype(np.int32)
        new = self._told(reader, taken, anew, self.noise)
        kept = np.flatnonzero(~np.isin(self.items, anew))
        items = np.concatenate([self.items[kept], new.items])
        old = sparse.csr_array(self.told[kept])
        old.resize((len(kept), n))
        order = np.argsort(items)
        told = sparse.csr_array(sparse.vstack([old, new.told], format="csr"))[order]
        return type(self)(reader, taken, items[order], told, self.noise)

    def state(self) -> dict[str, Array]:
        """Everything, as arrays."""
        read = behind(READER, self.reader.state())
        told = {"weights": self.told.data, "columns": self.told.indices, "starts": self.told.indptr}
        return {**read, **told, "items": self.items, "taken": self.taken, "noise": np.array([self.noise])}

    @classmethod
    def from_state(cls, encoder: str, state: Mapping[str, Array]) -> Self:
        """What ``state`` gave."""
        items, taken = state["items"], state["taken"]
        parts = state["weights"], state["columns"], state["starts"]
        told = sparse.csr_array(parts, shape=(len(items), len(taken)))
        read = ItemReader.from_state(encoder, under(READER, state))
        return cls(read, taken, items, told, float(state["noise"][0]))


def resemblance(reader: ItemReader, items: IntArray, taken: BoolArray, *, noise: float) -> sparse.csr_array:
    """What the taken items that read alike tell of each of the given ones, float32 [len(items), n_items].

    Weights of kriging (Rasmussen & Williams 2006, "Gaussian processes for machine learning", eq. 2.26) among
    the ``NEAREST``: (K + noise I)^-1 k, where K and k are exp(cosine of meanings + cosine of words - 2) among
    them and with the item. Nothing for an item without a text.

    Parameters
    ----------
    reader : ItemReader
        With vectors and words of all items.
    items : int32 [c]
    taken : bool [n_items]
        Which items may tell.
    noise : float
        Above 0: how little a single item is believed.
    """
    among = np.flatnonzero(taken)
    width = min(NEAREST, len(among))
    if not width or not len(items) or reader.vectors is None:
        return sparse.csr_array((len(items), len(taken)), dtype=np.float32)
    words = _words(reader, taken)
    weights = np.zeros((len(items), width), dtype=np.float32)
    columns = np.empty((len(items), width), dtype=np.int32)
    for start in progress(range(0, len(items), CHUNK), "items that read alike"):
        part = items[start : start + CHUNK]
        alike = reader.vectors[part] @ reader.vectors[among].T + (words[part] @ words[among].T).toarray()
        near = np.argpartition(-alike, width - 1, axis=1)[:, :width]
        columns[start : start + CHUNK] = among[near]
        for row in np.flatnonzero(reader.vectors[part].any(axis=1)):
            told = _kernel(alike[row, near[row]])
            weights[start + row] = _kriged(reader.vectors, words, among[near[row]], told, noise)
    starts = np.arange(len(items) + 1) * width
    found = sparse.csr_array((weights.ravel(), columns.ravel(), starts), shape=(len(items), len(taken)))
    found.eliminate_zeros()
    return found


def _kernel(alike: ScoreArray) -> ScoreArray:
    near: ScoreArray = np.exp(alike - MOST)
    return near


def _kriged(
    vectors: ScoreArray, words: sparse.csr_array, near: IntArray, told: ScoreArray, noise: float
) -> ScoreArray:
    """Weights of the items ``near``, whose kernel with the one asked for is ``told``; both [w]."""
    theirs, said = vectors[near], words[near]
    among = _kernel(theirs @ theirs.T + (said @ said.T).toarray()).astype(np.float64)
    among[np.diag_indices_from(among)] += noise
    return np.asarray(linalg.solve(among, told, assume_a="pos"), dtype=np.float32)


def _words(reader: ItemReader, taken: BoolArray) -> sparse.csr_array:
    """Words of items, more those that few taken items have, rows of unit length, float32 [n, words]."""
    n = len(taken)
    if reader.words is None or not reader.vocabulary:
        return sparse.csr_array((n, 1), dtype=np.float32)
    rows, places = np.nonzero(reader.words >= 0)
    words = reader.words[rows, places]
    holders = np.bincount(words[taken[rows]], minlength=len(reader.vocabulary))
    rarity = np.log1p(taken.sum() / np.maximum(holders[words], 1))
    lengths = np.sqrt(np.bincount(rows, weights=rarity**2, minlength=n))
    values = (rarity / lengths[rows]).astype(np.float32)
    shape = (n, len(reader.vocabulary))
    return sparse.csr_array(sparse.coo_array((values, (rows, words)), shape=shape).tocsr())
