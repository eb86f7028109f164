"""One spelling for what looks the same."""

from __future__ import annotations

import re
import unicodedata
from typing import ClassVar, Final

from zhiyin.data.cleaning.base import TextRule

__all__ = ["Unicode"]

_PHRASES: Final = re.compile("([\ufdfa\ufdfb])")  # one character each, whole phrases under NFKC


class Unicode(TextRule):
    """Unicode NFKC; white space collapsed. No character becomes more than six.

    Notes
    -----
    Unicode Standard Annex #15, form KC. The two ligatures that stand for whole phrases (U+FDFA,
    U+FDFB) are kept.
    """

    kind: ClassVar[str] = "unusual characters or white space, normalised"

    def mend(self, text: str) -> str:
        if not text.isascii():
            parts = _PHRASES.split(text)
            parts[::2] = [unicodedata.normalize("NFKC", part) for part in parts[::2]]
            text = "".join(parts)
        return " ".join(text.split())
