"""Light graph convolution over who took what, as a retriever."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from pydantic import Field
from scipy import sparse
from torch import Tensor, nn

from zhiyin.data import Catalogue, Dataset
from zhiyin.nesting import behind, under
from zhiyin.retrieve.inner_product import FadingProductRetriever, IndexedFadingConfig
from zhiyin.retrieve.neural.base import FadingNetwork, FadingNetworkConfig
from zhiyin.retrieve.neural.export import Exported
from zhiyin.retrieve.neural.graphs import Propagation
from zhiyin.retrieve.neural.softmax import low_precision, softmax_loss
from zhiyin.retrieve.neural.training import MOST_DIMENSIONS, Lesson
from zhiyin.retrieve.newcomers import Newcomers
from zhiyin.types import Array, BoolArray, IntArray, Queries, ScoreArray

__all__ = ["LightGCNRetriever"]

NEWCOMERS = "newcomers."
NOISE = 0.5  # in what is told of them
SPREAD = 0.1
FEWEST = 10  # parts of an epoch: what is asked for must not be most of the graph


@dataclass(frozen=True, eq=False)
class Edges:
    """Some of the events: ``users``, ``items`` int64 [n]; and the graph of all others."""

    users: Tensor
    items: Tensor
    others: Propagation


class Tables(nn.Module):
    """What users and items begin with."""

    def __init__(self, users: int, items: int, width: int) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(users, width), nn.Embedding(items, width)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=SPREAD)


class GraphScores(nn.Module):
    """What a history sums up to, and the scores of all items."""

    def __init__(
        self, sides: ScoreArray, degrees: ScoreArray, items: ScoreArray, listed: BoolArray, scale: float
    ) -> None:
        super().__init__()
        self.sides: Tensor
        self.items: Tensor
        self.listed: Tensor
        self.register_buffer("sides", torch.from_numpy(sides / np.sqrt(degrees)[:, None]).float())
        self.register_buffer("items", torch.from_numpy(items))
        self.register_buffer("listed", torch.from_numpy(listed))
        self.scale = scale

    def forward(self, items: Tensor, values: Tensor) -> Tensor:
        """Items int64 [B, W], -1 pads; values float32 [B, W] -> scores float32 [B, n_items]."""
        weights = torch.where(items >= 0, values, 0.0)
        sums = (nn.functional.embedding(items.clamp(min=0), self.sides) * weights[:, :, None]).sum(1)
        scores = nn.functional.normalize(sums, dim=1) * self.scale @ self.items.t()
        return scores.masked_fill(~self.listed, -torch.inf)


class LightGCNRetriever(FadingProductRetriever, FadingNetwork):
    """Score = user's vector · item's vector, both means over ``layers`` steps through the graph of events.

    A step gives each side the mean of the other's vectors, divided by the roots of both degrees, and nothing
    else (He et al. 2020, "LightGCN: simplifying and powering graph convolution network for recommendation",
    eq. 3 and 4). Here what is asked for is first taken out of the graph, the loss is softmax over all items,
    and a user has the steps 1 to ``layers`` only, which are sums over the history: so an unknown user is
    answered as a known one with the same history, and late events may weigh more (``half_life``). An item
    nobody took lies where the items that read alike tell (``Newcomers``).
    """

    class Config(IndexedFadingConfig, FadingNetworkConfig):
        """``dimensions``; ``layers``; ``scale``: what cosines are multiplied by; ``texts``, by ``encoder``.

        ``texts``: whether items nobody took are placed by what they are called.
        """

        dimensions: int = Field(default=128, ge=1, le=MOST_DIMENSIONS)
        layers: int = Field(default=2, ge=1, le=6)
        scale: float = Field(default=12.0, gt=0)
        texts: bool = True
        encoder: str = "minilm-l6"
        batch: int = Field(default=4096, ge=1)
        learning_rate: float = Field(default=1e-2, gt=0)

    config: Config
    model_: Tables

    def _prepare(self, known: Dataset) -> None:
        self.matrix_ = sparse.csr_array(known.matrix)
        degrees = np.bincount(self.matrix_.indices, minlength=known.n_items)
        self.degrees_: ScoreArray = np.maximum(degrees, 1).astype(np.float32)
        taken, encoder = known.counts > 0, self.config.encoder
        self.newcomers_ = Newcomers.none(taken, encoder=encoder)
        if self.config.texts:
            self.newcomers_ = Newcomers.of(known.catalogue, taken, encoder=encoder, noise=NOISE)
        self.model_ = Tables(known.n_users, known.n_items, self.config.dimensions)

    def _lesson(self, known: Dataset) -> Lesson[Edges]:
        del known
        rows = np.repeat(np.arange(self.matrix_.shape[0]), np.diff(self.matrix_.indptr))
        columns, own = self.matrix_.indices.astype(np.int64), self.config
        parts = max(FEWEST, -(-len(rows) // own.batch))
        low = low_precision(own.precision)

        def batches(draw: np.random.Generator) -> Iterator[Edges]:
            part = draw.permutation(len(rows)) % parts
            for at in range(parts):
                asked = part == at
                others = Propagation.of(rows[~asked], columns[~asked], self.matrix_.shape)
                yield Edges(torch.from_numpy(rows[asked]), torch.from_numpy(columns[asked]), others)

        def loss(edges: Edges) -> Tensor:
            users, items = self._vectors(edges.others)
            unit = nn.functional.normalize
            wanted = unit(users[edges.users], dim=1) * own.scale
            return softmax_loss(wanted, unit(items, dim=1), edges.items, low=low)

        return Lesson(self.model_, batches, loss, lambda edges: len(edges.items))

    def _vectors(self, graph: Propagation) -> tuple[Tensor, Tensor]:
        """Vectors of users and of items, means over the steps."""
        users, items = self.model_.users.weight, self.model_.items.weight
        of_users, of_items = [], [items]
        for _ in range(self.config.layers):
            users, items = graph.to_users(items), graph.to_items(users)
            of_users.append(users)
            of_items.append(items)
        return torch.stack(of_users).mean(0), torch.stack(of_items).mean(0)

    def exported(self) -> Exported:
        """What an ONNX file is made of."""
        places = torch.tensor([[0, 1, -1], [0, -1, -1]])
        module = GraphScores(self.sides_, self.degrees_, self.items_, self.listed_, self.config.scale)
        return Exported(module, {"items": places, "values": torch.ones(places.shape)})

    def _settle(self) -> None:
        matrix = self.matrix_
        rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        graph = Propagation.of(rows, matrix.indices.astype(np.int64), matrix.shape)
        with torch.inference_mode():
            users, items = self.model_.users.weight, self.model_.items.weight
            kept, found = torch.zeros_like(items), items
            for _ in range(self.config.layers):
                kept = kept + items
                users, items = graph.to_users(items), graph.to_items(users)
                found = found + items
            # What a history sums up: the mean of the steps that its items give.
            self.sides_: ScoreArray = (kept / self.config.layers).numpy()
            self.items_: ScoreArray = nn.functional.normalize(found, dim=1).numpy()
        self._place()

    def _place(self) -> None:
        """Vectors of items nobody took, where those that read alike tell; and which items may be listed."""
        new = self.newcomers_
        self.items_[~new.taken] = 0
        between = new.told @ self.items_
        norms = np.linalg.norm(between, axis=1, keepdims=True)
        self.items_[new.items] = between / np.maximum(norms, 1e-12)
        self.listed_: BoolArray = np.asarray(self.items_.any(axis=1))

    def _extend(self, catalogue: Catalogue, changed: IntArray) -> None:
        old, n = len(self.items_), len(catalogue)
        self.newcomers_ = self.newcomers_.read(catalogue, changed)
        self.items_ = np.pad(self.items_, ((0, n - old), (0, 0)))
        self.sides_ = np.pad(self.sides_, ((0, n - old), (0, 0)))
        self.degrees_ = np.pad(self.degrees_, (0, n - old), constant_values=1)
        self.n_items_ = n
        self._place()
        self._update_index(changed)

    def _asked(self, queries: Queries) -> tuple[ScoreArray, BoolArray]:
        known = self._history(queries)
        weights = known.data / np.sqrt(self.degrees_[known.indices])
        sums = sparse.csr_array((weights.astype(np.float32), known.indices, known.indptr), shape=known.shape)
        users = np.asarray(sums @ self.sides_, dtype=np.float32)
        norms = np.linalg.norm(users, axis=1, keepdims=True)
        return users / np.maximum(norms, 1e-12) * np.float32(self.config.scale), norms[:, 0] == 0

    def _answers(self) -> ScoreArray:
        return self.items_

    def _listed(self) -> BoolArray:
        return self.listed_

    def _state(self) -> Mapping[str, Array]:
        told = behind(NEWCOMERS, self.newcomers_.state())
        return {"items": self.items_, "sides": self.sides_, "degrees": self.degrees_, **told}

    def _restore(self, state: Mapping[str, Array]) -> None:
        self.items_, self.sides_, self.degrees_ = state["items"], state["sides"], state["degrees"]
        self.listed_ = np.asarray(self.items_.any(axis=1))
        self.newcomers_ = Newcomers.from_state(self.config.encoder, under(NEWCOMERS, state))
