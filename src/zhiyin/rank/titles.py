"""Titles as a language model reads them; knows no model."""

from __future__ import annotations

from zhiyin.safety import sanitise

__all__ = ["readable"]


def readable(title: str) -> str:
    """Without what could pose as instructions, and not in capitals: those take more tokens.

    Examples
    --------
    >>> readable("RED CANDLE HOLDER")
    'Red candle holder'
    """
    clean = sanitise(title)
    return clean.capitalize() if clean.isupper() else clean
