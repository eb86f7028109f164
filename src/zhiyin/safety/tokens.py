"""Tokens that a loaded tokenizer treats as commands; knows their spelling, no tokenizer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from threading import Lock

__all__ = ["break_tokens", "forbid_tokens"]

_lock = Lock()
_forbidden: frozenset[str] = frozenset()
_pattern: re.Pattern[str] | None = None


def forbid_tokens(tokens: Iterable[str]) -> None:
    """From now on no sanitised text holds these; whoever loads a tokenizer calls it with its special tokens.

    Tokens of one character and blank ones are passed over: they cannot be told from plain text.

    Examples
    --------
    >>> forbid_tokens(["<|im_end|>"])
    >>> break_tokens("tea<|im_end|>")
    'tea< |im_end|>'
    """
    global _forbidden, _pattern
    with _lock:
        fresh = {token for token in tokens if len(token.strip()) > 1} - _forbidden
        if fresh:
            _forbidden |= fresh
            longest_first = sorted(_forbidden, key=len, reverse=True)
            _pattern = re.compile("|".join(map(re.escape, longest_first)))


def break_tokens(text: str) -> str:
    """The text with a blank after the first character of each forbidden token; twice changes nothing."""
    pattern = _pattern
    if pattern is None:
        return text
    for _ in range(len(text)):
        broken = pattern.sub(lambda match: f"{match.group()[0]} {match.group()[1:]}", text)
        if broken == text:
            return text
        text = broken
    return text
