"""A tower over pooled histories and one over items, as a retriever."""

from __future__ import annotations

from pydantic import Field

from zhiyin.retrieve.neural.networks import PooledTower, SequenceNetwork
from zhiyin.retrieve.neural.sequential import SequenceConfig, SequenceRetriever

__all__ = ["TwoTowerRetriever"]


class TwoTowerRetriever(SequenceRetriever):
    """Score = cosine of the user's tower and the item's, times ``scale``.

    The item's tower adds its own embedding, what the text encoder says and the words of title and attributes;
    the user's pools these over the history. Negatives are what others took in the same batch, corrected for
    popularity (Yi et al. 2019, "Sampling-bias-corrected neural modeling for large corpus item
    recommendations"), and a few drawn uniformly.
    """

    class Config(SequenceConfig):
        """``half_lives`` of the pools, in events; ``hidden`` units; and what all sequence models have."""

        half_lives: tuple[float, ...] = (1.0, 5.0, 1e9)
        hidden: int = Field(default=256, ge=1)
        batch: int = Field(default=2048, ge=1)
        negatives: int | None = Field(default=256, ge=0)

    config: Config

    def _network(self) -> SequenceNetwork:
        own = self.config
        return PooledTower(
            own.dimensions,
            half_lives=own.half_lives,
            hidden=own.hidden,
            dropout=own.dropout,
            kinds=int(self.kinds_),
            gaps=own.gaps,
        )
