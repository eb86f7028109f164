"""Items and a network over sequences of them, as one module."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from zhiyin.retrieve.neural.items import ItemTable
from zhiyin.retrieve.neural.networks import SequenceNetwork

__all__ = ["SequenceModel"]


class SequenceModel(nn.Module):
    """``items``, ``network``, and ``scale``: what cosines are multiplied by, or 0 for plain products."""

    def __init__(self, items: ItemTable, network: SequenceNetwork, scale: float) -> None:
        super().__init__()
        self.items, self.network, self.scale = items, network, scale

    def answers(self, table: Tensor) -> Tensor:
        """What items are compared by, float32 [c, d]."""
        return functional.normalize(table, dim=-1) if self.scale else table

    def asks(self, hidden: Tensor) -> Tensor:
        """What places of sequences are compared by, float32 [..., d]."""
        return functional.normalize(hidden, dim=-1) * self.scale if self.scale else hidden
