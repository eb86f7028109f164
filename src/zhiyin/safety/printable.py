"""Text from outside made safe for a terminal; knows no console."""

from __future__ import annotations

__all__ = ["printable"]


def printable(text: str) -> str:
    r"""Replace what steers a terminal (escape sequences, bells, line ends, bidi marks) by blanks.

    Examples
    --------
    >>> printable("RED\x1b[2J MUG\n")
    'RED [2J MUG '
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else " " for letter in text)
