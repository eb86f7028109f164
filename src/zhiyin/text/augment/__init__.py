"""More training texts from those there are; knows strings, callables and a random generator."""

from __future__ import annotations

from zhiyin.text.augment.dropout import drop_words
from zhiyin.text.augment.histories import shuffle_baskets, subsample
from zhiyin.text.augment.paraphrase import back_translate, paraphrase
from zhiyin.text.augment.synonyms import replace_synonyms

__all__ = [
    "back_translate",
    "drop_words",
    "paraphrase",
    "replace_synonyms",
    "shuffle_baskets",
    "subsample",
]
