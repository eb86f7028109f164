"""Flat mappings of names that lie in one another: what goes into one file, part by part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

__all__ = ["behind", "under"]

T = TypeVar("T")


def behind(prefix: str, parts: Mapping[str, T]) -> dict[str, T]:
    """The same with a prefix before each name.

    Examples
    --------
    >>> behind("reader.", {"words": 3})
    {'reader.words': 3}
    """
    return {f"{prefix}{name}": value for name, value in parts.items()}


def under(prefix: str, whole: Mapping[str, T]) -> dict[str, T]:
    """What lies behind a prefix, without it.

    Examples
    --------
    >>> under("reader.", {"reader.words": 3, "items": 5})
    {'words': 3}
    """
    return {name.removeprefix(prefix): value for name, value in whole.items() if name.startswith(prefix)}
