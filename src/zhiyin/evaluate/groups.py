"""The same metric for groups of users, and the gap between them; knows one number a user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zhiyin.evaluate.intervals import Interval, bootstrap_mean, resampled_means
from zhiyin.types import FloatArray

__all__ = ["Grouped", "by_group"]

FEWEST = 20


@dataclass(frozen=True)
class Grouped:
    """One metric by group.

    ``groups``: label -> mean over its users; ``gap``: the largest mean minus the smallest, among
    groups of at least ``FEWEST`` users with a value; None with fewer than two such groups.
    """

    groups: Mapping[str, Interval]
    gap: Interval | None


def by_group(
    values: FloatArray, labels: Sequence[Any], *, samples: int = 2000, seed: int = 0, level: float = 0.95
) -> Grouped:
    """Means with intervals by group, and the gap between the best and the worst served.

    Parameters
    ----------
    values : float [U]
        NaN: the user has none.
    labels : U labels
        None: in no group.

    Returns
    -------
    Grouped
        Labels as text, sorted. Users are resampled within their groups. The groups of the gap are
        those that are best and worst in the data: by chance alone a gap is above zero, and the
        interval does not tell whether it is real; compare it with that of a random list.

    Examples
    --------
    >>> found = by_group(np.array([0.0] * 30 + [1.0] * 30), ["a"] * 30 + ["b"] * 30)
    >>> found.groups["b"].mean, found.gap.mean
    (1.0, 1.0)
    """
    names = np.array(["" if label is None else str(label) for label in labels], dtype=object)
    inside = np.array([label is not None for label in labels], dtype=bool)
    groups, large = {}, []
    for name in sorted(set(names[inside])):
        own = values[inside & (names == name)]
        groups[name] = bootstrap_mean(own, samples=samples, seed=seed, level=level)
        if groups[name].n >= FEWEST:
            large.append((groups[name].mean, name, own[~np.isnan(own)]))
    return Grouped(groups, _gap(large, samples=samples, seed=seed, level=level))


def _gap(
    large: list[tuple[float, str, FloatArray]], *, samples: int, seed: int, level: float
) -> Interval | None:
    if len(large) < 2:
        return None
    (low, _, worst), *_, (high, _, best) = sorted(large, key=lambda one: one[:2])
    drawn = resampled_means(best, samples=samples, seed=seed) - resampled_means(
        worst, samples=samples, seed=seed + 1
    )
    tail = (1.0 - level) / 2.0
    ends = np.quantile(drawn, [tail, 1.0 - tail])
    return Interval(high - low, float(ends[0]), float(ends[1]), len(best) + len(worst), level=level)
