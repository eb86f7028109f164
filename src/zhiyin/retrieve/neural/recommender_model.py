"""Ratings from embeddings through fully connected layers, as a retriever."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from pydantic import Field
from scipy import sparse
from torch import Tensor
from torch.nn import functional

from zhiyin.data import Dataset
from zhiyin.errors import InputError
from zhiyin.retrieve.neural.base import NeuralRetriever, tensors_under
from zhiyin.retrieve.neural.export import Exported
from zhiyin.retrieve.neural.pairs import Hidden, PairNetwork, Pairs, PairScores, spans
from zhiyin.retrieve.neural.training import MOST_DIMENSIONS, Lesson, TrainingConfig
from zhiyin.retrieve.ratings import check_ratings
from zhiyin.types import Array, BoolArray, IntArray, Queries, Ragged, ScoreArray

__all__ = ["RecommenderModel"]

ENTRIES = 1_000_000  # of histories at a time
LEAST = 1e-3  # of a value's distance from the mean: that it was rated is told as well


class RecommenderModel(NeuralRetriever):
    """Score = rating that a perceptron over the user's embedding and the item's gives.

    Trained by mean squared error on the observed ratings. A user's embedding is the sum of embeddings of what
    the history rated, by how far from the mean, without the item in question. It stops when the error on
    the ratings of validation gets no better. For values of several levels: where all are the same there is
    nothing to learn, as with ``matrix-factorization``.
    """

    class Config(TrainingConfig):
        """``dimensions`` of embeddings; ``hidden`` layers; ``dropout``."""

        dimensions: int = Field(default=32, ge=1, le=MOST_DIMENSIONS)
        hidden: Hidden = (64, 32)
        dropout: float = Field(default=0.2, ge=0, lt=1)
        batch: int = Field(default=2048, ge=1)
        weight_decay: float = Field(default=0.05, ge=0)

    config: Config
    model_: PairNetwork
    saved_numbers = ("cut_", "epochs_", "mean_")

    def __init__(self, **params: object) -> None:
        super().__init__(**params)
        self.mean_ = 0.0

    def _prepare(self, known: Dataset) -> None:
        check_ratings(known)
        self.taken_: BoolArray = known.counts > 0
        self.mean_ = float(known.matrix.data.mean()) if known.matrix.nnz else 0.0
        self._make(known.n_items)

    def _make(self, n_items: int) -> None:
        own = self.config
        self.model_ = PairNetwork(n_items, own.dimensions, own.hidden, own.dropout, products=False)

    def _told(self, histories: sparse.csr_array) -> sparse.csr_array:
        """How far from the mean each rating is; never 0."""
        far = histories.data - np.float32(self.mean_)
        far = np.where(np.abs(far) < LEAST, np.float32(LEAST), far).astype(np.float32)
        return sparse.csr_array((far, histories.indices, histories.indptr), shape=histories.shape)

    def _lesson(self, known: Dataset) -> Lesson[Pairs]:
        matrix = self._told(known.matrix)
        lengths = np.diff(matrix.indptr)

        def batches(draw: np.random.Generator) -> Iterator[Pairs]:
            users = matrix[draw.permutation(np.flatnonzero(lengths))]
            for start, end in spans(users.indptr, self.config.batch):
                part = users[start:end]
                rows = np.repeat(np.arange(end - start), np.diff(part.indptr))
                far = torch.from_numpy(part.data)
                items = torch.from_numpy(part.indices.astype(np.int64))
                yield Pairs(part, torch.from_numpy(rows), items, far, far)

        def loss(pairs: Pairs) -> Tensor:
            return functional.mse_loss(self.model_(pairs), pairs.targets)

        return Lesson(self.model_, batches, loss, lambda pairs: len(pairs.targets))

    def _judge(self, known: Dataset, valid: Dataset) -> Callable[[], float] | None:
        if known.matrix.nnz == 0 or np.ptp(known.matrix.data) == 0:
            return super()._judge(known, valid)
        users = valid.active_users
        histories, later = known.histories(users), valid.histories(users)

        def judge() -> float:
            self._settle()
            found = self._foretold(histories, later.rows, later.items)
            return -float(np.sqrt(np.mean((found - later.values) ** 2)))

        return judge

    def exported(self) -> Exported:
        """What an ONNX file is made of."""
        places = torch.tensor([[0, 1, -1], [0, -1, -1]])
        listed = torch.from_numpy(self.taken_)
        module = PairScores(self.model_, centre=self.mean_, least=LEAST, listed=listed)
        return Exported(module, {"items": places, "values": torch.ones(places.shape)})

    def _settle(self) -> None:
        self.model_.eval()

    def predict(self, histories: Ragged, items: IntArray) -> ScoreArray:
        """The value that each user would give to one item, float32 [U].

        Parameters
        ----------
        histories : Ragged
            What each user rated before.
        items : int32 [U]
            One a user; an item that is in the history itself is left out there.

        Raises
        ------
        InputError
            When items are not known, or not one a user.
        """
        n = len(self.model_.bias)
        if len(items) != len(histories) or (len(items) and not 0 <= int(items.min()) <= int(items.max()) < n):
            raise InputError(
                "These items cannot be rated",
                expected=f"one a user, from 0 to {n - 1}",
                received=f"{len(items)} for {len(histories)} users",
            )
        return self._foretold(histories, np.arange(len(items)), items)

    def _foretold(self, histories: Ragged, users: Array, items: IntArray) -> ScoreArray:
        """The value of each item for the history of its row ``users``, float32 [n]."""
        told = self._told(histories.matrix(len(self.model_.bias)))
        found = np.empty(len(items), dtype=np.float32)
        sizes = np.diff(told.indptr)[users]
        for start, end in spans(np.concatenate([[0], np.cumsum(sizes)]), ENTRIES):
            part, asked = told[users[start:end]], items[start:end]
            own = np.asarray(part[np.arange(end - start), asked]).ravel().astype(np.float32)
            pairs = Pairs(
                part,
                torch.arange(end - start),
                torch.from_numpy(asked.astype(np.int64)),
                torch.from_numpy(own),
                torch.empty(0),
            )
            with torch.inference_mode():
                found[start:end] = self.model_(pairs).numpy() + self.mean_
        return found

    def _scores(self, queries: Queries) -> ScoreArray:
        with torch.inference_mode():
            far = self.model_.everything(self._told(queries.histories.matrix(len(self.model_.bias))))
        scores = np.asarray(far + np.float32(self.mean_), dtype=np.float32)
        scores[:, ~self.taken_] = -np.inf
        return scores

    def _state(self) -> Mapping[str, Array]:
        return {"taken": self.taken_, **self._weights()}

    def _restore(self, state: Mapping[str, Array]) -> None:
        self.taken_ = state["taken"]
        weights = tensors_under(state, "model.")
        self._make(len(weights["bias"]))
        self.model_.load_state_dict(weights)
        self._settle()
