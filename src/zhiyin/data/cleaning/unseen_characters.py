"""Characters that nobody sees."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from zhiyin.data.cleaning.base import TextRule

__all__ = ["UnseenCharacters"]

_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+"
)


class UnseenCharacters(TextRule):
    """Control, bidirectional and zero-width characters are removed.

    Joiners (U+200C, U+200D) stay: Persian and Indian scripts and emoji need them.
    """

    kind: ClassVar[str] = "control or bidirectional characters, removed"

    def mend(self, text: str) -> str:
        return text if text.isascii() and text.isprintable() else _UNSEEN.sub("", text)
