"""Vectors of item and user texts from a text encoder, cached by content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np

from zhiyin.caches import ArrayCache, content_key
from zhiyin.lm import cache_folder, load_text_encoder
from zhiyin.logs import progress
from zhiyin.text import item_card
from zhiyin.types import ScoreArray, TextEncoder

__all__ = ["encode_texts", "item_vectors"]

BLOCK = 512


def item_vectors(
    titles: Sequence[str], attributes: Mapping[str, Sequence[str | None]], encoder: str
) -> ScoreArray:
    """One vector an item, from its title and attributes; float32 [n, d], unit length.

    Computed once for the same texts and encoder, then read from the cache folder.
    """
    cards = [
        item_card(title, attributes={name: values[item] for name, values in attributes.items()})
        for item, title in enumerate(titles)
    ]
    cache = ArrayCache(cache_folder() / "vectors")
    key = content_key("item_vectors", 1, _encoder(encoder).name, cards)
    found = cache.get(key)
    if found is None or len(found) != len(cards):
        blocks = range(0, len(cards), BLOCK)
        parts = [encode_texts(cards[at : at + BLOCK], encoder) for at in progress(blocks, "encoding items")]
        found = np.concatenate(parts) if parts else encode_texts([], encoder)
        cache.put(key, found)
    return found


def encode_texts(texts: Sequence[str], encoder: str) -> ScoreArray:
    """Vectors of texts, float32 [n, d], unit length (zero for an empty text)."""
    return _encoder(encoder).encode(texts)


@lru_cache(maxsize=2)
def _encoder(name: str) -> TextEncoder:
    return load_text_encoder(name)
