"""The frozen records and the protocols that cross rooms; they import no room.

Inside zhiyin a user and an item are int32 indices into the vocabularies of a dataset; external
ids are strings and stay the strings of the file. -1 means "none". All interfaces are batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self, TypedDict, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt
from scipy import sparse

from zhiyin.errors import InputError

__all__ = [
    "Array",
    "BoolArray",
    "Candidates",
    "Decision",
    "Diversifier",
    "FloatArray",
    "IntArray",
    "LanguageModel",
    "Message",
    "Policy",
    "Queries",
    "Ragged",
    "Ranker",
    "RankingExamples",
    "Retriever",
    "ScoreArray",
    "Slates",
    "TextEncoder",
]

Array = npt.NDArray[Any]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int32]
ScoreArray = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ragged:
    """U histories end to end, oldest event first.

    ``offsets`` int64 [U+1]; ``items`` int32 [N]; ``times`` float64 [N], seconds; ``values``
    float32 [N], the strength of an event; ``events`` int16 [N], the code of the event type.
    """

    offsets: npt.NDArray[np.int64]
    items: IntArray
    times: FloatArray
    values: ScoreArray
    events: npt.NDArray[np.int16]

    def __post_init__(self) -> None:
        n = len(self.items)
        if not (len(self.times) == len(self.values) == len(self.events) == n):
            raise InputError("The columns of a Ragged differ in length", expected=str(n))
        if len(self.offsets) == 0 or self.offsets[0] != 0 or self.offsets[-1] != n:
            raise InputError("The offsets of a Ragged do not span its items", expected=f"0 … {n}")

    @classmethod
    def from_lists(cls, lists: Sequence[Sequence[int]]) -> Self:
        """Histories without times (all 0), of strength 1.

        Examples
        --------
        >>> Ragged.from_lists([[3, 1], []]).lengths
        array([2, 0])
        """
        lengths = np.array([len(one) for one in lists], dtype=np.int64)
        items = np.array([item for one in lists for item in one], dtype=np.int32)
        n = len(items)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls(offsets, items, np.zeros(n), np.ones(n, np.float32), np.zeros(n, np.int16))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Number of events of each user, int64 [U]."""
        return np.diff(self.offsets)

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """The row each event belongs to, int64 [N]."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def slice(self, row: int) -> slice:
        """Where row ``row`` lies in the columns."""
        return slice(int(self.offsets[row]), int(self.offsets[row + 1]))

    def lists(self) -> Iterator[IntArray]:
        """The items of each row."""
        for row in range(len(self)):
            yield self.items[self.slice(row)]

    def take(self, rows: npt.ArrayLike) -> Self:
        """The given rows, in that order."""
        chosen = np.asarray(rows, dtype=np.int64)
        lengths = self.lengths[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        where = np.repeat(self.offsets[chosen], lengths) + within
        return self._at(offsets, where)

    def keep(self, mask: BoolArray) -> Self:
        """The events where ``mask`` [N] is true."""
        counts = np.bincount(self.rows[mask], minlength=len(self))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return self._at(offsets, np.flatnonzero(mask))

    def _at(self, offsets: npt.NDArray[np.int64], where: npt.NDArray[np.int64]) -> Self:
        return type(self)(
            offsets, self.items[where], self.times[where], self.values[where], self.events[where]
        )

    @cached_property
    def ages(self) -> npt.NDArray[np.int64]:
        """How many later moments the user has, int64 [N]; events of one time are one moment.

        So a basket is one step, as a single click is.

        Examples
        --------
        >>> from dataclasses import replace
        >>> replace(Ragged.from_lists([[4, 7, 5]]), times=np.array([1.0, 1.0, 9.0])).ages
        array([1, 1, 0])
        """
        rows = self.rows
        fresh = np.ones(len(rows), dtype=bool)
        fresh[1:] = (rows[1:] != rows[:-1]) | (self.times[1:] != self.times[:-1])
        moment = np.cumsum(fresh)
        some = self.lengths > 0
        newest = moment[self.offsets[1:][some] - 1]
        ages: npt.NDArray[np.int64] = np.repeat(newest, self.lengths[some]) - moment
        return ages

    def matrix(self, n_items: int, half_life: float = np.inf) -> sparse.csr_array:
        """Strength of users and items, float32 [U, n_items]; items beyond ``n_items`` are left out.

        An item that occurs several times keeps its largest value; values <= 0 are no interest. A value
        halves every ``half_life`` moments (``ages``). Worked out once for each question: several
        retrievers read the same histories.
        """
        made: dict[tuple[int, float], sparse.csr_array] = self.__dict__.setdefault("_matrices", {})
        if (n_items, half_life) not in made:
            made[n_items, half_life] = self._matrix(n_items, half_life)
        return made[n_items, half_life]

    def _matrix(self, n_items: int, half_life: float) -> sparse.csr_array:
        known = (self.items >= 0) & (self.items < n_items) & (self.values > 0)
        rows, items, weights = self.rows[known], self.items[known], self.values[known]
        if half_life < np.inf:
            weights = weights * np.exp2(-self.ages[known] / half_life).astype(np.float32)
        order = np.lexsort((weights, items, rows))
        rows, items, weights = rows[order], items[order], weights[order]
        last = np.ones(len(rows), dtype=bool)
        last[:-1] = (rows[1:] != rows[:-1]) | (items[1:] != items[:-1])
        starts = np.searchsorted(rows[last], np.arange(len(self) + 1))
        return sparse.csr_array((weights[last], items[last], starts), shape=(len(self), n_items))


@dataclass(frozen=True, eq=False)
class Queries:
    """A batch of requests: who asks, what they did, what they say, what may be shown.

    ``users`` None: a session without a user; unknown ids are welcome. ``texts``: what the user says
    they want. ``times`` float64 [U], None: the training cut. ``allowed`` bool [n_items] or
    [U, n_items], None: all. ``keys`` uint64 [U]: every random draw comes from (seed, key).
    """

    users: tuple[str | None, ...]
    histories: Ragged
    keys: npt.NDArray[np.uint64]
    texts: tuple[str | None, ...] = ()
    times: FloatArray | None = None
    scenarios: tuple[str, ...] | None = None
    allowed: BoolArray | None = None
    exclude_seen: bool = True
    context: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.texts:
            object.__setattr__(self, "texts", (None,) * len(self.users))
        sizes = {len(self.users), len(self.histories), len(self.keys), len(self.texts)}
        if self.times is not None:
            sizes.add(len(self.times))
        if len(sizes) != 1:
            raise InputError(
                "The parts of a Queries differ in length", expected="one entry a user", received=str(sizes)
            )
        allowed = self.allowed
        if allowed is not None and (allowed.dtype != bool or allowed.shape[:-1] not in ((), (len(self),))):
            raise InputError(
                "What is allowed is not told by item",
                expected=f"bool [n_items] or [{len(self)}, n_items]",
                received=f"{allowed.dtype} {list(allowed.shape)}",
            )

    def __len__(self) -> int:
        return len(self.users)

    def chunks(self, size: int) -> Iterator[Self]:
        """Parts of at most ``size`` rows; itself where that is enough (also without any rows)."""
        if len(self) <= size:
            yield self
            return
        for start in range(0, len(self), size):
            yield self.take(np.arange(start, min(start + size, len(self))))

    def take(self, rows: npt.ArrayLike) -> Self:
        """The given rows, in that order."""
        chosen = np.asarray(rows, dtype=np.int64)
        allowed = self.allowed
        return replace(
            self,
            users=tuple(self.users[row] for row in chosen),
            histories=self.histories.take(chosen),
            keys=self.keys[chosen],
            texts=tuple(self.texts[row] for row in chosen),
            times=None if self.times is None else self.times[chosen],
            scenarios=None if self.scenarios is None else tuple(self.scenarios[row] for row in chosen),
            allowed=allowed[chosen] if allowed is not None and allowed.ndim == 2 else allowed,
            context={name: values[chosen] for name, values in self.context.items()},
        )


@dataclass(frozen=True, eq=False)
class Candidates:
    """Items in rank order: ``items`` int32 [U, n], -1 pads on the right; ``scores`` float32 [U, n]."""

    items: IntArray
    scores: ScoreArray
    features: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.items.ndim != 2 or self.items.shape != self.scores.shape:
            raise InputError(
                "Candidates need items and scores of one shape [U, n]",
                received=f"{self.items.shape} and {self.scores.shape}",
            )

    def __len__(self) -> int:
        return len(self.items)

    def take(self, rows: npt.ArrayLike) -> Self:
        """The given rows, in that order."""
        chosen = np.asarray(rows, dtype=np.int64)
        features = {name: values[chosen] for name, values in self.features.items()}
        return replace(self, items=self.items[chosen], scores=self.scores[chosen], features=features)

    def head(self, n: int) -> Self:
        """The first ``n`` places of each row."""
        features = {name: values[:, :n] for name, values in self.features.items()}
        return replace(self, items=self.items[:, :n], scores=self.scores[:, :n], features=features)

    def reordered(self, order: npt.NDArray[np.int64], scores: ScoreArray | None = None) -> Self:
        """The same items in another order; ``order`` [U, n] holds old places, each once.

        ``scores`` [U, n], where given, are the new scores in the *new* order.
        """
        features = {
            name: np.take_along_axis(values, order if values.ndim == 2 else order[:, :, None], axis=1)
            for name, values in self.features.items()
        }
        return replace(
            self,
            items=np.take_along_axis(self.items, order, axis=1),
            scores=np.take_along_axis(self.scores, order, axis=1) if scores is None else scores,
            features=features,
        )


@dataclass(frozen=True, eq=False)
class RankingExamples:
    """What a ranker learns from: candidates made by retrievers fitted on earlier time.

    ``labels`` bool [U, n]: the user took the item afterwards; False on pads. ``titles`` and
    ``prices`` (NaN: unknown) of all items by index are what a ranker may read of them. ``behaviours``:
    event type -> bool [U, n], whether the user did that with the item afterwards. ``others``: what all people
    took before, one history a person; None: not told.
    """

    queries: Queries
    candidates: Candidates
    labels: BoolArray
    titles: tuple[str, ...]
    prices: FloatArray
    behaviours: Mapping[str, BoolArray] = field(default_factory=dict)
    others: Ragged | None = None


@dataclass(frozen=True, eq=False)
class Slates:
    """What is shown: k places a user.

    ``items`` int32 [U, k], -1 where nothing is left; ``scores`` float32 [U, k]; ``conditional``
    float64 [U, k]: probability of this item at this place, given the places before, in (0, 1];
    ``marginal`` float64 [U, k]: probability that it is shown at this place at all, NaN where
    intractable; both NaN on empty places. ``policy``: name and version of what decided.
    """

    ids: tuple[str, ...]
    items: IntArray
    scores: ScoreArray
    conditional: FloatArray
    marginal: FloatArray
    policy: str


@dataclass(frozen=True, eq=False)
class Decision:
    """One slate as the store keeps it and learning reads it.

    ``pool`` int32 [n]: the candidates that could have been shown, in their order; ``items`` int32
    [k] without empty places; ``conditional`` and ``marginal`` float64 [k] as in ``Slates``;
    ``features`` float32 [k, d] of what was shown.
    """

    id: str
    time: float
    user: str | None
    scenario: str | None
    policy: str
    pool: IntArray
    items: IntArray
    conditional: FloatArray
    marginal: FloatArray
    features: ScoreArray


class Message(TypedDict):
    """One turn of a chat: ``role`` is "system", "user" or "assistant"."""

    role: str
    content: str


D = TypeVar("D", contravariant=True)


@runtime_checkable
class Retriever(Protocol[D]):
    """Thousands of items -> hundreds. ``D`` is the data room's ``Dataset``."""

    def fit(self, train: D, valid: D | None = None) -> Self: ...
    def retrieve(self, queries: Queries, n: int) -> Candidates: ...
    def save(self, folder: Path) -> None: ...


@runtime_checkable
class Ranker(Protocol):
    """Hundreds -> an order; returns the same items of each row, each once."""

    def fit(self, examples: RankingExamples) -> Self: ...
    def rank(self, queries: Queries, candidates: Candidates) -> Candidates: ...
    def save(self, folder: Path) -> None: ...


@runtime_checkable
class Diversifier(Protocol):
    """An order -> a varied order of the same items."""

    def reorder(self, queries: Queries, candidates: Candidates) -> Candidates: ...
    def save(self, folder: Path) -> None: ...


@runtime_checkable
class Policy(Protocol):
    """An order -> a decision with propensities."""

    def choose(self, queries: Queries, candidates: Candidates, k: int, *, seed: int) -> Slates: ...
    def update(self, decisions: Sequence[Decision], rewards: FloatArray) -> Self: ...


@runtime_checkable
class LanguageModel(Protocol):
    """Texts in, texts and numbers out; users and items are unknown here.

    Prefix and continuations are tokenised separately and no special tokens are added; each of
    ``answers`` must be one token; an empty prefix raises.
    """

    @property
    def name(self) -> str: ...
    def count_tokens(self, text: str) -> int: ...
    def chat_prompt(self, messages: Sequence[Message]) -> str: ...
    def generate(
        self, prompts: Sequence[str], *, max_tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> list[str]: ...
    def token_log_probabilities(self, texts: Sequence[str]) -> list[FloatArray]: ...
    def log_likelihood(self, prefix: str, continuations: Sequence[str]) -> FloatArray: ...
    def answer_logits(self, prefix: str, suffixes: Sequence[str], answers: Sequence[str]) -> FloatArray: ...


@runtime_checkable
class TextEncoder(Protocol):
    """Texts -> vectors of unit length, float32 [n, d]; an empty text gives a zero vector."""

    @property
    def name(self) -> str: ...
    @property
    def dimension(self) -> int: ...
    def encode(self, texts: Sequence[str]) -> ScoreArray: ...
