"""Fitted stages to and from a folder; each stage writes and reads its own files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zhiyin.config import Recipe, Stage
from zhiyin.pipeline.building import FALLBACK, policy_of
from zhiyin.pipeline.stages import Components
from zhiyin.registry import resolve

__all__ = ["load_components", "save_components"]


def save_components(parts: Components, folder: Path) -> None:
    """One sub-folder a stage."""
    stages = {
        "fallback": parts.fallback,
        "retriever": parts.retriever,
        "ranker": parts.ranker,
        "diversifier": parts.diversifier,
    }
    for name, component in stages.items():
        if component is not None:
            (folder / name).mkdir()
            component.save(folder / name)


def load_components(recipe: Recipe, folder: Path) -> Components:
    """Read what ``save_components`` wrote for the same recipe."""
    stages = recipe.stages
    return Components(
        fallback=_load("retriever", FALLBACK, folder / "fallback"),
        policy=policy_of(recipe),
        retriever=_load("retriever", stages.retrieve, folder / "retriever"),
        ranker=_load("ranker", stages.rank, folder / "ranker"),
        diversifier=_load("diversifier", stages.diversify, folder / "diversifier"),
    )


def _load(kind: str, stage: Stage, folder: Path) -> Any:
    return resolve(kind, stage.method).load(folder) if folder.is_dir() else None
