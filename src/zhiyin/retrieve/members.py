"""What retrievers made of others share: their fit, their catalogue, their folders; knows no way to join."""

from __future__ import annotations

import copy
import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field

from zhiyin import config
from zhiyin.artifacts import read_json, write_text
from zhiyin.config import Stage, parse
from zhiyin.data import Catalogue, Dataset, Task, held_out_task
from zhiyin.errors import InputError, NotFittedError
from zhiyin.logs import get_logger, progress
from zhiyin.registry import resolve
from zhiyin.retrieve.base import make_retriever, updated_component
from zhiyin.types import IntArray, Queries, Retriever, ScoreArray

__all__ = ["Member", "MemberConfig", "ManyRetrievers"]

log = get_logger("retrieve")


class Member(Stage):
    """One retriever; ``weight`` 0 leaves it out, None: learned on validation, else 1."""

    weight: float | None = Field(default=None, ge=0)


class MemberConfig(config.Config):
    """``members``; ``depth``: places asked of each; text handling.

    ``seed`` goes to every member that has one and to the draw of users to learn weights from.
    """

    members: tuple[Member, ...] = (Member(method="popular"),)
    depth: int = Field(default=300, ge=1)
    listens: tuple[str, ...] = ("semantic",)
    text_boost: float = Field(default=3.0, ge=0)
    seed: int = Field(default=7, ge=0, lt=2**31)


class ManyRetrievers(ABC):
    """Base of retrievers that join the lists of others; known only by the protocol."""

    Config: ClassVar[type[MemberConfig]]
    learns_more: ClassVar[bool] = True
    learn_users: ClassVar[int] = 1000  # whose choices weights are learned from

    def __init__(self, **params: object) -> None:
        self.config = parse(self.Config, params, where=f"The retriever {type(self).__name__}")
        self.members_: dict[str, Retriever[Dataset]] = {}
        self.n_items_: int | None = None
        self.weights_: dict[str, float] = {}

    @abstractmethod
    def _learn(self, train: Dataset, task: Task | None) -> None:
        """Learn how to join, from what users took; without a task keep what was learned, or start equal."""

    @property
    def reads_texts(self) -> bool:
        """Whether a member hears a stated wish."""
        return any(name in self.config.listens for name in self.members_)

    @property
    def _active(self) -> list[Member]:
        return [member for member in self.config.members if member.weight != 0 and member.active]

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Fit every member; with ``valid``, learn the weights that are not given.

        Fitted again without ``valid``, it and its members keep what they have chosen.
        """
        names = [member.method for member in self._active]
        if not names or len(set(names)) != len(names):
            raise InputError("It takes different members", expected="each method once", received=str(names))
        before = self.members_ if valid is None else {}
        self.members_ = {}
        for member in progress(self._active, "fitting retrievers"):
            # What a member has chosen on validation it keeps, as the weights are kept.
            old = before.get(member.method)
            retriever = self._make(member) if old is None else copy.copy(old)
            try:
                self.members_[member.method] = retriever.fit(train, valid)
            except InputError as error:
                # Data that do not suit one member need not stop the others.
                log.warning("retriever left out", method=member.method, reason=error.message)
        if not self.members_:
            raise InputError("No member suits the data", received=str(names))
        self.n_items_ = train.n_items
        task = None if valid is None else held_out_task(train, valid)
        self._learn(train, None if task is None else task.sample(self.learn_users, seed=self.config.seed))
        return self

    def taught_by(self, train: Dataset, task: Task) -> Self:
        """A copy with the same members that has learned how to join from other questions.

        Who learns from lists of users that the joining has learned from takes its memory for foresight.
        """
        if self.n_items_ is None:
            raise NotFittedError(type(self).__name__)
        other = copy.copy(self)
        other._learn(train, task.sample(self.learn_users, seed=self.config.seed))
        return other

    def _make(self, member: Member) -> Retriever[Dataset]:
        kind = resolve("retriever", member.method)
        fields = getattr(getattr(kind, "Config", None), "model_fields", {})
        # What is popular lately is told by others: members need not forget for that.
        own = {
            name: value for name, value in (("seed", self.config.seed), ("memory", np.inf)) if name in fields
        }
        return make_retriever(member.method, **{**own, **member.params})

    @property
    def _given(self) -> dict[str, float | None]:
        """Weights of the members that were fitted; None: to be learned."""
        return {m.method: m.weight for m in self._active if m.method in self.members_}

    def _stated(self, queries: Queries) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Who says what they want, bool [U]."""
        return np.array([bool(text and text.strip()) for text in queries.texts], dtype=bool)

    def wish_nearness(self, text: str, items: IntArray) -> ScoreArray:
        """How near items are to what somebody says, by the member that can tell; 0 where none can."""
        for member in self.members_.values():
            tell = getattr(member, "wish_nearness", None)
            if tell is not None:
                near: ScoreArray = tell(text, items)
                return near
        return np.zeros(len(items), dtype=np.float32)

    def partial_fit(self, before: Dataset, new: Dataset) -> Self:
        """A snapshot whose members have learned new events too, those that can; weights are kept."""
        if self.n_items_ is None:
            raise NotFittedError(type(self).__name__)
        snapshot = copy.copy(self)
        snapshot.members_ = {}
        for name, member in self.members_.items():
            able = getattr(member, "learns_more", False)
            snapshot.members_[name] = member.partial_fit(before, new) if able else member  # type: ignore[attr-defined]
        snapshot._learn(before.joined(new), None)
        return snapshot

    def with_catalogue(self, catalogue: Catalogue, changed: IntArray) -> Self:
        """A snapshot whose members know the new catalogue, those that can; others stay as they are."""
        if self.n_items_ is None:
            raise NotFittedError(type(self).__name__)
        snapshot = copy.copy(self)
        snapshot.members_ = {
            name: updated_component(member, catalogue, changed) for name, member in self.members_.items()
        }
        snapshot.n_items_ = len(catalogue)
        return snapshot

    def save(self, folder: Path) -> None:
        """Write config.json and one folder a member into an existing folder."""
        if self.n_items_ is None:
            raise NotFittedError(type(self).__name__)
        write_text(folder / "config.json", self.config.model_dump_json(indent=1))
        learned = {"n_items": self.n_items_, "weights": self.weights_}
        write_text(folder / "learned.json", json.dumps(learned, indent=1))
        for name, member in self.members_.items():
            (folder / name).mkdir()
            member.save(folder / name)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        many = cls(**read_json(folder / "config.json"))
        learned = read_json(folder / "learned.json")
        many.n_items_, many.weights_ = learned["n_items"], learned["weights"]
        many.members_ = {
            member.method: resolve("retriever", member.method).load(folder / member.method)
            for member in many._active
            if (folder / member.method).is_dir()
        }
        return many
