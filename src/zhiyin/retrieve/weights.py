"""Weights of a fusion, chosen on validation; knows pooled shares, not where they came from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zhiyin.evaluate import ranking
from zhiyin.retrieve.pooling import Pool
from zhiyin.types import Ragged

__all__ = ["GRID", "learn_weights"]

GRID: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
ROUNDS = 3


def learn_weights(
    pool: Pool, given: Mapping[str, float | None], relevant: Ragged, *, k: int = 10
) -> dict[str, float]:
    """Weights on a grid that maximise the mean NDCG@k, by coordinate ascent from 1.

    Parameters
    ----------
    pool : Pool
        The members' lists, in the order of ``given``.
    given : Mapping
        Fixed weights; None: to be learned.
    relevant : Ragged
        What each user took.

    Notes
    -----
    A weight moves only where NDCG grows, so a retriever that adds nothing keeps weight 1 only if
    it does not hurt either.
    """
    weights = {name: 1.0 if weight is None else weight for name, weight in given.items()}

    def quality(trial: Mapping[str, float]) -> float:
        stacked = np.array(list(trial.values()), dtype=np.float32)[:, None]
        lists, _ = pool.best(np.broadcast_to(stacked, (len(trial), len(relevant))), k)
        values = ranking.ndcg(lists.items, relevant, k)
        known = values[~np.isnan(values)]
        return float(known.mean()) if len(known) else 0.0

    best = quality(weights)
    for _ in range(ROUNDS):
        before = best
        for name in (name for name, weight in given.items() if weight is None):
            for weight in GRID:
                trial = {**weights, name: weight}
                if any(trial.values()) and (score := quality(trial)) > best:
                    best, weights = score, trial
        if best == before:
            break
    return weights
