"""Lists of texts as arguments; knows no model."""

from __future__ import annotations

from collections.abc import Sequence

from zhiyin.errors import InputError

__all__ = ["listed"]


def listed(texts: Sequence[str], name: str) -> list[str]:
    """The texts as a list.

    Raises
    ------
    InputError
        For a single string, which would be read letter by letter, or anything that is no string.

    Examples
    --------
    >>> listed(("a", "b"), "texts")
    ['a', 'b']
    """
    if isinstance(texts, str):
        raise InputError(
            f"{name} is one string", expected="a list of strings", hint=f"Write [{texts[:40]!r}]."
        )
    found = list(texts)
    for text in found:
        if not isinstance(text, str):
            raise InputError(f"{name} holds something else than strings", received=repr(text)[:80])
    return found
