"""Networks over sequences of item vectors: attention, and pooled towers; they know no items and no users."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from zhiyin.retrieve.neural.bags import Bags
from zhiyin.retrieve.neural.sequences import GAPS, Batch

__all__ = ["Attention", "PooledTower", "SequenceNetwork"]

SPREAD = 0.02


class SequenceNetwork(nn.Module):
    """Vectors of events -> what is wanted after each of them."""

    @abstractmethod
    def forward(self, vectors: Tensor, batch: Batch) -> Tensor:
        """float32 [B, W, d] -> float32 [B, W, d]; a place sees itself and what is older."""


class Situation(nn.Module):
    """Vectors of when and what: how long until the next event, type of this event and of the next one."""

    def __init__(self, width: int, kinds: int, gaps: bool) -> None:
        super().__init__()
        self.width = width
        self.gaps = _embedding(GAPS, width) if gaps else None
        self.kinds = _embedding(kinds, width) if kinds > 1 else None
        self.asked = _embedding(kinds, width) if kinds > 1 else None

    def forward(self, vectors: Tensor, batch: Batch) -> Tensor:
        """Add what is known, [B, W, d]."""
        if self.gaps is not None:
            vectors = vectors + self.gaps(batch.gaps)
        if self.kinds is not None and self.asked is not None:
            vectors = vectors + self.kinds(batch.kinds) + self.asked(batch.asked)
        return vectors


class Attention(SequenceNetwork):
    """Self-attention over the history, each place seeing only older ones.

    Pre-norm blocks (Kang & McAuley 2018, "Self-attentive sequential recommendation"); places are counted from
    the newest event. ``masked``: every place sees every other one, for pre-training.
    """

    def __init__(
        self, width: int, *, length: int, layers: int, heads: int, dropout: float, kinds: int, gaps: bool
    ) -> None:
        super().__init__()
        self.length, self.dropout = length, dropout
        self.places = _embedding(length, width)
        self.situation = Situation(width, kinds, gaps)
        self.blocks = nn.ModuleList(_Block(width, heads, dropout) for _ in range(layers))
        self.last = nn.LayerNorm(width)

    def forward(self, vectors: Tensor, batch: Batch, *, masked: bool = False) -> Tensor:
        """float32 [B, W, d] -> float32 [B, W, d]."""
        back = batch.lengths[:, None] - 1 - torch.arange(vectors.shape[1])
        hidden = vectors + self.places(back.clamp(0, self.length - 1))
        hidden = functional.dropout(self.situation(hidden, batch), self.dropout, self.training)
        seen = batch.inside[:, None, None] if masked else None
        for block in self.blocks:
            hidden = block(hidden, seen)
        found: Tensor = self.last(hidden)
        return found


class _Block(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, seen: Tensor | None) -> Tensor:
        rows, places, width = x.shape
        split = self.mix(self.first(x)).view(rows, places, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=seen, is_causal=seen is None, dropout_p=dropout
        )
        mixed = self.out(mixed.transpose(1, 2).reshape(rows, places, width))
        x = x + functional.dropout(mixed, self.dropout, self.training)
        more: Tensor = self.down(functional.gelu(self.up(self.second(x))))
        return x + functional.dropout(more, self.dropout, self.training)


class PooledTower(SequenceNetwork):
    """Means of the history's vectors, late events more, through a perceptron.

    One mean for each of ``half_lives``, in events; these and the situation are what the layers see.
    ``people`` int64 [n, f]: places of what is known of each user among ``n_values``, -1 pads; or None.
    """

    def __init__(
        self,
        width: int,
        *,
        half_lives: tuple[float, ...],
        hidden: int,
        dropout: float,
        kinds: int,
        gaps: bool,
        people: Tensor | None = None,
        n_values: int = 0,
    ) -> None:
        super().__init__()
        self.half_lives, self.dropout = half_lives, dropout
        self.people = None if people is None else Bags(people, n_values, width, SPREAD)
        self.situation = Situation(width, kinds, gaps)
        self.weigh = nn.Parameter(torch.full((len(half_lives),), 1.0 / len(half_lives)))
        self.up = nn.Linear(width * (len(half_lives) + 1), hidden)
        self.down = nn.Linear(hidden, width)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, vectors: Tensor, batch: Batch) -> Tensor:
        """float32 [B, W, d] -> float32 [B, W, d]."""
        pooled = torch.einsum("hts,bsd->bthd", self._shares(vectors.shape[1]), vectors)
        plain = torch.einsum("bthd,h->btd", pooled, self.weigh)
        now: Tensor = self.situation(torch.zeros_like(vectors), batch)
        if self.people is not None:
            told = self.people(batch.people.clamp(min=0)) * (batch.people >= 0)[:, None]
            now = now + told[:, None]
        seen = torch.cat([pooled.flatten(2), now], dim=2)
        seen = functional.dropout(seen, self.dropout, self.training)
        more: Tensor = self.down(functional.gelu(self.up(seen)))
        return plain + now + more

    def _shares(self, width: int) -> Tensor:
        """How much of each older place is in the mean at a place, [half-lives, W, W]; rows sum to 1."""
        age = torch.arange(width)[:, None] - torch.arange(width)
        kept = [
            torch.where(age >= 0, torch.exp2(-age.clamp(min=0) / life), torch.zeros(()))
            for life in self.half_lives
        ]
        shares = torch.stack(kept)
        return shares / shares.sum(2, keepdim=True)


def _embedding(n: int, width: int) -> nn.Embedding:
    made = nn.Embedding(n, width)
    nn.init.normal_(made.weight, std=SPREAD)
    return made
