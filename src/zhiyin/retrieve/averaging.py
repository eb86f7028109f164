"""Histories as weights of items; knows no vectors."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from zhiyin.retrieve.selection import in_range
from zhiyin.types import Ragged

__all__ = ["recency_weights"]


def recency_weights(histories: Ragged, n_items: int, half_life: float) -> sparse.csr_array:
    """2^(-age / half_life) of each event, age in events from the newest, summed by item.

    Parameters
    ----------
    histories : Ragged
        Items beyond ``n_items`` are passed over.
    n_items : int
    half_life : float
        In events, > 0.

    Returns
    -------
    sparse float32 [U, n_items]
    """
    known = in_range(histories, n_items)
    place = np.arange(len(known.items)) - np.repeat(known.offsets[:-1], known.lengths)
    age = np.repeat(known.lengths, known.lengths) - 1 - place
    weights = np.exp2(-age / half_life).astype(np.float32)
    return sparse.csr_array((weights, known.items, known.offsets), shape=(len(known), n_items))
