"""Recommenders and saved lists side by side on one split, trivial rules added."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from zhiyin.data import Columns, Split, Task
from zhiyin.errors import DataError, InputError
from zhiyin.evaluate import leaks
from zhiyin.evaluate.table import EvaluationTable
from zhiyin.pipeline.evaluation import evaluate_task, trivial_lists
from zhiyin.pipeline.recommender import Recommender
from zhiyin.types import IntArray

__all__ = ["compare", "read_lists"]


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
    for name, entry in entries.items():
        if name in lists:
            raise InputError(f"{name!r} is the name of a trivial rule", hint="Choose another name.")
        lists[name] = _lists_of(name, entry, task, split, k)
    return evaluate_task(lists, known, task, k=k, baseline=baseline, encoder=encoder, seed=seed)


def _lists_of(name: str, entry: Recommender | str | Path, task: Task, split: Split, k: int) -> IntArray:
    if isinstance(entry, Recommender):
        leaks.check_fitted(entry.dataset, split.test, name=name)
        return entry.run(task.queries, k=k).slates.items
    return read_lists(Path(entry), task, split, k)


def read_lists(path: Path, task: Task, split: Split, k: int) -> IntArray:
    """Saved lists as indices, int32 [U, k] in the order of the task's users; -1 where short.

    An item that the catalogue does not know keeps its place and counts as a miss.

    Raises
    ------
    DataError
        When the file cannot be read, lacks a column, or holds none of the users.
    """
    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} cannot be read", expected="a Parquet file", received=str(error)) from error
    missing = {Columns.USER_ID, Columns.ITEM_ID} - set(frame.columns)
    if missing:
        raise DataError(
            f"{path} lacks {', '.join(sorted(missing))}",
            expected="user_id, item_id and optionally rank or score",
            received=", ".join(frame.columns),
        )
    if "rank" in frame.columns:
        frame = frame.sort("rank", maintain_order=True)
    elif "score" in frame.columns:
        frame = frame.sort("score", descending=True, nulls_last=True, maintain_order=True)
    by_user = frame.group_by(Columns.USER_ID, maintain_order=True).agg(pl.col(Columns.ITEM_ID).head(k))
    saved = dict(by_user.cast({Columns.USER_ID: pl.String}).iter_rows())
    if not any(user in saved for user in task.queries.users):
        raise DataError(f"{path} holds none of the test users", hint="Are the user ids those of the events?")
    items = np.full((len(task.queries), k), -1, dtype=np.int32)
    for row, user in enumerate(task.queries.users):
        found = split.test.catalogue.index_of([str(item) for item in saved.get(user, [])])
        items[row, : len(found)] = found
    return items
