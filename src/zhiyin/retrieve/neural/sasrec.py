"""Self-attention over what a user took, as a retriever."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from zhiyin.retrieve.neural.networks import Attention, SequenceNetwork
from zhiyin.retrieve.neural.sequential import SequenceConfig, SequenceRetriever

__all__ = ["SASRecRetriever"]


class SASRecRetriever(SequenceRetriever):
    """Score = state of a self-attentive network after the newest event · vector of the item.

    The network of Kang & McAuley 2018, "Self-attentive sequential recommendation", trained by softmax
    cross-entropy over all items instead of one negative each, which is what makes it strong (Klenitskiy &
    Vasilev 2023, "Turning dross into gold loss"). Types of events and the time between them are read.
    """

    class Config(SequenceConfig):
        """``layers`` and ``heads`` of attention, and what all sequence models have."""

        layers: int = Field(default=1, ge=1)
        heads: int = Field(default=2, ge=1)

        @model_validator(mode="after")
        def _check(self) -> Self:
            if self.dimensions % self.heads:
                raise ValueError("dimensions must be a multiple of heads")
            return self

    config: Config

    def _network(self) -> SequenceNetwork:
        own = self.config
        return Attention(
            own.dimensions,
            length=own.length,
            layers=own.layers,
            heads=own.heads,
            dropout=own.dropout,
            kinds=int(self.kinds_),
            gaps=own.gaps,
        )
