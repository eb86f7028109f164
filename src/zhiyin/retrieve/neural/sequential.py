"""Retrievers that read a history as a sequence of item vectors; knows networks by their one verb."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch.nn import functional

from zhiyin.data import Catalogue, Dataset
from zhiyin.nesting import behind, under
from zhiyin.retrieve.inner_product import IndexedConfig, InnerProductRetriever
from zhiyin.retrieve.neural.base import NeuralRetriever, tensors_under
from zhiyin.retrieve.neural.export import Exported, SequenceScores
from zhiyin.retrieve.neural.items import ItemTable, TextUse, leading_axes
from zhiyin.retrieve.neural.model import SequenceModel
from zhiyin.retrieve.neural.networks import SequenceNetwork
from zhiyin.retrieve.neural.objectives import Candidates, masked_events, next_event
from zhiyin.retrieve.neural.people import UserReader
from zhiyin.retrieve.neural.pretraining import load_pretrained, pretrained_digest
from zhiyin.retrieve.neural.sequences import Batch, Sequences
from zhiyin.retrieve.neural.softmax import low_precision
from zhiyin.retrieve.neural.training import MOST_DIMENSIONS, Lesson, TrainingConfig
from zhiyin.retrieve.reading import ItemReader
from zhiyin.types import Array, BoolArray, IntArray, Queries, Ragged, ScoreArray

__all__ = ["SequenceConfig", "SequenceRetriever"]

FULL_BELOW = 50_000  # items; from there on a sample of them stands for all
SAMPLED = 4096
READER, PEOPLE = "reader.", "people."
PLACED = ("items", "kinds", "gaps", "asked")  # what an exported network is told of each event
STEPS, SMALLEST = 200, 64  # of an epoch, at least; and events of a step
ANSWERED = 16_384  # events a batch when answering


class SequenceConfig(IndexedConfig, TrainingConfig):
    """Of the items, the loss and the training.

    ``batch``: events a step, fewer where an epoch has few steps. ``dimensions`` of vectors; ``length``:
    newest events that are read; ``dropout``. ``text``: vectors of the ``encoder`` are not used ("none"), are
    where embeddings "start", or are "add"ed to them, so that items nobody has taken are found too; ``words``:
    embeddings of the words of titles and attributes are added; ``forget``: how often an item is known by text
    alone while training. ``negatives``: items a step that stand for all; 0: all; None: all below 50,000.
    ``smoothing`` of labels; ``propensity``: events of items taken n times are worth n^-propensity, and half
    as much after ``memory`` days; ``scale``: 0, or what cosines are multiplied by. ``gaps``: whether the time
    between events is read. ``pretrained``: a folder that ``pretrain`` wrote, to start from.
    """

    dimensions: int = Field(default=128, ge=1, le=MOST_DIMENSIONS)
    length: int = Field(default=50, ge=1, le=10_000)
    dropout: float = Field(default=0.35, ge=0, lt=1)
    text: TextUse = "add"
    encoder: str = "minilm-l6"
    words: bool = True
    forget: float = Field(default=0.1, ge=0, lt=1)
    negatives: int | None = Field(default=None, ge=0, le=1_000_000)
    smoothing: float = Field(default=0.0, ge=0, lt=1)
    propensity: float = Field(default=0.0, ge=0, le=1)
    memory: float | None = Field(default=None, gt=0)
    scale: float = Field(default=20.0, ge=0)
    gaps: bool = True
    pretrained: str | None = None


class SequenceRetriever(NeuralRetriever, InnerProductRetriever):
    """Score = what the network wants after the newest event · the item's vector.

    Each place of a sequence predicts the next event by softmax over all items, all places at once.
    """

    Config: ClassVar[type[SequenceConfig]] = SequenceConfig
    config: SequenceConfig
    model_: SequenceModel
    people_: UserReader | None = None
    taken_: BoolArray
    axes_: ScoreArray | None = None
    saved_numbers = ("cut_", "epochs_", "kinds_", "asked_kind_")

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.kinds_: float = 1
        self.asked_kind_: float = 0

    @abstractmethod
    def _network(self) -> SequenceNetwork:
        """A fresh network for vectors of ``dimensions`` and ``kinds_`` types of events."""

    def _prepare(self, known: Dataset) -> None:
        own = self.config
        weights = [known.event_weights.get(kind, 1.0) for kind in known.event_types]
        self.kinds_, self.asked_kind_ = len(weights), int(np.argmax(weights))
        reader = ItemReader.of(
            known.catalogue, encoder=own.encoder, vectors=own.text != "none", words=own.words
        )
        self.people_ = self._read_users(known)
        self.axes_ = None
        if own.text == "start" and reader.vectors is not None:
            self.axes_ = leading_axes(reader.vectors, own.dimensions)
        self._make(reader, known.counts > 0)
        if own.pretrained is not None:
            load_pretrained(Path(own.pretrained), self)

    def _started_from(self) -> str:
        return "" if self.config.pretrained is None else pretrained_digest(Path(self.config.pretrained))

    def _read_users(self, known: Dataset) -> UserReader | None:
        """What is read of users; None: nothing."""
        del known
        return None

    def _make(self, reader: ItemReader, taken: BoolArray) -> None:
        """Take over what is read of items, and a fresh model of them."""
        own, start, owned = self.config, None, taken
        if self.axes_ is not None and reader.vectors is not None:
            start = reader.vectors @ self.axes_
            owned = taken | start.any(axis=1)
        self.reader_, self.taken_ = reader, taken
        table = ItemTable(
            owned,
            own.dimensions,
            texts=reader.vectors if own.text == "add" else None,
            words=reader.words,
            n_words=len(reader.vocabulary),
            start=start,
            forget=own.forget,
            sparse=bool(self._negatives(len(owned))),
            low=low_precision(own.precision),
        )
        self.model_ = SequenceModel(table, self._network(), own.scale)
        self.known_: BoolArray = table.known

    def _negatives(self, n_items: int) -> int:
        """Items a step that stand for all; 0: all."""
        given = self.config.negatives
        return (0 if n_items < FULL_BELOW else SAMPLED) if given is None else given

    def _lesson(self, known: Dataset) -> Lesson[Batch]:
        return self._asked_for(known, next_event, self._negatives(known.n_items))

    def _asked_for(self, known: Dataset, objective: Any, sampled: int = 0) -> Lesson[Batch]:
        own = self.config
        counts = np.maximum(known.counts, 1.0)
        propensity = (counts / counts.mean()) ** own.propensity if own.propensity else None
        faded = known if own.memory is None else known.faded(own.memory)
        people = self._rows(known.user_ids)
        every = self._sequences(faded.histories(), propensity=propensity, people=people)
        pieces = every.pieces(own.length)
        candidates, low = Candidates.of(known.counts, sampled), low_precision(own.precision)
        loss = objective(self.model_, candidates, smoothing=own.smoothing, low=low)
        size = min(own.batch, max(int(pieces.lengths.sum()) // STEPS, SMALLEST))

        def batches(draw: np.random.Generator) -> Iterator[Batch]:
            return pieces.shuffled(draw, size)

        return Lesson(self.model_, batches, loss, lambda batch: len(batch.targets))

    def lesson_by_text(self, known: Dataset, objective: str, other: SequenceModel | None) -> Lesson[Batch]:
        """What is learned of a data set whose items are known by their texts alone, for pre-training.

        The network and the reading of texts are those of ``other``, where there is one.
        """
        reader = ItemReader.of(known.catalogue, encoder=self.config.encoder, vectors=True, words=False)
        self.kinds_, self.asked_kind_, self.axes_ = 1, 0, None
        self._make(reader, np.zeros(known.n_items, dtype=bool))
        self.model_.items.own.weight.requires_grad_(False)
        if other is not None:
            self.model_.network, self.model_.items.read = other.network, other.items.read
        return self._asked_for(known, next_event if objective == "next" else masked_events)

    def _rows(self, names: Sequence[str | None]) -> Array | None:
        return None if self.people_ is None else self.people_.rows(names)

    def _sequences(self, histories: Ragged, **given: Any) -> Sequences:
        kinds, asked = int(self.kinds_), int(self.asked_kind_)
        return Sequences.of(histories, self.known_, kinds=kinds, asked_kind=asked, **given)

    def exported(self) -> Exported:
        """What an ONNX file is made of."""
        known = torch.from_numpy(self.known_)
        module = SequenceScores(self.model_, self.inputs_, torch.from_numpy(self.answers_), known)
        # A tensor of its own each: one object would be taken for one input.
        inputs = {name: torch.zeros(2, 3, dtype=torch.int64) for name in PLACED}
        inputs["lengths"] = torch.tensor([3, 2])
        if self.people_ is not None:
            inputs["people"] = torch.tensor([0, -1])
        return Exported(module, inputs)

    def _settle(self) -> None:
        """Work out the vectors of all items."""
        self.model_.eval()
        with torch.inference_mode():
            table = self.model_.items()
            self.inputs_ = table
            self.answers_: ScoreArray = self.model_.answers(table).numpy()

    def _asked(self, queries: Queries) -> tuple[ScoreArray, BoolArray]:
        times = np.full(len(queries), self.cut_) if queries.times is None else queries.times
        people = self._rows(queries.users)
        newest = self._sequences(queries.histories, until=times, people=people).newest(self.config.length)
        wanted = np.zeros((len(queries), self.config.dimensions), dtype=np.float32)
        with torch.inference_mode():
            for rows, batch in newest.by_length(ANSWERED):
                hidden = self.model_.network(functional.embedding(batch.items, self.inputs_), batch)
                last = hidden[torch.arange(len(rows)), batch.lengths - 1]
                wanted[rows] = self.model_.asks(last).numpy()
        return wanted, newest.lengths == 0

    def _answers(self) -> ScoreArray:
        return self.answers_

    def _listed(self) -> BoolArray | None:
        return None if self.known_.all() else self.known_

    def _extend(self, catalogue: Catalogue, changed: IntArray) -> None:
        weights = {name: value.clone() for name, value in self.model_.state_dict().items()}
        old, n = len(self.known_), len(catalogue)
        taken = np.pad(self.taken_, (0, n - old))
        self._make(self.reader_.read(catalogue, changed), taken)
        fresh = self.model_.state_dict()
        for name in ("items.taken", "items.texts", "items.words.places"):
            if name in fresh:
                weights[name] = fresh[name]
        own = fresh["items.own.weight"].clone()
        kept = np.ones(old, dtype=bool)  # the others: where their texts say now, or nothing
        kept[changed[changed < old]] = False
        kept |= taken[:old]
        own[:old][kept] = weights["items.own.weight"][kept]
        self.model_.load_state_dict({**weights, "items.own.weight": own})
        self.n_items_ = n
        self._settle()
        self._update_index(changed)

    def _state(self) -> Mapping[str, Array]:
        read = {**behind(READER, self.reader_.state()), "taken": self.taken_}
        if self.people_ is not None:
            read |= behind(PEOPLE, self.people_.state())
        if self.axes_ is not None:
            read["axes"] = self.axes_
        shared = {"model.items.texts", "model.items.words.places", "model.network.people.places"}
        return {**read, **{name: one for name, one in self._weights().items() if name not in shared}}

    def _restore(self, state: Mapping[str, Array]) -> None:
        people = under(PEOPLE, state)
        self.people_ = UserReader.from_state(people) if people else None
        self.axes_ = state.get("axes")
        weights = tensors_under(state, "model.")
        read = ItemReader.from_state(self.config.encoder, under(READER, state))
        self._make(read, state["taken"])
        self.model_.load_state_dict({**self.model_.state_dict(), **weights})
        self._settle()
