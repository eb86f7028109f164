"""A network over pairs of a pooled history and an item; knows no loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from zhiyin.retrieve.neural.graphs import product
from zhiyin.types import ScoreArray

__all__ = ["Hidden", "PairNetwork", "PairScores", "Pairs", "spans"]

Hidden = Annotated[tuple[Annotated[int, Field(ge=1, le=65_536)], ...], Field(min_length=1)]
"""Units of each layer."""

SPREAD = 0.05
BUFFER = 8 << 20  # numbers in the first layer of a chunk of pairs


@dataclass(frozen=True, eq=False)
class Pairs:
    """N pairs of B users: ``rows`` and ``items`` int64 [N], ``targets`` float32 [N].

    ``histories`` float32 [B, n_items]: with what weight each item stands in each history; ``own`` float32
    [N]: with what weight the pair's item stands there itself, which is taken out before it is asked for.
    """

    histories: sparse.csr_array
    rows: Tensor
    items: Tensor
    own: Tensor
    targets: Tensor


class PairNetwork(nn.Module):
    """Score of a pair: products of both vectors, weighed, and a perceptron over both, and the item's bias.

    A user is the sum of the vectors that the history's items give, over the root of their number; these are
    other vectors than those by which items are asked for. ``products``: whether there is the first part.
    """

    def __init__(
        self, n_items: int, width: int, hidden: tuple[int, ...], dropout: float, *, products: bool
    ) -> None:
        super().__init__()
        self.width, self.dropout = width, dropout
        self.given = nn.Embedding(n_items, 2 * width)
        self.asked = nn.Embedding(n_items, 2 * width)
        for table in (self.given, self.asked):
            nn.init.normal_(table.weight, std=SPREAD)
        self.bias = nn.Parameter(torch.zeros(n_items))
        self.weigh = nn.Parameter(torch.ones(width)) if products else None
        self.first = nn.Linear(2 * width, hidden[0])
        self.rest = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([*hidden, 1]))

    def pool(self, histories: sparse.csr_array) -> tuple[Tensor, Tensor]:
        """Sums of what histories give, float32 [B, 2 d], and how many items are in each, float32 [B]."""
        sums = product(self.given.weight, histories, sparse.csr_array(histories.T.tocsr()))
        return sums, torch.from_numpy(np.diff(histories.indptr).astype(np.float32))

    def forward(self, pairs: Pairs) -> Tensor:
        """Scores of pairs, float32 [N]."""
        sums, counts = self.pool(pairs.histories)
        inside = (pairs.own != 0).float()
        told = sums[pairs.rows] - pairs.own[:, None] * self.given(pairs.items)
        told = told / (counts[pairs.rows] - inside).clamp(min=1).sqrt()[:, None]
        about = self.asked(pairs.items)
        d = self.width
        found = self.bias[pairs.items]
        if self.weigh is not None:
            found = found + (told[:, :d] * about[:, :d]) @ self.weigh
        seen = torch.cat([told[:, d:], about[:, d:]], dim=1)
        seen = functional.dropout(seen, self.dropout, self.training)
        return found + self._perceptron(self.first(seen))

    def _perceptron(self, first: Tensor) -> Tensor:
        """From what the first layer gives, [..., hidden] -> [...]."""
        hidden = first
        for layer in self.rest:
            hidden = layer(functional.relu(hidden))
        return hidden.squeeze(-1)

    def scores(self, sums: Tensor, counts: Tensor) -> Tensor:
        """Scores of all items from pooled histories, float32 [B, n_items].

        The first layer is worked out once for each user and once for each item, and only added for each pair.
        """
        told = sums / counts.clamp(min=1).sqrt()[:, None]
        d, about = self.width, self.asked.weight
        left = told[:, d:] @ self.first.weight[:, :d].t()
        right = about[:, d:] @ self.first.weight[:, d:].t() + self.first.bias
        found = self.bias + self._perceptron(left[:, None] + right)
        if self.weigh is not None:
            found = found + (told[:, :d] * self.weigh) @ about[:, :d].t()
        return found

    def everything(self, histories: sparse.csr_array, sizes: ScoreArray | None = None) -> ScoreArray:
        """Scores of all items, float32 [B, n_items], in chunks of users; ``sizes``: how much is in each."""
        sums, counts = self.pool(histories)
        if sizes is not None:
            counts = torch.from_numpy(sizes)
        parts = [self.scores(sums[rows], counts[rows]).numpy() for rows in self._chunks(len(sums))]
        return np.concatenate(parts) if parts else np.zeros(histories.shape, dtype=np.float32)

    def _chunks(self, rows: int) -> Iterator[slice]:
        size = max(1, BUFFER // (len(self.bias) * self.first.out_features))
        yield from (slice(start, start + size) for start in range(0, rows, size))


class PairScores(nn.Module):
    """What a network of pairs answers: items of histories with their weights -> scores of all items.

    ``centre``, where there is one: values count by how far from it they are, at least ``least``, and it is
    added to the scores; else they are weights as they are. Items not in ``listed`` bool [n_items] score -inf.
    """

    def __init__(
        self, network: PairNetwork, *, centre: float | None = None, least: float = 0.0, listed: Tensor
    ) -> None:
        super().__init__()
        self.network, self.centre, self.least = network, centre, least
        self.listed: Tensor
        self.register_buffer("listed", listed)

    def forward(self, items: Tensor, values: Tensor) -> Tensor:
        """Items int64 [B, W], -1 pads; values float32 [B, W] -> scores float32 [B, n_items]."""
        inside = (items >= 0).float()
        weights, counts = values, torch.where(items >= 0, values, 0.0)
        if self.centre is not None:
            far = values - self.centre
            weights, counts = torch.where(far.abs() < self.least, self.least, far), inside
        weights = torch.where(items >= 0, weights, 0.0)
        vectors = self.network.given(items.clamp(min=0)) * weights[:, :, None]
        scores = self.network.scores(vectors.sum(1), counts.sum(1)) + (self.centre or 0.0)
        return scores.masked_fill(~self.listed, -torch.inf)


def spans(starts: npt.NDArray[np.int64], entries: int) -> Iterator[tuple[int, int]]:
    """Consecutive rows of a sparse matrix, at least one, of about so many entries."""
    row = 0
    while row < len(starts) - 1:
        end = int(np.searchsorted(starts, starts[row] + entries, side="right")) - 1
        end = max(end, row + 1)
        yield row, end
        row = end
