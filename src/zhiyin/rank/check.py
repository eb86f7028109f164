"""A ranking is used only if it is a permutation of what was to be ranked."""

from __future__ import annotations

import numpy as np

from zhiyin.types import BoolArray, Candidates

__all__ = ["is_permutation"]


def is_permutation(before: Candidates, after: Candidates) -> BoolArray:
    """Tell, row by row, whether ``after`` holds the items of ``before``, each once, pads on the right.

    Returns
    -------
    bool [U]

    Examples
    --------
    >>> scores = np.zeros((1, 2), np.float32)
    >>> one = Candidates(np.int32([[4, 7]]), scores)
    >>> is_permutation(one, Candidates(np.int32([[7, 4]]), scores))
    array([ True])
    >>> is_permutation(one, Candidates(np.int32([[7, 7]]), scores))
    array([False])
    """
    if before.items.shape != after.items.shape:
        return np.zeros(len(before), dtype=bool)
    same = (np.sort(before.items, axis=1) == np.sort(after.items, axis=1)).all(axis=1)
    present = after.items >= 0
    on_the_right = (np.diff(present.astype(np.int8), axis=1) <= 0).all(axis=1)
    finite = np.isfinite(np.where(present, after.scores, 0)).all(axis=1)
    answer: BoolArray = same & on_the_right & finite
    return answer
