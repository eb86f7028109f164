"""Means of embeddings over bags of words, and their gradient by the inverted lists."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Bags"]


class Bags(nn.Module):
    """Bag -> mean of the embeddings in it, float32 [n, d]; zero for an empty bag.

    ``places`` int64 [n, f]: rows of ``size`` embeddings, -1 pads on the right. The gradient of all bags is a
    sum over the inverted lists: a hundredth of the time of scattering.
    """

    def __init__(self, places: Tensor, size: int, width: int, spread: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(max(size, 1), width) * spread)
        self.places: Tensor
        self.register_buffer("places", places)
        rows, columns = torch.nonzero(places >= 0, as_tuple=True)
        words = places[rows, columns]
        order = torch.argsort(words, stable=True)
        lengths = (places >= 0).sum(1)
        self._lists = words, _starts(lengths)
        self._inverted = rows[order], _starts(torch.bincount(words, minlength=max(size, 1)))
        self._share = 1.0 / lengths.clamp(min=1)[:, None]

    def forward(self, rows: Tensor | None = None) -> Tensor:
        """Means of the given bags, or of all; float32 [c, d]."""
        if rows is None:
            found: Tensor = _Means.apply(self.weight, self._lists, self._inverted, self._share)  # type: ignore[no-untyped-call]
            return found
        places = self.places[rows]
        inside = places >= 0
        vectors = functional.embedding(places.clamp(min=0), self.weight) * inside[:, :, None]
        return vectors.sum(1) * self._share[rows]


class _Means(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, lists: Any, inverted: Any, share: Tensor) -> Tensor:
        ctx.inverted, ctx.share = inverted, share
        sums = functional.embedding_bag(lists[0], weight, lists[1], mode="sum")
        return sums * share

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, starts = ctx.inverted
        return functional.embedding_bag(rows, grads[0] * ctx.share, starts, mode="sum"), None, None, None


def _starts(lengths: Tensor) -> Tensor:
    return torch.cumsum(lengths, 0) - lengths
