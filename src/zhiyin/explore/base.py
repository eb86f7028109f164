"""The loop that policies share: fill a slate place by place from an exact distribution.

It knows no method: at each place a policy says how likely each remaining candidate is, and that
number is the conditional propensity of the one drawn. All users go through a place together; a
draw depends on (seed, request key, place) only, so that a request gets the same slate alone or in
a batch, and a longer slate begins with the shorter one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from zhiyin import config
from zhiyin.artifacts import read_json, write_text
from zhiyin.draws import key_of, uniforms
from zhiyin.errors import InputError
from zhiyin.types import BoolArray, Candidates, Decision, FloatArray, Queries, Slates

__all__ = ["SequentialPolicy", "slate_ids"]

STREAM = "explore"

Places = npt.NDArray[np.int64]


class SequentialPolicy(ABC):
    """Base of policies that fill a slate from the first place on.

    A subclass has a ``Config`` and a ``policy`` string, and gives the distribution over the
    remaining candidates; where it can, also the marginal propensities.
    """

    Config: ClassVar[type[config.Config]]

    def __init__(self, **params: Any) -> None:
        self.config = config.parse(self.Config, params, where=f"The policy {type(self).__name__}")

    @property
    @abstractmethod
    def policy(self) -> str:
        """Name, version and parameters of what decides."""

    @abstractmethod
    def _probabilities(self, remaining: BoolArray, ranks: Places, scores: FloatArray) -> FloatArray:
        """How likely each candidate is at the next place, float64 [U, n].

        ``remaining`` bool [U, n]; ``ranks`` int64 [U, n] of all candidates in their order, from
        0; ``scores`` float64 [U, n]. What a row with nothing left says is ignored.
        """

    def _marginals(self, valid: Places, ranks: Places, scores: FloatArray) -> FloatArray:
        """How likely the chosen candidates were at their places, whatever came before, [U, k].

        ``valid`` int64 [U]: number of candidates; ``ranks`` int64 [U, k] of the chosen, -1 on
        empty places; ``scores`` float64 [U, n] of all. NaN unless a policy knows better.
        """
        return np.full(ranks.shape, np.nan)

    def choose(self, queries: Queries, candidates: Candidates, k: int, *, seed: int) -> Slates:
        """Fill k places for each query.

        Parameters
        ----------
        queries : Queries
            Only their ``keys`` are read; two queries with one key are the same request.
        candidates : Candidates
            In rank order, best first, -1 pads.
        k : int
            Slate length, >= 1; rows with fewer candidates end in empty places: item
            -1, score -inf, propensities NaN.
        seed : int
            Run-wide seed of the draws.

        Returns
        -------
        Slates
            With the probability of each item at its place, given the places before
            (``conditional``), and over all ways to fill the places before (``marginal``).

        Raises
        ------
        InputError
            When the lengths differ or k < 1.
        """
        _check(queries, candidates, k)
        remaining = candidates.items >= 0
        valid = remaining.sum(axis=1)
        ranks = np.cumsum(remaining, axis=1) - 1
        scores = candidates.scores.astype(np.float64)
        uniform = uniforms(seed, queries.keys, k, stream=STREAM)
        chosen = np.full((len(queries), k), -1, dtype=np.int64)
        conditional = np.full((len(queries), k), np.nan)
        every = np.arange(len(queries))
        for place in range(min(k, int(valid.max(initial=0)))):
            likely = self._probabilities(remaining, ranks, scores)
            drawn = _draw(likely, uniform[:, place])
            chosen[:, place] = drawn
            conditional[:, place] = likely[every, drawn]
            remaining[every, drawn] = False
        filled = np.arange(k) < valid[:, None]
        chosen[~filled], conditional[~filled] = -1, np.nan
        shown = chosen >= 0
        where = np.maximum(chosen, 0)
        chosen_ranks = np.where(shown, _taken(ranks, where), -1)
        return Slates(
            ids=slate_ids(seed, queries.keys),
            items=np.where(shown, _taken(candidates.items, where), -1).astype(np.int32),
            scores=np.where(shown, _taken(candidates.scores, where), -np.inf).astype(np.float32),
            conditional=conditional,
            marginal=np.where(shown, self._marginals(valid, chosen_ranks, scores), np.nan),
            policy=self.policy,
        )

    def update(self, decisions: Sequence[Decision], rewards: FloatArray) -> Self:
        """Learn from decisions and their rewards; a policy without learned state returns itself.

        The decisions keep their worth: off-policy evaluation reads their propensities.

        Raises
        ------
        InputError
            When there is not one reward for each decision.
        """
        if len(decisions) != len(rewards):
            raise InputError(
                "Decisions and rewards differ in length",
                expected=f"{len(decisions)} rewards",
                received=f"{len(rewards)}",
            )
        return self

    def save(self, folder: Path) -> None:
        """Write config.json into an existing folder."""
        write_text(folder / "config.json", self.config.model_dump_json(indent=1))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        return cls(**read_json(folder / "config.json"))


def slate_ids(seed: int, keys: npt.NDArray[np.uint64]) -> tuple[str, ...]:
    """Name each slate: 16 hexadecimal digits that depend on (seed, key) only.

    Examples
    --------
    >>> slate_ids(7, np.array([1, 2], np.uint64))[0] == slate_ids(7, np.array([1], np.uint64))[0]
    True
    """
    return tuple(f"{key_of('slate', seed, int(key)):016x}" for key in keys)


def _draw(likely: FloatArray, uniform: FloatArray) -> Places:
    """One position a row by inversion; a position of probability 0 is never drawn."""
    cumulated = np.cumsum(likely, axis=1)
    drawn: Places = np.argmax(cumulated > (uniform * cumulated[:, -1])[:, None], axis=1)
    return drawn


def _taken(values: npt.NDArray[Any], where: Places) -> npt.NDArray[Any]:
    # Rows without any column have nothing to take; their places are empty anyway.
    if values.shape[1] == 0:
        return np.zeros(where.shape, dtype=values.dtype)
    return np.take_along_axis(values, where, axis=1)


def _check(queries: Queries, candidates: Candidates, k: int) -> None:
    if len(queries) != len(candidates):
        raise InputError(
            "Queries and candidates differ in length",
            expected=f"{len(queries)} rows",
            received=f"{len(candidates)} rows",
        )
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise InputError("k is not a slate length", expected="a whole number >= 1", received=repr(k))
