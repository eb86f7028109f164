"""One network trained on several data sets by what texts say of their items, to start others from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import nn

from zhiyin.artifacts import read_json, write_bytes, write_text
from zhiyin.data import Dataset
from zhiyin.errors import ArtifactError, InputError
from zhiyin.retrieve.neural.sequences import Batch
from zhiyin.retrieve.neural.training import Course, Lesson, train

__all__ = ["load_pretrained", "pretrain"]

Objective = Literal["next", "masked"]
WEIGHTS, SETTINGS = "pretrained.safetensors", "pretrained.json"
SHARED = ("network.", "items.read.")  # parts that mean the same for every data set


def pretrain(
    retrievers: Sequence[Any],
    datasets: Sequence[Dataset],
    folder: Path,
    *,
    objective: Objective = "next",
    epochs: int = 10,
) -> Course:
    """Train one network on all data sets and write it into a folder.

    Items are known by their texts alone, so that what is learned means the same for all; each step is of one
    data set, whose own items are the candidates.

    Parameters
    ----------
    retrievers : sequence of SequenceRetriever
        Unfitted, one for each data set, of one config; it decides size, batch, rate and seed.
    datasets : sequence of Dataset
    folder : path
        Existing; gets the weights and the settings.
    objective : {"next", "masked"}
        The next event at each place, or hidden events from both sides (networks of attention only).
    epochs : int

    Returns
    -------
    Course
        Losses and seconds by epoch.

    Raises
    ------
    InputError
        When there are no data sets, configs differ, or the texts of items are not used.
    """
    own = _agreed(retrievers, datasets)
    models: list[nn.Module] = []
    parts: list[Lesson[Batch]] = []
    for retriever, dataset in zip(retrievers, datasets, strict=True):
        parts.append(retriever.lesson_by_text(dataset, objective, models[0] if models else None))
        models.append(retriever.model_)
    sizes = np.array([dataset.n_events for dataset in datasets], dtype=np.float64)

    def batches(draw: np.random.Generator) -> Iterator[tuple[int, Batch]]:
        running = {at: part.batches(draw) for at, part in enumerate(parts)}
        while running:
            # Data sets take turns by what they have, so that none comes last.
            left = sizes[list(running)]
            at = int(draw.choice(list(running), p=left / left.sum()))
            batch = next(running[at], None)
            if batch is None:
                del running[at]
            else:
                yield at, batch

    lesson = Lesson(
        nn.ModuleList(models),
        batches,
        lambda batch: parts[batch[0]].loss(batch[1]),
        lambda batch: parts[batch[0]].size(batch[1]),
    )
    course = train(lesson, own, judge=None, name="pretraining", epochs=epochs)
    kept = {name: one.contiguous() for name, one in models[0].state_dict().items() if name.startswith(SHARED)}
    write_bytes(Path(folder) / WEIGHTS, to_safetensors(kept))
    write_text(
        Path(folder) / SETTINGS, json.dumps({"objective": objective, "encoder": own.encoder}, indent=1)
    )
    return course


def load_pretrained(folder: Path, model: nn.Module, encoder: str) -> None:
    """Start a model from what ``pretrain`` wrote; parts that depend on one data set's events are left out.

    Raises
    ------
    ArtifactError
        When nothing is there, or it was trained with another encoder or size.
    """
    told = read_json(Path(folder) / SETTINGS)
    file = Path(folder) / WEIGHTS
    if not isinstance(told, dict) or told.get("encoder") != encoder:
        raise ArtifactError(
            f"{folder} was trained with another encoder", expected=encoder, received=str(told)[:200]
        )
    if not file.is_file():
        raise ArtifactError(f"{file} is missing", hint="Pre-train again.")
    weights, now = load_file(file), model.state_dict()
    for name, one in weights.items():
        if name in now and now[name].shape != one.shape and ".situation." not in name:
            raise ArtifactError(
                f"{folder} does not fit",
                expected=f"{name} {list(now[name].shape)}",
                received=str(list(one.shape)),
                hint="Use the dimensions, length, layers and heads it was trained with.",
            )
    fits = {name: one for name, one in weights.items() if name in now and now[name].shape == one.shape}
    model.load_state_dict({**now, **fits})


def _agreed(retrievers: Sequence[Any], datasets: Sequence[Dataset]) -> Any:
    """The config of all retrievers."""
    configs = [retriever.config for retriever in retrievers]
    if not datasets or len(configs) != len(datasets) or any(one != configs[0] for one in configs):
        raise InputError(
            "Pre-training needs one retriever a data set, all alike",
            expected="as many unfitted retrievers of one config as data sets, at least one",
            received=f"{len(configs)} retrievers, {len(datasets)} data sets",
        )
    if configs[0].text != "add":
        raise InputError(
            "Pre-training reads items by their texts", expected='text "add"', received=configs[0].text
        )
    return configs[0]
