"""How fast what people take changes; knows events in time, no method."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import rel_entr

from zhiyin.data import Columns, Dataset
from zhiyin.draws import generator
from zhiyin.types import FloatArray

__all__ = ["Drift", "measure_drift"]

PARTS = 8
FEWEST = 400  # events of a part


@dataclass(frozen=True)
class Drift:
    """How what is popular changes from one part of the time to the next.

    ``divergence``: Jensen-Shannon divergence, in bits, 0 to 1, of neighbouring parts of equal numbers of
    events; ``chance``: the same when the parts are drawn at random, so what sampling alone makes.
    """

    divergence: tuple[float, ...]
    chance: float

    @property
    def strong(self) -> bool:
        """Whether it changes at least twice as much as sampling alone makes it seem."""
        return bool(self.divergence) and float(np.mean(self.divergence)) > 2 * self.chance


def measure_drift(dataset: Dataset, *, seed: int = 0) -> Drift | None:
    """Compare the popularity of items in successive parts; None without times or with few events.

    Notes
    -----
    Lin (1991), "Divergence measures based on the Shannon entropy".
    """
    n_parts = min(PARTS, dataset.n_events // FEWEST)
    if not dataset.has_times or n_parts < 2:
        return None
    items = dataset.events[Columns.ITEM].to_numpy()
    parts = np.array_split(items, n_parts)
    shuffled = np.array_split(generator(seed, 0, stream="drift").permutation(items), n_parts)
    return Drift(_steps(parts, dataset.n_items), float(np.mean(_steps(shuffled, dataset.n_items))))


def _steps(parts: list[np.ndarray[tuple[int], np.dtype[np.int32]]], n_items: int) -> tuple[float, ...]:
    shares = [np.bincount(part, minlength=n_items) / len(part) for part in parts]
    return tuple(_divergence(one, other) for one, other in pairwise(shares))


def _divergence(one: FloatArray, other: FloatArray) -> float:
    middle = (one + other) / 2
    nats = (rel_entr(one, middle).sum() + rel_entr(other, middle).sum()) / 2
    return float(nats / np.log(2))
