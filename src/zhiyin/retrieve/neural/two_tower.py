"""A tower over pooled histories and one over items, as a retriever."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from zhiyin.data import Dataset
from zhiyin.retrieve.neural.networks import PooledTower, SequenceNetwork
from zhiyin.retrieve.neural.people import UserReader
from zhiyin.retrieve.neural.sequential import SequenceConfig, SequenceRetriever

__all__ = ["TwoTowerRetriever"]


class TwoTowerRetriever(SequenceRetriever):
    """Score = cosine of the user's tower and the item's, times ``scale``.

    The item's tower adds its own embedding, what the text encoder says and the words of title and attributes;
    the user's pools these over the history and adds what is known of the user. Negatives are what others took
    in the same batch, corrected for popularity (Yi et al. 2019, "Sampling-bias-corrected neural modeling for
    large corpus item recommendations"), and a few drawn uniformly.
    """

    class Config(SequenceConfig):
        """``half_lives`` of the pools, in events; ``hidden`` units; and what all sequence models have.

        ``users``: whether attributes of users are read.
        """

        half_lives: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(1.0, 5.0, 1e9), min_length=1)
        hidden: int = Field(default=256, ge=1, le=65_536)
        users: bool = True
        batch: int = Field(default=2048, ge=1)
        negatives: int | None = Field(default=256, ge=0, le=1_000_000)

    config: Config

    def _read_users(self, known: Dataset) -> UserReader | None:
        read = UserReader.of(known.users) if self.config.users else None
        return read if read is not None and len(read.keys) else None

    def _network(self) -> SequenceNetwork:
        own = self.config
        return PooledTower(
            own.dimensions,
            half_lives=own.half_lives,
            hidden=own.hidden,
            dropout=own.dropout,
            kinds=int(self.kinds_),
            gaps=own.gaps,
            people=None if self.people_ is None else torch.from_numpy(self.people_.places),
            n_values=0 if self.people_ is None else len(self.people_.values),
        )
