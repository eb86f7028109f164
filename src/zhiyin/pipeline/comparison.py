"""Recommenders and saved lists side by side on one split, trivial rules added."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from zhiyin.data import Split, Task
from zhiyin.errors import InputError
from zhiyin.evaluate import leaks
from zhiyin.evaluate.table import EvaluationTable
from zhiyin.pipeline.evaluation import check_baseline, evaluate_task, trivial_lists
from zhiyin.pipeline.lists import read_lists
from zhiyin.pipeline.recommender import Recommender
from zhiyin.types import IntArray

__all__ = ["compare", "described"]


def compare(
    entries: Mapping[str, Recommender | str | Path],
    split: Split,
    *,
    k: int = 10,
    baseline: str = "recent-popular",
    encoder: str = "minilm-l6",
    seed: int = 7,
) -> EvaluationTable:
    """Measure recommenders and lists of other systems on the test part.

    Parameters
    ----------
    entries : Mapping
        Name -> a recommender fitted on ``split.train`` (and ``split.valid``), or a Parquet file
        of lists with ``user_id``, ``item_id`` and ``rank`` (1 = best) or ``score`` (largest = best);
        with neither, the order of the rows counts.
    split : Split
    k : int
        Places that count.
    baseline : str
        The entry or rule that the others are paired with.
    encoder : str
        Of the vectors for distances and themes.

    Raises
    ------
    InputError, DataError
        When a name is that of a trivial rule, or a file does not fit.
    LeakError
        When an entry would know what it is asked for.
    """
    leaks.check_split(split)
    task = split.task("test")
    known = split.train.joined(split.valid)
    lists = trivial_lists(known, task, k, seed=seed)
    check_baseline(baseline, [*lists, *entries])
    notes = list(split.notes)
    for name, entry in entries.items():
        if name in lists:
            raise InputError(f"{name!r} is the name of a trivial rule", hint="Choose another name.")
        if isinstance(entry, Recommender):
            lists[name] = _asked(entry, task, split, k, name=name)
        elif isinstance(entry, str | Path):
            saved = read_lists(entry, task, split.test.catalogue, k, name=name)
            lists[name] = saved.items
            notes += saved.notes
        else:
            raise InputError(
                f"{name!r} cannot be measured",
                expected="a Recommender or a path",
                received=type(entry).__name__,
            )
    about = {"entries": {name: described(entry) for name, entry in entries.items()}}
    return evaluate_task(
        lists, known, task, k=k, baseline=baseline, encoder=encoder, seed=seed, notes=notes, about=about
    )


def described(entry: Recommender | str | Path) -> str:
    """What an entry is, so that it can be found again."""
    if isinstance(entry, Recommender):
        return f"recipe {entry.recipe.name!r}, fitted on {entry.dataset.fingerprint[:12]}"
    return f"{Path(entry).name}, sha256 {hashlib.sha256(Path(entry).read_bytes()).hexdigest()[:12]}"


def _asked(entry: Recommender, task: Task, split: Split, k: int, *, name: str) -> IntArray:
    """The recommender's lists in the split's indices, whatever the order of its own catalogue."""
    leaks.check_fitted(entry.dataset, split, name=name)
    own, asked = entry.dataset.catalogue, split.test.catalogue
    if own.ids == asked.ids:
        return entry.run(task.queries, k=k).slates.items
    there = own.index_of(asked.ids)
    histories = task.queries.histories
    histories = replace(histories, items=there[histories.items]).keep(there[histories.items] >= 0)
    found = entry.run(replace(task.queries, histories=histories), k=k).slates.items
    back = np.append(asked.index_of(own.ids), np.int32(-1))
    return back[found]
