"""Random items: the rule that every method must beat."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from zhiyin import config
from zhiyin.data import Dataset
from zhiyin.draws import uniforms
from zhiyin.retrieve.base import ScoringRetriever
from zhiyin.types import Array, Queries, ScoreArray

__all__ = ["RandomRetriever"]


class RandomRetriever(ScoringRetriever):
    """Every item is equally likely; the order depends on (seed, request key) only."""

    class Config(config.Config):
        """``seed``: of the draws."""

        seed: int = Field(default=0, ge=0)

    config: Config
    learns_more = True

    def _learn(self, train: Dataset) -> None:
        pass

    def _scores(self, queries: Queries) -> ScoreArray:
        size = len(self.available_from_)
        return uniforms(self.config.seed, queries.keys, size, stream="random").astype("float32")

    def _state(self) -> Mapping[str, Array]:
        return {}

    def _restore(self, state: Mapping[str, Array]) -> None:
        pass
