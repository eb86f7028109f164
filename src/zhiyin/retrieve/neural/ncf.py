"""Neural collaborative filtering, as a retriever."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from scipy import sparse
from torch import Tensor
from torch.nn import functional

from zhiyin.data import Dataset
from zhiyin.retrieve.neural.base import FadingNetwork, FadingNetworkConfig, tensors_under
from zhiyin.retrieve.neural.export import Exported
from zhiyin.retrieve.neural.pairs import Hidden, PairNetwork, Pairs, PairScores, spans
from zhiyin.retrieve.neural.training import MOST_DIMENSIONS, Lesson
from zhiyin.types import Array, BoolArray, Queries, ScoreArray

__all__ = ["NCFRetriever"]

Long = npt.NDArray[np.int64]
DRAWS = 4  # of a negative, until it is none of the user's


class NCFRetriever(FadingNetwork):
    """Score = weighed products of two vectors (GMF) + a perceptron over two others (MLP).

    NeuMF of He et al. 2017, "Neural collaborative filtering", trained as there by log loss on taken items and
    ``negatives`` others each, which are drawn for a whole epoch at once. A user's vectors are sums over the
    history without the item in question (Kabbur, Ning & Karypis 2013, "FISM"), so that unknown users are
    answered as known ones.
    """

    class Config(FadingNetworkConfig):
        """``dimensions`` of each of the vectors; ``hidden`` layers; ``negatives``; ``dropout``."""

        dimensions: int = Field(default=64, ge=1, le=MOST_DIMENSIONS)
        hidden: Hidden = (64, 32)
        negatives: int = Field(default=4, ge=1, le=1000)
        dropout: float = Field(default=0.2, ge=0, lt=1)
        batch: int = Field(default=4096, ge=1)
        weight_decay: float = Field(default=0.1, ge=0)
        learning_rate: float = Field(default=1e-2, gt=0)

    config: Config
    model_: PairNetwork

    def _prepare(self, known: Dataset) -> None:
        self.taken_: BoolArray = known.counts > 0
        self._make(known.n_items)

    def _make(self, n_items: int) -> None:
        own = self.config
        self.model_ = PairNetwork(n_items, own.dimensions, own.hidden, own.dropout, products=True)

    def _lesson(self, known: Dataset) -> Lesson[Pairs]:
        matrix = _ones(known.matrix)
        among = np.flatnonzero(self.taken_)
        lengths = np.diff(matrix.indptr)
        many = self.config.negatives

        def batches(draw: np.random.Generator) -> Iterator[Pairs]:
            users = matrix[draw.permutation(np.flatnonzero(lengths > 1))]
            refused = _refused(users, among, many, draw)
            for start, end in spans(users.indptr, self.config.batch):
                part = users[start:end]
                rows = np.repeat(np.arange(end - start), np.diff(part.indptr))
                others = refused[users.indptr[start] * many : users.indptr[end] * many]
                items = np.concatenate([part.indices, others]).astype(np.int64)
                rows = np.concatenate([rows, np.repeat(rows, many)])
                label = torch.zeros(len(items))
                label[: part.nnz] = 1
                yield Pairs(part, torch.from_numpy(rows), torch.from_numpy(items), label, label)

        def loss(pairs: Pairs) -> Tensor:
            return functional.binary_cross_entropy_with_logits(self.model_(pairs), pairs.targets)

        return Lesson(self.model_, batches, loss, lambda pairs: len(pairs.targets))

    def exported(self) -> Exported:
        """What an ONNX file is made of."""
        places = torch.tensor([[0, 1, -1], [0, -1, -1]])
        module = PairScores(self.model_, listed=torch.from_numpy(self.taken_))
        return Exported(module, {"items": places, "values": torch.ones(places.shape)})

    def _settle(self) -> None:
        self.model_.eval()

    def _scores(self, queries: Queries) -> ScoreArray:
        faded, plain = self._history(queries), queries.histories.matrix(len(self.taken_))
        weights = np.divide(faded.data, plain.data)  # by age alone: in training every event counts 1
        histories = sparse.csr_array((weights, faded.indices, faded.indptr), shape=faded.shape)
        with torch.inference_mode():
            scores = self.model_.everything(histories, np.asarray(histories.sum(axis=1)).ravel())
        scores[:, ~self.taken_] = -np.inf
        return scores

    def _state(self) -> Mapping[str, Array]:
        return {"taken": self.taken_, **self._weights()}

    def _restore(self, state: Mapping[str, Array]) -> None:
        self.taken_ = state["taken"]
        self._make(len(self.taken_))
        self.model_.load_state_dict(tensors_under(state, "model."))
        self._settle()


def _ones(matrix: sparse.csr_array) -> sparse.csr_array:
    ones = np.ones(matrix.nnz, dtype=np.float32)
    return sparse.csr_array((ones, matrix.indices, matrix.indptr), shape=matrix.shape)


def _refused(users: sparse.csr_array, among: Long, many: int, draw: np.random.Generator) -> Long:
    """``many`` items for each entry that are none of the user's, as far as ``DRAWS`` draws can find any."""
    rows = np.repeat(np.arange(users.shape[0]), np.diff(users.indptr))
    taken = np.sort(rows * np.int64(users.shape[1]) + users.indices)
    keys = np.repeat(rows, many) * np.int64(users.shape[1])
    found = among[draw.integers(len(among), size=len(keys))]
    for _ in range(DRAWS):
        place = np.searchsorted(taken, keys + found)
        wrong = np.flatnonzero(taken[np.minimum(place, len(taken) - 1)] == keys + found)
        if not len(wrong):
            break
        found[wrong] = among[draw.integers(len(among), size=len(wrong))]
    return found
