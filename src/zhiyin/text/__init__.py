"""What a model reads: cards, histories, prompts, words; knows mappings and strings, no dataset."""

from __future__ import annotations

from zhiyin.text.cards import item_card, price_text
from zhiyin.text.history import history_lines
from zhiyin.text.prompts import ANSWERS, messages, render, split, version
from zhiyin.text.words import is_chinese, words

__all__ = [
    "ANSWERS",
    "history_lines",
    "is_chinese",
    "item_card",
    "messages",
    "price_text",
    "render",
    "split",
    "version",
    "words",
]
