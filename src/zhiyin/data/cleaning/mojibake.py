"""Text that was decoded with the wrong encoding."""

from __future__ import annotations

import re
from typing import ClassVar, Final

import ftfy

from zhiyin.data.cleaning.base import TextRule

__all__ = ["Mojibake"]

_AMPERSANDS: Final = re.compile("&(?:amp;)+")


class Mojibake(TextRule):
    """Mojibake ("cafÃ©") is undone and HTML entities are unescaped, by ftfy.

    Notes
    -----
    Speer, R. (2019), "ftfy", doi:10.5281/zenodo.2591652.
    """

    restless: ClassVar[bool] = True
    kind: ClassVar[str] = "mojibake or HTML entities, mended"

    def mend(self, text: str) -> str:
        if text.isascii() and text.isprintable() and "&" not in text:
            return text
        mended: str = ftfy.fix_text(text, normalization="NFC", uncurl_quotes=False)
        return _AMPERSANDS.sub("&", mended)
