"""Thousands of items -> hundreds; one retriever a file, found by name in the registry."""

from __future__ import annotations

from zhiyin.retrieve.base import ScoringRetriever, make_retriever, updated_component
from zhiyin.retrieve.members import ManyRetrievers
from zhiyin.retrieve.selection import top_n

__all__ = ["ManyRetrievers", "ScoringRetriever", "make_retriever", "top_n", "updated_component"]
