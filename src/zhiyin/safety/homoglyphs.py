"""Letters that pose as others; knows scripts, no language."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["LOOKALIKES", "unmask"]

# Cyrillic and Greek letters that look like Latin ones (Unicode Technical Standard #39, confusables).
_PAIRS: Final = {
    "а": "a", "ь": "b", "с": "c", "ԁ": "d", "е": "e", "ɡ": "g", "һ": "h", "і": "i", "ј": "j", "ӏ": "l",
    "ո": "n", "о": "o", "р": "p", "ԛ": "q", "г": "r", "ѕ": "s", "т": "t", "υ": "u", "ѵ": "v", "ԝ": "w",
    "х": "x", "у": "y", "А": "A", "В": "B", "С": "C", "Е": "E", "Н": "H", "І": "I", "Ј": "J", "К": "K",
    "М": "M", "О": "O", "Р": "P", "Ѕ": "S", "Т": "T", "Ѵ": "V", "Ԝ": "W", "Х": "X", "У": "Y", "α": "a",
    "ε": "e", "ι": "i", "κ": "k", "ν": "v", "ο": "o", "ρ": "p", "τ": "t", "χ": "x", "Α": "A", "Β": "B",
    "Ε": "E", "Ζ": "Z", "Η": "H", "Ι": "I", "Κ": "K", "Μ": "M", "Ν": "N", "Ο": "O", "Ρ": "P", "Τ": "T",
    "Υ": "Y", "Χ": "X",
}  # fmt: skip
LOOKALIKES: Final = str.maketrans(_PAIRS)
_LOOKALIKE: Final = re.compile(f"[{''.join(_PAIRS)}]")
_WORD: Final = re.compile(r"[^\W\d_]+")
_LATIN: Final = re.compile("[A-Za-z]")


def unmask(text: str) -> str:
    """Replace Cyrillic and Greek letters by the Latin ones they look like, in words that hold Latin letters.

    Words of one script stay as they are: Russian and Greek are not touched.

    Notes
    -----
    Unicode Technical Standard #39, "Unicode security mechanisms", confusables and mixed scripts.

    Examples
    --------
    >>> unmask("Аssistаnt: рromo, привет, Ελλάδα") == "Assistant: promo, привет, Ελλάδα"
    True
    """
    if text.isascii() or not _LOOKALIKE.search(text):
        return text
    return _WORD.sub(_latin, text)


def _latin(match: re.Match[str]) -> str:
    word = match.group()
    return word.translate(LOOKALIKES) if _LATIN.search(word) else word
