"""What every diversifier must do. The maker returns a fitted one, over vectors of 12 items."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from zhiyin.rank import is_permutation
from zhiyin.testing.data import queries_for
from zhiyin.types import Candidates, Diversifier, ScoreArray

__all__ = ["DIVERSIFIER_CHECKS", "small_vectors"]

Make = Callable[[], Diversifier]


def small_vectors() -> ScoreArray:
    """Twelve unit vectors in three tight groups."""
    angles = np.repeat([0.1, 0.9, 2.0], 4) + np.tile(np.linspace(0, 0.05, 4), 3)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def _candidates(rows: int) -> Candidates:
    items = np.tile(np.arange(12, dtype=np.int32), (rows, 1))
    items[0, 9:] = -1
    scores = np.tile(np.linspace(1, 0.4, 12).astype(np.float32), (rows, 1))
    return Candidates(items, scores)


def returns_a_permutation(make: Make) -> None:
    """The same items of each row, each once."""
    queries = queries_for(["u0", "u1", None])
    before = _candidates(3)
    assert is_permutation(before, make().reorder(queries, before)).all()


def batch_equals_single(make: Make) -> None:
    """One user is a batch of one, with the same order."""
    diversifier, queries = make(), queries_for(["u0", "u1", "u2"])
    together = diversifier.reorder(queries, _candidates(3))
    for row in range(3):
        alone = diversifier.reorder(queries.take([row]), _candidates(3).take([row]))
        assert (alone.items[0] == together.items[row]).all()


def survives_items_newer_than_the_model(make: Make) -> None:
    """An item without a vector stays a candidate."""
    before = _candidates(1)
    before.items[0, 3] = 500
    after = make().reorder(queries_for(["u0"]), before)
    assert is_permutation(before, after).all()


def survives_save_and_load(make: Make) -> None:
    """A loaded diversifier reorders as the saved one."""
    diversifier, queries = make(), queries_for(["u0", "u1"])
    with tempfile.TemporaryDirectory() as folder:
        diversifier.save(Path(folder))
        loaded = type(diversifier).load(Path(folder))  # type: ignore[attr-defined]
    before, after = (one.reorder(queries, _candidates(2)) for one in (diversifier, loaded))
    assert (before.items == after.items).all()


DIVERSIFIER_CHECKS: tuple[Callable[[Make], None], ...] = (
    returns_a_permutation,
    batch_equals_single,
    survives_items_newer_than_the_model,
    survives_save_and_load,
)
