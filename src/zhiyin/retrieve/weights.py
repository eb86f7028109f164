"""Weights of a fusion, chosen on validation; knows shares of scores, not where they came from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zhiyin.evaluate import ranking
from zhiyin.retrieve.selection import top_n
from zhiyin.types import Ragged, ScoreArray

__all__ = ["GRID", "learn_weights"]

GRID: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
ROUNDS = 3
MAX_USERS = 1000


def learn_weights(
    shares: Mapping[str, ScoreArray], given: Mapping[str, float | None], relevant: Ragged, *, k: int = 10
) -> dict[str, float]:
    """Weights on a grid that maximise the mean NDCG@k, by coordinate ascent from 1.

    Parameters
    ----------
    shares : Mapping of float32 [U, n_items]
        Each retriever's share of the fused score at weight 1.
    given : Mapping
        Fixed weights; None: to be learned.
    relevant : Ragged
        What each user took; the first 1,000 users are enough.

    Notes
    -----
    A weight moves only where NDCG grows, so a retriever that adds nothing keeps weight 1 only if
    it does not hurt either.
    """
    weights = {name: 1.0 if weight is None else weight for name, weight in given.items()}
    rows = np.arange(min(len(relevant), MAX_USERS))
    truth = relevant.take(rows)
    parts = {name: share[rows] for name, share in shares.items()}

    def quality(trial: Mapping[str, float]) -> float:
        total = np.zeros_like(next(iter(parts.values())))
        for name, weight in trial.items():
            if weight:
                total += weight * parts[name]
        items = top_n(np.where(total > 0, total, -np.inf).astype(np.float32), k).items
        return float(np.nanmean(ranking.ndcg(items, truth, k)))

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
