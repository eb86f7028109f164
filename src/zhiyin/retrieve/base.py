"""The loop that scoring retrievers share: fit, chunk, hide, take the best n, save, load.

It knows no method: a method gives a score to every item (``-inf``: no opinion).
"""

from __future__ import annotations

import copy
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as to_safetensors

from zhiyin.artifacts import read_json, write_bytes, write_text
from zhiyin.config import Config, parse
from zhiyin.data import Catalogue, Dataset
from zhiyin.errors import ArtifactError, InputError, NotFittedError
from zhiyin.nesting import behind, under
from zhiyin.registry import resolve
from zhiyin.retrieve.selection import hide, top_n
from zhiyin.types import Array, Candidates, FloatArray, IntArray, Queries, Retriever, ScoreArray

__all__ = ["ScoringRetriever", "make_retriever", "updated_component"]

CHUNK_BYTES = 64 << 20


class ScoringRetriever(ABC):
    """Base of retrievers that score the whole catalogue.

    A subclass has a ``Config``, learns in ``_learn`` and answers in ``_scores``; what it learned
    is in ``_state`` as arrays, restored by ``_restore``. ``reads_texts``: whether a stated wish
    changes its answer. ``learns_more``: whether new events can be learned without starting again.
    """

    Config: ClassVar[type[Config]]
    reads_texts: ClassVar[bool] = False
    saved_numbers: ClassVar[tuple[str, ...]] = ("cut_",)
    learns_more: ClassVar[bool] = False

    def __init__(self, **params: Any) -> None:
        self.config = parse(self.Config, params, where=f"The retriever {type(self).__name__}")
        self.n_items_: int | None = None
        self.cut_: float = np.inf
        self.available_from_: FloatArray = np.empty(0)

    @abstractmethod
    def _learn(self, train: Dataset) -> None:
        """Learn from events."""

    @abstractmethod
    def _scores(self, queries: Queries) -> ScoreArray:
        """Score all items, float32 [U, n_items]; a fresh array; -inf: no opinion."""

    @abstractmethod
    def _state(self) -> Mapping[str, Array]:
        """What was learned."""

    @abstractmethod
    def _restore(self, state: Mapping[str, Array]) -> None:
        """Take over what ``_state`` gave."""

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Learn from ``train``; a method that has nothing to choose does not look at ``valid``.

        Returns
        -------
        Self
            This component, fitted.
        """
        self.n_items_ = train.n_items
        self.cut_ = train.cut
        self.available_from_ = train.catalogue.available_from
        if valid is None:
            self._learn(train)
        else:
            self._choose(train, valid)
        return self

    def _choose(self, train: Dataset, valid: Dataset) -> None:
        """Learn from events, and choose by later ones what there is to choose."""
        del valid
        self._learn(train)

    def partial_fit(self, before: Dataset, new: Dataset) -> Self:
        """A snapshot that has learned new events too; this component stays as it is.

        What was chosen on validation is kept. Of methods that count, the snapshot is what ``fit`` would have
        given for all events; ALS goes on from the factors it has.

        Parameters
        ----------
        before : Dataset
            What it was fitted on.
        new : Dataset
            Later events, of the same vocabularies.

        Raises
        ------
        InputError
            When the method cannot: then ``fit(before.joined(new))`` is the way.
        """
        if self.n_items_ is None:
            raise NotFittedError(type(self).__name__)
        if not self.learns_more:
            raise InputError(
                f"{type(self).__name__} cannot learn new events without starting again",
                expected="a method with learns_more",
                received=type(self).__name__,
                hint="Use fit(before.joined(new)).",
            )
        snapshot = copy.copy(self)
        snapshot._learn_more(before.joined(new))
        return snapshot

    def _learn_more(self, known: Dataset) -> None:
        """Learn from all events what is quickly learned."""
        self.fit(known)

    def retrieve(self, queries: Queries, n: int) -> Candidates:
        """The best n items for each query.

        Parameters
        ----------
        queries : Queries
            Unknown users are answered from their history.
        n : int
            Places, >= 1; rows with less to say are padded with -1.

        Raises
        ------
        NotFittedError, InputError
        """
        if self.n_items_ is None:
            raise NotFittedError(type(self).__name__)
        if queries.allowed is not None and queries.allowed.shape[-1] < self.n_items_:
            raise InputError(
                "What is allowed does not tell of all items",
                expected=f"{self.n_items_} entries",
                received=str(queries.allowed.shape[-1]),
            )
        size = max(1, CHUNK_BYTES // (4 * self.n_items_))
        parts = [self._best(part, n) for part in queries.chunks(size)]
        return Candidates(
            np.concatenate([part.items for part in parts]),
            np.concatenate([part.scores for part in parts]),
        )

    def with_catalogue(self, catalogue: Catalogue, changed: IntArray) -> Self:
        """A snapshot for a catalogue that has grown or whose texts have changed.

        Parameters
        ----------
        catalogue : Catalogue
            The items it was fitted on, at the same indices, and perhaps more behind them.
        changed : int32 [c]
            Indices of items that are new or read differently.

        Returns
        -------
        Self
            A new component; a method that learns from behaviour alone does not know the new items.
        """
        if self.n_items_ is None:
            raise NotFittedError(type(self).__name__)
        if len(changed) and not 0 <= int(changed.min()) <= int(changed.max()) < len(catalogue):
            raise InputError(
                "What has changed is not in the catalogue",
                expected=f"indices from 0 to {len(catalogue) - 1}",
                received=f"{changed.min()} to {changed.max()}",
            )
        snapshot = copy.copy(self)
        snapshot._extend(catalogue, changed)
        snapshot.available_from_ = catalogue.available_from[: snapshot.n_items_]
        return snapshot

    def _extend(self, catalogue: Catalogue, changed: IntArray) -> None:  # noqa: B027
        """Take new items in and raise ``n_items_``; methods that know items by behaviour do nothing."""

    def scores(self, queries: Queries) -> ScoreArray:
        """Scores of all items before anything is hidden, float32 [U, n_items]."""
        if self.n_items_ is None:
            raise NotFittedError(type(self).__name__)
        return self._scores(queries)

    def _best(self, queries: Queries, n: int) -> Candidates:
        scores = self._scores(queries)
        hide(scores, queries, self.available_from_, self.cut_)
        return top_n(scores, n)

    def save(self, folder: Path) -> None:
        """Write config.json and state.safetensors into an existing folder."""
        if self.n_items_ is None:
            raise NotFittedError(type(self).__name__)
        state = {
            "available_from": self.available_from_,
            **{f"number.{name}": np.array([float(getattr(self, name))]) for name in self.saved_numbers},
            **behind("state.", {name: np.ascontiguousarray(one) for name, one in self._state().items()}),
        }
        write_bytes(folder / "state.safetensors", to_safetensors(state))
        write_text(folder / "config.json", self.config.model_dump_json(indent=1))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        retriever = cls(**read_json(folder / "config.json"))
        state = _read_state(folder / "state.safetensors")
        retriever.available_from_ = state.pop("available_from")
        retriever.n_items_ = len(retriever.available_from_)
        for name in cls.saved_numbers:
            setattr(retriever, name, float(state.pop(f"number.{name}")[0]))
        retriever._restore(under("state.", state))
        return retriever

    @property
    def _known_items(self) -> int:
        if self.n_items_ is None:
            raise NotFittedError(type(self).__name__)
        return self.n_items_

    def __repr__(self) -> str:
        return f"{type(self).__name__}({json.dumps(self.config.model_dump(mode='json'))[1:-1]})"


def _read_state(file: Path) -> dict[str, Array]:
    try:
        state: dict[str, Array] = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{file} is damaged", received=str(error), hint="Fit and save again.") from error
    return state


def updated_component(
    retriever: Retriever[Dataset], catalogue: Catalogue, changed: IntArray
) -> Retriever[Dataset]:
    """A snapshot for a changed catalogue; other people's retrievers may not offer one and stay."""
    update = getattr(retriever, "with_catalogue", None)
    return retriever if update is None else update(catalogue, changed)


def make_retriever(name: str, **params: Any) -> Retriever[Dataset]:
    """A retriever by its registered name.

    Examples
    --------
    >>> make_retriever("recent-popular", days=7).config.days
    7.0
    """
    retriever: Retriever[Dataset] = resolve("retriever", name)(**params)
    return retriever
