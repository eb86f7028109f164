"""Mostly the best, sometimes any: exploration that no estimate can mislead.

At each place the best remaining candidate has probability 1 - ε + ε/m and each other one of the m
remaining candidates of the pool ε/m (Sutton & Barto 2018, "Reinforcement Learning", section 2.2,
applied place by place). Both propensities are exact.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from pydantic import Field

from zhiyin import config
from zhiyin.explore.base import SequentialPolicy
from zhiyin.types import BoolArray, FloatArray

__all__ = ["EpsilonGreedyPolicy", "GreedyPolicy", "marginal_table"]

Places = npt.NDArray[np.int64]


class GreedyPolicy(SequentialPolicy):
    """Show the candidates in their order; every propensity is 1.

    Examples
    --------
    >>> GreedyPolicy().policy
    'greedy@1'
    """

    class Config(config.Config):
        """No parameters."""

    config: Config

    @property
    def policy(self) -> str:
        """Name and version."""
        return "greedy@1"

    def _probabilities(self, remaining: BoolArray, ranks: Places, scores: FloatArray) -> FloatArray:
        likely = np.zeros(remaining.shape)
        likely[np.arange(len(likely)), remaining.argmax(axis=1)] = 1.0
        return likely

    def _marginals(self, valid: Places, ranks: Places, scores: FloatArray) -> FloatArray:
        return np.ones(ranks.shape)


class EpsilonGreedyPolicy(SequentialPolicy):
    """With probability ε any remaining candidate of the pool, else the best remaining one.

    When the pool is used up the slate goes on in order, with propensity 1.

    Parameters
    ----------
    epsilon : float
        Probability of exploring at a place, in [0, 1]; 0.0 is greedy, 1.0 uniform over the pool;
        default 0.05.
    pool : int or None
        Exploration reaches the first ``pool`` candidates, >= 1; None: all.

    Examples
    --------
    >>> EpsilonGreedyPolicy(epsilon=0.05).policy
    'epsilon-greedy@1(epsilon=0.05)'
    """

    class Config(config.Config):
        """``epsilon``: probability of exploring at a place; ``pool``: candidates it may reach."""

        epsilon: float = Field(default=0.05, ge=0.0, le=1.0)
        pool: int | None = Field(default=None, ge=1)

    config: Config

    @property
    def policy(self) -> str:
        """Name, version and parameters."""
        pool = "" if self.config.pool is None else f",pool={self.config.pool}"
        return f"epsilon-greedy@1(epsilon={self.config.epsilon}{pool})"

    def _probabilities(self, remaining: BoolArray, ranks: Places, scores: FloatArray) -> FloatArray:
        pool = remaining if self.config.pool is None else remaining & (ranks < self.config.pool)
        m = np.count_nonzero(pool, axis=1)
        share = self.config.epsilon / np.maximum(m, 1)
        likely: FloatArray = pool * share[:, None]
        # 1 - ε (m-1)/m rather than 1 - ε + ε/m: exactly 1 when one is left or ε is 0.
        likely[np.arange(len(m)), remaining.argmax(axis=1)] = np.where(m > 0, 1.0 - share * (m - 1), 1.0)
        return likely

    def _marginals(self, valid: Places, ranks: Places, scores: FloatArray) -> FloatArray:
        sizes = valid if self.config.pool is None else np.minimum(valid, self.config.pool)
        k = ranks.shape[1]
        marginals = np.ones(ranks.shape)  # behind the pool the order is certain
        for size in np.unique(sizes):
            rows = np.flatnonzero(sizes == size)
            places = np.arange(min(k, size))
            table = marginal_table(int(size), len(places), self.config.epsilon)
            marginals[np.ix_(rows, places)] = table[ranks[np.ix_(rows, places)], places]
        return marginals


@lru_cache(maxsize=256)
def marginal_table(size: int, k: int, epsilon: float) -> FloatArray:
    """Probability of each rank at each place of an ε-greedy slate.

    Of a candidate only the number b of better ones that remain matters. At place j, with
    m = size - j remaining, it is taken with probability 1 - ε + ε/m if b = 0 and ε/m otherwise;
    else, if b > 0, a better one is taken with probability 1 - ε + ε b/m, and b falls by one. The
    table follows this chain back from each place to the start, where b is the rank: O(size · k²).

    Parameters
    ----------
    size : int
        Candidates in the pool.
    k : int
        Places, <= size.
    epsilon : float
        Probability of exploring, in [0, 1].

    Returns
    -------
    float64 [size, k]
        Rank by place, read-only; each column sums to 1.

    Examples
    --------
    >>> marginal_table(2, 2, 0.5)
    array([[0.75, 0.25], [0.25, 0.75]])
    """
    better = np.arange(size)
    table = np.empty((size, k))
    for last in range(k):
        m = size - last
        chance = np.where(better == 0, 1.0 - epsilon * (m - 1) / m, epsilon / m)
        for place in range(last - 1, -1, -1):
            m = size - place
            falls = np.where(better == 0, 0.0, 1.0 - epsilon * (m - better) / m)
            # With b = 0 the chain stays where another than the best is taken; b >= m cannot occur.
            stays = epsilon * np.maximum(m - 1 - better, 0) / m
            chance = stays * chance + falls * np.concatenate([[0.0], chance[:-1]])
        table[:, last] = np.minimum(chance, 1.0)
    table.setflags(write=False)
    return table
