"""How many of the people with a user's taste took an item, as a number and in words; knows no user's name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import sparse

from zhiyin.artifacts import write_frame
from zhiyin.types import FloatArray, IntArray, Ragged

__all__ = ["Company", "in_words"]

WORDS = {
    "en": "{} (chosen by {} of 10 people with the same taste)",
    "zh": "{}（口味相同的10人中有{}人选择）",
}


def in_words(title: str, share: float, language: str = "en") -> str:
    """A title with the share, of ten; the title alone where it is not known (NaN).

    Examples
    --------
    >>> in_words("Teapot", 0.78)
    'Teapot (chosen by 8 of 10 people with the same taste)'
    """
    return title if np.isnan(share) else WORDS[language].format(title, round(10 * share))


class Company:
    """People and what they took.

    The company of a history are the ``people`` whose own have the largest cosine with it, of those who share
    an item and took something else: who did not is the user as of old, or tells nothing more.

    Parameters
    ----------
    histories : Ragged
        One a person.
    n_items : int
    people : int
        In a company, at most.
    """

    def __init__(self, histories: Ragged, n_items: int, *, people: int = 50) -> None:
        self.histories, self.n_items, self.people = histories, n_items, people
        ones = np.ones(len(histories.items), dtype=np.float32)
        shape = (len(histories), n_items)
        taken = sparse.csr_array((ones, (histories.rows, histories.items.astype(np.int64))), shape=shape)
        taken.data[:] = 1.0  # once is enough
        self._taken, self._takers = taken, taken.tocsc()
        self._sizes = np.asarray(taken.sum(axis=1), dtype=np.float64).ravel()

    def shares(self, history: IntArray, items: npt.NDArray[np.integer]) -> FloatArray:
        """Share of the history's company that took each item, in [0, 1], float64 [n].

        NaN where the history has no company.
        """
        own = np.unique(history[(history >= 0) & (history < self.n_items)])
        overlap = np.asarray(self._takers[:, own].sum(axis=1), dtype=np.float64).ravel()
        others = np.flatnonzero((overlap > 0) & (self._sizes > overlap))
        if not len(others):
            return np.full(len(items), np.nan)
        closeness = overlap[others] / np.sqrt(self._sizes[others])
        nearest = others[np.argsort(-closeness, kind="stable")[: self.people]]
        found: FloatArray = np.asarray(self._taken[nearest][:, items].mean(axis=0), dtype=np.float64).ravel()
        return found

    def save(self, folder: Path) -> None:
        """Write company.parquet into an existing folder."""
        rows = pl.DataFrame({"person": self.histories.rows, "item": self.histories.items})
        write_frame(folder / "company.parquet", rows)

    @classmethod
    def load(cls, folder: Path, n_items: int, *, people: int = 50) -> Company:
        """Read what ``save`` wrote."""
        rows = pl.read_parquet(folder / "company.parquet")
        lists = rows.group_by("person", maintain_order=True).agg("item")["item"].to_list()
        return cls(Ragged.from_lists(lists), n_items, people=people)
