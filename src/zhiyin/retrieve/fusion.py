"""Several retrievers made one by reciprocal rank fusion; knows them only by the protocol."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Self

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
from zhiyin.retrieve.pooling import Pool, pool_lists
from zhiyin.retrieve.weights import learn_weights
from zhiyin.types import Candidates, IntArray, Queries, Retriever, ScoreArray

__all__ = ["FusionRetriever", "Member"]

log = get_logger("retrieve")

CHUNK_USERS = 1024
LEARN_USERS = 1000


class Member(Stage):
    """One retriever of a fusion; ``weight`` 0 leaves it out, None: learned on validation, else 1."""

    weight: float | None = Field(default=None, ge=0)


class FusionRetriever:
    """Score of an item = sum over retrievers of weight / (constant + rank), ranks from 1.

    Cormack, Clarke & Buettcher 2009, "Reciprocal rank fusion outperforms Condorcet and individual
    rank learning methods", with weights. Each retriever's share is kept as a feature
    ``retrieve.<name>`` [U, n], so that a reason can be given. Where the user states a wish, the
    retrievers named in ``listens`` weigh ``text_boost`` times all others together.
    """

    class Config(config.Config):
        """``members``; ``constant`` > 0; ``depth``: places asked of each member; text handling.

        ``seed`` goes to every member that has one and to the draw of users to learn weights from.
        """

        members: tuple[Member, ...] = (Member(method="popular"),)
        constant: float = Field(default=60.0, gt=0)
        depth: int = Field(default=300, ge=1)
        listens: tuple[str, ...] = ("semantic",)
        text_boost: float = Field(default=3.0, ge=0)
        seed: int = Field(default=7, ge=0, lt=2**31)

    def __init__(self, **params: object) -> None:
        self.config = parse(self.Config, params, where="The retriever FusionRetriever")
        self.members_: dict[str, Retriever[Dataset]] = {}
        self.n_items_: int | None = None
        self.weights_: dict[str, float] = {}

    @property
    def reads_texts(self) -> bool:
        """Whether a member hears a stated wish."""
        return any(name in self.config.listens for name in self.members_)

    @property
    def _active(self) -> list[Member]:
        return [member for member in self.config.members if member.weight != 0 and member.active]

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Fit every member; with ``valid``, learn the weights that are not given.

        Fitted again without ``valid``, it keeps the weights it has learned.
        """
        names = [member.method for member in self._active]
        if not names or len(set(names)) != len(names):
            raise InputError(
                "A fusion needs different members", expected="each method once", received=str(names)
            )
        self.members_ = {}
        for member in progress(self._active, "fitting retrievers"):
            retriever = self._make(member)
            try:
                self.members_[member.method] = retriever.fit(train, valid)
            except InputError as error:
                # Data that do not suit one member need not stop the others.
                log.warning("retriever left out", method=member.method, reason=error.message)
        if not self.members_:
            raise InputError("No member of the fusion suits the data", received=str(names))
        self.n_items_ = train.n_items
        given = {member.method: member.weight for member in self._active if member.method in self.members_}
        if valid is not None and None in given.values():
            self.weights_ = self._learn_weights(given, held_out_task(train, valid))
        elif not self.weights_:
            self.weights_ = {name: 1.0 if weight is None else weight for name, weight in given.items()}
        return self

    def _learn_weights(self, given: dict[str, float | None], task: Task) -> dict[str, float]:
        some = task.sample(LEARN_USERS, seed=self.config.seed)
        return learn_weights(self._pool(some.queries, self.config.depth), given, some.relevant)

    def _make(self, member: Member) -> Retriever[Dataset]:
        kind = resolve("retriever", member.method)
        seeded = "seed" in getattr(getattr(kind, "Config", None), "model_fields", {})
        params = {"seed": self.config.seed, **member.params} if seeded else member.params
        return make_retriever(member.method, **params)

    def _pool(self, queries: Queries, depth: int) -> Pool:
        lists = [member.retrieve(queries, depth) for member in self.members_.values()]
        return pool_lists(lists, constant=self.config.constant)

    @property
    def _heard(self) -> FusionRetriever:
        """The same without members of weight 0, which nobody would hear."""
        names = [name for name, weight in self.weights_.items() if weight > 0 or name in self.config.listens]
        heard = copy.copy(self)
        heard.members_ = {name: self.members_[name] for name in names} or self.members_
        heard.weights_ = {name: self.weights_[name] for name in heard.members_}
        return heard

    def retrieve(self, queries: Queries, n: int) -> Candidates:
        """The best n items of all members together; features hold each member's share."""
        if self.n_items_ is None:
            raise NotFittedError("FusionRetriever")
        heard = self._heard
        parts = [heard._fuse(part, n) for part in queries.chunks(CHUNK_USERS)]
        return Candidates(
            np.concatenate([part.items for part in parts]),
            np.concatenate([part.scores for part in parts]),
            {name: np.concatenate([part.features[name] for part in parts]) for name in parts[0].features},
        )

    def _fuse(self, queries: Queries, n: int) -> Candidates:
        pool = self._pool(queries, max(self.config.depth, n))
        weights = self._weights(queries)
        best, places = pool.best(weights, n)
        shares = pool.shares[:, np.arange(len(queries))[:, None], places] * weights[:, :, None]
        shares[:, places < 0] = 0
        features = {f"retrieve.{name}": share for name, share in zip(self.members_, shares, strict=True)}
        return Candidates(best.items, best.scores, features)

    def _weights(self, queries: Queries) -> ScoreArray:
        """Weight of each member for each query, float32 [members, U]."""
        stated = np.array([bool(text and text.strip()) for text in queries.texts], dtype=bool)
        others = sum(weight for name, weight in self.weights_.items() if name not in self.config.listens)
        rows = [
            np.where(
                stated & (name in self.config.listens), max(self.config.text_boost * others, weight), weight
            )
            for name, weight in self.weights_.items()
        ]
        return np.array(rows, dtype=np.float32).reshape(len(rows), len(queries))

    def wish_nearness(self, text: str, items: IntArray) -> ScoreArray:
        """How near items are to what somebody says, by the member that can tell; 0 where none can."""
        for member in self.members_.values():
            tell = getattr(member, "wish_nearness", None)
            if tell is not None:
                near: ScoreArray = tell(text, items)
                return near
        return np.zeros(len(items), dtype=np.float32)

    def with_catalogue(self, catalogue: Catalogue, changed: IntArray) -> Self:
        """A snapshot whose members know the new catalogue, those that can; others stay as they are."""
        if self.n_items_ is None:
            raise NotFittedError("FusionRetriever")
        snapshot = copy.copy(self)
        snapshot.members_ = {
            name: updated_component(member, catalogue, changed) for name, member in self.members_.items()
        }
        snapshot.n_items_ = len(catalogue)
        return snapshot

    def save(self, folder: Path) -> None:
        """Write config.json and one folder a member into an existing folder."""
        if self.n_items_ is None:
            raise NotFittedError("FusionRetriever")
        write_text(folder / "config.json", self.config.model_dump_json(indent=1))
        learned = {"n_items": self.n_items_, "weights": self.weights_}
        write_text(folder / "learned.json", json.dumps(learned, indent=1))
        for name, member in self.members_.items():
            (folder / name).mkdir()
            member.save(folder / name)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        fusion = cls(**read_json(folder / "config.json"))
        learned = read_json(folder / "learned.json")
        fusion.n_items_, fusion.weights_ = learned["n_items"], learned["weights"]
        fusion.members_ = {
            member.method: resolve("retriever", member.method).load(folder / member.method)
            for member in fusion._active
            if (folder / member.method).is_dir()
        }
        return fusion
