"""Vectors of item and user texts from a text encoder, cached by content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from zhiyin.caches import ArrayCache, content_key
from zhiyin.data import Catalogue
from zhiyin.lm import cache_folder, load_text_encoder
from zhiyin.logs import progress
from zhiyin.text import item_card
from zhiyin.types import ScoreArray, TextEncoder

__all__ = ["encode_texts", "item_cards", "item_vectors"]

BLOCK = 512


def item_cards(catalogue: Catalogue, items: Iterable[int]) -> list[str]:
    """What an encoder reads of items, given by index: title and attributes."""
    attributes = catalogue.attributes
    return [
        item_card(
            catalogue.titles[item], attributes={name: values[item] for name, values in attributes.items()}
        )
        for item in items
    ]


def item_vectors(catalogue: Catalogue, encoder: str) -> ScoreArray:
    """One vector an item, from its title and attributes; float32 [n, d], unit length.

    Computed once for the same texts and encoder, then read from the cache folder.
    """
    cards = item_cards(catalogue, range(len(catalogue)))
    cache = ArrayCache(cache_folder() / "vectors")
    key = content_key("item_vectors", 1, _encoder(encoder).name, cards)
    found = cache.get(key)
    if found is None or len(found) != len(cards):
        found = _encoded(cards, encoder)
        cache.put(key, found)
    return found


def _encoded(cards: Sequence[str], encoder: str) -> ScoreArray:
    """Vectors of cards; what several items have in common is encoded once."""
    distinct = list(dict.fromkeys(cards))
    blocks = range(0, len(distinct), BLOCK)
    parts = [encode_texts(distinct[at : at + BLOCK], encoder) for at in progress(blocks, "encoding items")]
    if not parts:
        return encode_texts([], encoder)
    place = {card: at for at, card in enumerate(distinct)}
    return np.concatenate(parts)[[place[card] for card in cards]]


def encode_texts(texts: Sequence[str], encoder: str) -> ScoreArray:
    """Vectors of texts, float32 [n, d], unit length (zero for an empty text)."""
    return _encoder(encoder).encode(texts)


@lru_cache(maxsize=2)
def _encoder(name: str) -> TextEncoder:
    return load_text_encoder(name)
