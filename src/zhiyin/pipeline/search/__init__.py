"""Which way to retrieve suits the data: tried on validation, asked about on test once."""

from __future__ import annotations

from zhiyin.pipeline.search.search import Found, Trial, search_retriever

__all__ = ["Found", "Trial", "search_retriever"]
