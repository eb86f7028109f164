"""An order -> a varied order of the same things; knows arrays, no ids and no language model."""

from zhiyin.diversify.embedding import EmbeddingDiversifier
from zhiyin.diversify.rerank import METHODS, rerank

__all__ = ["METHODS", "EmbeddingDiversifier", "rerank"]
