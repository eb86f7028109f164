"""Several candidate lists of each user made one pool; knows lists, not who made them.

Memory grows with the lists, not with the catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zhiyin.retrieve.selection import top_n
from zhiyin.types import Candidates, IntArray, ScoreArray

__all__ = ["Pool", "pool_lists", "pool_values"]


@dataclass(frozen=True, eq=False)
class Pool:
    """``items`` int32 [U, P], ascending, -1 on the right; ``shares`` float32 [lists, U, P].

    A share is the value of the item in that list, such as 1 / (constant + rank); 0 where it is absent.
    """

    items: IntArray
    shares: ScoreArray

    def best(self, weights: ScoreArray, n: int) -> tuple[Candidates, IntArray]:
        """The n items with the largest weighted sum of shares, equal sums by smaller index.

        Parameters
        ----------
        weights : float32 [lists, U]
        n : int

        Returns
        -------
        Candidates, places
            The items, and their columns in the pool (int32 [U, n], -1 on pads).
        """
        total = np.einsum("mu,mup->up", weights, self.shares)
        found = top_n(np.where(total > 0, total, -np.inf).astype(np.float32), n)
        items = np.where(
            found.items >= 0, np.take_along_axis(self.items, np.maximum(found.items, 0), axis=1), -1
        )
        return Candidates(items.astype(np.int32), found.scores), found.items


def pool_lists(lists: Sequence[Candidates], *, constant: float) -> Pool:
    """Join lists of the same users; shares are 1 / (constant + rank), rank from 1.

    Examples
    --------
    >>> scores = np.zeros((1, 2), np.float32)
    >>> lists = [Candidates(np.int32([items]), scores) for items in ([7, 4], [4, -1])]
    >>> pool = pool_lists(lists, constant=0)
    >>> pool.items.tolist(), pool.shares[:, 0].tolist()
    ([[4, 7]], [[0.5, 1.0], [1.0, 0.0]])
    """
    values = [
        np.broadcast_to(1.0 / (constant + np.arange(1, one.items.shape[1] + 1)), one.items.shape)
        for one in lists
    ]
    return pool_values(lists, values)


def pool_values(lists: Sequence[Candidates], values: Sequence[npt.NDArray[np.floating]]) -> Pool:
    """Join lists of the same users; ``values`` [U, n] of each list are its items' shares."""
    stacked = np.concatenate([one.items for one in lists], axis=1)
    told = np.concatenate(list(values), axis=1)
    widths = [one.items.shape[1] for one in lists]
    origin = np.repeat(np.arange(len(lists)), widths)
    # By item, then by list; pads behind every item. Sorting numbers is faster than sorting places.
    keys = np.where(stacked < 0, np.int64(np.iinfo(np.int32).max), stacked) << 32 | np.arange(len(origin))
    keys.sort(axis=1)
    order = keys & 0xFFFFFFFF
    ordered = np.take_along_axis(stacked, order, axis=1)
    fresh = np.ones(ordered.shape, dtype=bool)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    fresh &= ordered >= 0
    group = np.cumsum(fresh, axis=1) - 1
    width = max(int(group.max(initial=-1)) + 1, 1)
    items = np.full((len(stacked), width), -1, dtype=np.int32)
    rows, columns = np.nonzero(fresh)
    items[rows, group[rows, columns]] = ordered[rows, columns]
    shares = np.zeros((len(lists), len(stacked), width), dtype=np.float32)
    rows, columns = np.nonzero(ordered >= 0)
    source = order[rows, columns]
    shares[origin[source], rows, group[rows, columns]] = told[rows, source]
    return Pool(items, shares)
