"""What a model reads: cards, histories, prompts, words; knows mappings and strings, no dataset."""

from __future__ import annotations

from zhiyin.text.cards import item_card, price_text
from zhiyin.text.history import history_lines
from zhiyin.text.language import detect_language
from zhiyin.text.lexicon import event_words, price_band, rating_words
from zhiyin.text.linking import Mention, TitleLinker
from zhiyin.text.prompts import ANSWERS, SCENARIOS, messages, render, split, version
from zhiyin.text.words import content_words, is_chinese, stop_words, words

__all__ = [
    "ANSWERS",
    "SCENARIOS",
    "Mention",
    "TitleLinker",
    "content_words",
    "detect_language",
    "event_words",
    "history_lines",
    "is_chinese",
    "item_card",
    "messages",
    "price_band",
    "price_text",
    "rating_words",
    "render",
    "split",
    "stop_words",
    "version",
    "words",
]
