"""An order -> a decision with propensities; knows scores and places, no texts."""

from typing import Any

from zhiyin.explore.base import SequentialPolicy
from zhiyin.explore.epsilon_greedy import EpsilonGreedyPolicy, GreedyPolicy
from zhiyin.registry import resolve
from zhiyin.types import Policy

__all__ = ["EpsilonGreedyPolicy", "GreedyPolicy", "SequentialPolicy", "make_policy"]


def make_policy(name: str, **params: Any) -> Policy:
    """Make a policy by its registered name.

    Raises
    ------
    ConfigError
        When no policy is called so, or a parameter is wrong.

    Examples
    --------
    >>> make_policy("epsilon-greedy", epsilon=0.1).policy
    'epsilon-greedy@1(epsilon=0.1)'
    """
    policy: Policy = resolve("policy", name)(**params)
    return policy
