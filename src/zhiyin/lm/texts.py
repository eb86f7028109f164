"""Texts as arguments; knows no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zhiyin.errors import InputError

__all__ = ["listed", "single_tokens"]


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


def single_tokens(tokenizer: Any, answers: Sequence[str]) -> list[int]:
    """The token of each answer.

    Raises
    ------
    InputError
        When there are less than two, or one is not exactly one token.
    """
    if isinstance(answers, str) or len(answers) < 2:
        raise InputError("answers need two texts or more", expected="2", received=repr(answers)[:80])
    rows = tokenizer(list(answers), add_special_tokens=False, verbose=False)["input_ids"]
    for text, row in zip(answers, rows, strict=True):
        if len(row) != 1:
            raise InputError(
                f"The answer {text!r} is not one token",
                expected="1 token",
                received=str(tokenizer.convert_ids_to_tokens(row)),
                hint="Try a common short word, with or without the leading space.",
            )
    return [int(token) for (token,) in rows]
