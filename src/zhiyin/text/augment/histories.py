"""Histories with some items left out, or baskets in another order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from zhiyin.errors import InputError

__all__ = ["shuffle_baskets", "subsample"]

T = TypeVar("T")


def subsample(history: Sequence[T], *, share: float, rng: np.random.Generator, newest: int = 1) -> list[T]:
    """Leave out each item with probability ``share``; order stays, and so do the newest.

    Parameters
    ----------
    history : sequence
        Oldest first.
    share : float
        In [0, 1).
    rng : numpy.random.Generator
    newest : int
        How many of the last items always stay, >= 0.

    Raises
    ------
    InputError
        When the share is out of range or ``newest`` is negative.

    Examples
    --------
    >>> subsample(["a", "b", "c", "d"], share=0.5, rng=np.random.default_rng(0))
    ['a', 'd']
    """
    if not 0.0 <= share < 1.0 or newest < 0:
        raise InputError(
            "Nothing can be left out like this",
            expected="share in [0, 1), newest >= 0",
            received=f"share={share}, newest={newest}",
        )
    kept = rng.random(len(history)) >= share
    return [one for place, one in enumerate(history) if kept[place] or place >= len(history) - newest]


def shuffle_baskets(history: Sequence[T], baskets: Sequence[object], *, rng: np.random.Generator) -> list[T]:
    """Change the order inside baskets, which means nothing, and keep that of the baskets.

    Parameters
    ----------
    history : sequence, length n
        Oldest first.
    baskets : sequence, length n
        To which basket each item belongs; items of one basket stand together.

    Raises
    ------
    InputError
        When lengths differ.

    Examples
    --------
    >>> shuffle_baskets(["a", "b", "c", "d"], [1, 1, 1, 2], rng=np.random.default_rng(0))
    ['c', 'a', 'b', 'd']
    """
    if len(history) != len(baskets):
        raise InputError(
            "history and baskets differ in length", expected=str(len(history)), received=str(len(baskets))
        )
    made: list[T] = []
    start = 0
    for place in range(1, len(history) + 1):
        if place == len(history) or baskets[place] != baskets[start]:
            made += [history[start + at] for at in rng.permutation(place - start)]
            start = place
    return made
