"""One network trained on several data sets by what texts say of their items, to start others from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import nn

from zhiyin.artifacts import read_json, write_bytes, write_text
from zhiyin.data import Dataset
from zhiyin.errors import ArtifactError, InputError
from zhiyin.retrieve.neural.base import weights_drawn
from zhiyin.retrieve.neural.sequences import Batch
from zhiyin.retrieve.neural.training import Course, Lesson, train

__all__ = ["load_pretrained", "pretrain", "pretrained_digest"]

Objective = Literal["next", "masked"]
SIZES = ("dimensions", "length", "layers", "heads", "half_lives", "hidden")
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
        At least 1; the rate falls along them.

    Returns
    -------
    Course
        Losses and seconds by epoch.

    Raises
    ------
    InputError
        When there are no data sets, configs differ, the texts of items are not used, or an argument is
        unknown.
    """
    if objective not in get_args(Objective) or epochs < 1:
        raise InputError(
            "This pre-training is not known",
            expected=f"an objective of {', '.join(get_args(Objective))}, and at least 1 epoch",
            received=f"{objective!r}, {epochs}",
        )
    own = _agreed(retrievers, datasets)
    models: list[nn.Module] = []
    parts: list[Lesson[Batch]] = []
    with weights_drawn(own.seed):
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
    planned = own.model_copy(update={"epochs": epochs})
    course = train(lesson, planned, judge=None, name="pretraining")
    kept = {name: one.contiguous() for name, one in models[0].state_dict().items() if name.startswith(SHARED)}
    write_bytes(Path(folder) / WEIGHTS, to_safetensors(kept))
    settings = {**_made_as(retrievers[0]), "objective": objective}
    write_text(Path(folder) / SETTINGS, json.dumps(settings, indent=1))
    return course


def load_pretrained(folder: Path, retriever: Any) -> None:
    """Start a retriever's model from what ``pretrain`` wrote.

    Parts that depend on one data set's events are left out.

    Raises
    ------
    ArtifactError
        When nothing is there, it is damaged, or it was made by another method, encoder or size.
    """
    wanted, told = _made_as(retriever), _settings(Path(folder))
    if {name: told.get(name) for name in wanted} != wanted:
        raise ArtifactError(
            f"{folder} does not fit",
            expected=json.dumps(wanted),
            received=json.dumps(told)[:300],
            hint="Use the method, encoder and sizes it was trained with.",
        )
    file, now = Path(folder) / WEIGHTS, retriever.model_.state_dict()
    try:
        weights = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{file} is damaged", received=str(error), hint="Pre-train again.") from error
    fits = {name: one for name, one in weights.items() if name in now and now[name].shape == one.shape}
    retriever.model_.load_state_dict({**now, **fits})


def pretrained_digest(folder: Path) -> str:
    """What tells one pre-trained network from others.

    Raises
    ------
    ArtifactError
        When there is none.
    """
    _settings(folder)
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()


def _settings(folder: Path) -> dict[str, Any]:
    if not ((folder / SETTINGS).is_file() and (folder / WEIGHTS).is_file()):
        raise ArtifactError(
            f"{folder} holds no pre-trained network",
            expected=f"{SETTINGS}, {WEIGHTS}",
            hint="Pre-train first.",
        )
    told = read_json(folder / SETTINGS)
    return told if isinstance(told, dict) else {}


def _made_as(retriever: Any) -> dict[str, Any]:
    """What two networks must have in common to mean the same by their weights."""
    own = retriever.config.model_dump(mode="json")
    sizes = {name: own[name] for name in SIZES if name in own}
    return {"method": type(retriever).__name__, "text": own["text"], "encoder": own["encoder"], **sizes}


def _agreed(retrievers: Sequence[Any], datasets: Sequence[Dataset]) -> Any:
    """The config of all retrievers."""
    if any(not hasattr(retriever, "lesson_by_text") for retriever in retrievers):
        raise InputError(
            "Only networks that read sequences can be pre-trained",
            expected="sasrec or two-tower",
            received=", ".join(type(retriever).__name__ for retriever in retrievers),
        )
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
