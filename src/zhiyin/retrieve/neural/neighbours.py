"""Items nobody took, between those that read alike: their vector is a mean of their neighbours'."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from zhiyin.retrieve.neural.reading import ItemReader
from zhiyin.types import BoolArray, IntArray, ScoreArray

__all__ = ["text_neighbours"]

NEIGHBOURS, SHARPNESS = 50, 4
LEXICAL = 1.0  # weight of the cosine of words beside that of meanings
CHUNK = 1024  # items at a time


def text_neighbours(reader: ItemReader, items: IntArray, taken: BoolArray) -> sparse.csr_array:
    """How much of each taken item is in each of the given ones, float32 [len(items), n_items].

    Weights are (cosine of meanings + ``LEXICAL`` times cosine of words)^``SHARPNESS`` of the ``NEIGHBOURS``
    nearest, with sum 1; nothing for an item without a text.

    Parameters
    ----------
    reader : ItemReader
        With vectors and words of all items.
    items : int32 [c]
    taken : bool [n_items]
        Which items may be neighbours.
    """
    among = np.flatnonzero(taken)
    n = len(taken)
    width = min(NEIGHBOURS, len(among))
    if not width or not len(items) or reader.vectors is None:
        return sparse.csr_array((len(items), n), dtype=np.float32)
    words = _words(reader, n)
    theirs, of_words = reader.vectors[among].T, words[among].T.tocsr()
    kept: list[ScoreArray] = []
    columns: list[IntArray] = []
    for start in range(0, len(items), CHUNK):
        part = items[start : start + CHUNK]
        alike = reader.vectors[part] @ theirs + LEXICAL * (words[part] @ of_words).toarray()
        near = np.argpartition(-alike, width - 1, axis=1)[:, :width]
        strength = np.maximum(np.take_along_axis(alike, near, axis=1), 0) ** SHARPNESS
        sums = strength.sum(axis=1, keepdims=True)
        kept.append((strength / np.where(sums > 0, sums, 1)).astype(np.float32))
        columns.append(among[near].astype(np.int32))
    starts = np.arange(len(items) + 1) * width
    found = (np.concatenate(kept).ravel(), np.concatenate(columns).ravel(), starts)
    return sparse.csr_array(found, shape=(len(items), n))


def _words(reader: ItemReader, n: int) -> sparse.csr_array:
    """Words of items, rare ones more, rows of unit length, float32 [n, words]."""
    if reader.words is None or not reader.vocabulary:
        return sparse.csr_array((n, 1), dtype=np.float32)
    rows, places = np.nonzero(reader.words >= 0)
    words = reader.words[rows, places]
    holders = np.bincount(words, minlength=len(reader.vocabulary))
    rarity = np.log1p(n / np.maximum(holders[words], 1))
    lengths = np.sqrt(np.bincount(rows, weights=rarity**2, minlength=n))
    values = (rarity / lengths[rows]).astype(np.float32)
    shape = (n, len(reader.vocabulary))
    return sparse.csr_array(sparse.coo_array((values, (rows, words)), shape=shape).tocsr())
