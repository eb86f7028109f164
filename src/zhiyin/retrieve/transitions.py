"""What people took next: the items that follow those of the history, soon and often."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from scipy import sparse

from zhiyin.data import Dataset
from zhiyin.retrieve.forgetting import FadingConfig
from zhiyin.retrieve.item_to_item import ItemToItemRetriever
from zhiyin.retrieve.selection import largest_of_rows

__all__ = ["TransitionRetriever"]


class TransitionRetriever(ItemToItemRetriever):
    """Score of an item = sum over the history of how often it followed, as a share of all that followed.

    A pair of events of one user, d places apart, counts 1 / d^``fading`` for the later item behind the
    earlier one, up to ``window`` places; each earlier item's counts are divided by their sum, and its
    ``neighbours`` largest are kept. Events of one moment stand in the order of the file, which in many
    logs is the order in which things were put into the basket. These are the sequential rules of Ludewig
    & Jannach (2018), "Evaluation of session-based recommendation algorithms", section 3.1, summed over a
    history that fades.
    """

    class Config(FadingConfig):
        """``window`` in events; ``fading`` of a pair with its distance; ``neighbours``; ``half_life``."""

        window: int = Field(default=10, ge=1)
        fading: float = Field(default=0.5, ge=0)
        neighbours: int = Field(default=500, ge=1)

    config: Config
    learns_more = True

    def _learn(self, train: Dataset) -> None:
        history = train.histories()
        good = history.values > 0
        rows, items = history.rows[good], history.items[good]
        n = train.n_items
        counts = sparse.csr_array((n, n), dtype=np.float32)
        for distance in range(1, min(self.config.window, max(len(rows) - 1, 1)) + 1):
            pairs = (rows[:-distance] == rows[distance:]) & (items[:-distance] != items[distance:])
            places = (items[:-distance][pairs], items[distance:][pairs])
            weight = np.full(len(places[0]), distance**-self.config.fading, dtype=np.float32)
            counts = counts + sparse.csr_array((weight, places), shape=(n, n))
        self.pairs_: sparse.csr_array = self._kept(counts)

    def _kept(self, counts: sparse.csr_array) -> sparse.csr_array:
        """The largest shares of each row."""
        sums = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
        rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        shares = (counts.data / np.maximum(sums[rows], 1e-12)).astype(np.float32)
        kept = largest_of_rows(rows, counts.indices, shares, self.config.neighbours)
        return sparse.csr_array((shares[kept], (rows[kept], counts.indices[kept])), shape=counts.shape)
