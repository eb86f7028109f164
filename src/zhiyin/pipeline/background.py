"""What an evaluation may know of items and users beside the lists, from what was known before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from zhiyin.data import Columns, Dataset, Task
from zhiyin.evaluate.background import Background, activity_quartiles
from zhiyin.evaluate.semantic import catalogue_clusters, centred
from zhiyin.interest import item_vectors

__all__ = ["background_of"]

MOST_GROUPS = 8
OTHER = "other"


def background_of(known: Dataset, task: Task, *, encoder: str, seed: int) -> Background:
    """The background of a task.

    Themes are clusters of the items' centred text vectors; the popularity of an item is the share of
    users who took it, one user added to each; users are grouped by how much is known of them and by
    their attributes (the ``MOST_GROUPS`` most frequent values, the rest together).

    Parameters
    ----------
    known : Dataset
        What came before the questions.
    task : Task
    encoder : str
        Name of a text encoder.
    seed : int
        Of the clusters.
    """
    vectors = centred(item_vectors(known.catalogue, encoder))
    takers = np.bincount(known.matrix.indices, minlength=known.n_items)
    groups: dict[str, Sequence[Any]] = {"activity": activity_quartiles(task.queries.histories.lengths)}
    for name in known.users.columns:
        if name != Columns.USER_ID:
            column = dict(zip(known.user_ids, known.users[name].to_list(), strict=True))
            groups[name] = _frequent([column.get(str(user)) for user in task.queries.users])
    return Background(
        vectors=vectors,
        clusters=catalogue_clusters(vectors, seed=seed),
        popularity=np.asarray((takers + 1.0) / (known.n_users + 1.0), dtype=np.float64),
        histories=task.queries.histories,
        cold_items=takers == 0,
        groups={name: labels for name, labels in groups.items() if len(set(labels) - {None}) > 1},
    )


def _frequent(labels: Sequence[Any]) -> list[str | None]:
    """Labels as text, rare ones as "other"; none at all where nearly every user has one of their own.

    Numbers of more than ``MOST_GROUPS`` different values become quarters.
    """
    counts = Counter(str(label) for label in labels if label is not None)
    numbers = pl.Series(list(counts), dtype=pl.String).cast(pl.Float64, strict=False)
    if len(counts) > MOST_GROUPS and numbers.is_not_null().all() and numbers.is_finite().all():
        return _quarters([None if label is None else float(label) for label in labels])
    if len(counts) > len(labels) / 2:
        return [None] * len(labels)
    kept = {label for label, _ in counts.most_common(MOST_GROUPS)}
    return [None if label is None else str(label) if str(label) in kept else OTHER for label in labels]


def _quarters(numbers: Sequence[float | None]) -> list[str | None]:
    """Four groups of about the same size, named by their bounds."""
    known = np.array([number for number in numbers if number is not None])
    edges = np.unique(np.quantile(known, [0, 0.25, 0.5, 0.75, 1], method="lower"))
    names = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
    last = len(names) - 1
    return [
        None if number is None
        else names[min(max(int(np.searchsorted(edges, number, side="left")) - 1, 0), last)]
        for number in numbers
    ]  # fmt: skip
