"""Retrievers that are neural networks, trained by one loop; everything here needs torch."""

from __future__ import annotations

from zhiyin.lm.read import prepare_process

__all__: list[str] = []

prepare_process()  # loads torch, or says which extra brings it
