"""What every ranker must do."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from zhiyin.errors import ZhiyinError
from zhiyin.rank import is_permutation
from zhiyin.testing.data import queries_for, small_split
from zhiyin.types import Candidates, Queries, Ranker, RankingExamples

__all__ = ["RANKER_CHECKS", "small_examples"]

Make = Callable[[], Ranker]
USERS: list[str | None] = ["u0", "u1", "u2", "u3"]


def _candidates(queries: Queries, n: int = 6) -> Candidates:
    items = np.tile(np.arange(9, 9 + n, dtype=np.int32), (len(queries), 1))
    scores = np.tile(np.linspace(1, 0.1, n).astype(np.float32), (len(queries), 1))
    return Candidates(items, scores)


def small_examples() -> RankingExamples:
    """Four users, six candidates around the border of the two tastes, one label each."""
    queries = queries_for(USERS)
    candidates = _candidates(queries)
    labels = np.zeros(candidates.items.shape, dtype=bool)
    labels[[0, 2], 1] = True
    labels[[1, 3], 4] = True
    catalogue = small_split().train.catalogue
    return RankingExamples(queries, candidates, labels, catalogue.titles, catalogue.prices)


def returns_a_permutation(make: Make) -> None:
    """The same items of each row, each once; pads stay on the right."""
    queries = queries_for([*USERS, None, "never seen"])
    before = _candidates(queries)
    before.items[1, 4:] = -1
    after = make().fit(small_examples()).rank(queries, before)
    assert is_permutation(before, after).all()


def batch_equals_single(make: Make) -> None:
    """One user is a batch of one, with the same order."""
    ranker, queries = make().fit(small_examples()), queries_for(USERS)
    together = ranker.rank(queries, _candidates(queries))
    for row in range(len(queries)):
        one = queries.take([row])
        assert (ranker.rank(one, _candidates(one)).items[0] == together.items[row]).all()


def is_deterministic(make: Make) -> None:
    """Two fits give the same order."""
    queries = queries_for(USERS)
    one, two = (make().fit(small_examples()).rank(queries, _candidates(queries)) for _ in range(2))
    assert (one.items == two.items).all()


def survives_save_and_load(make: Make) -> None:
    """A loaded ranker ranks as the saved one."""
    ranker, queries = make().fit(small_examples()), queries_for(USERS)
    with tempfile.TemporaryDirectory() as folder:
        ranker.save(Path(folder))
        loaded = type(ranker).load(Path(folder))  # type: ignore[attr-defined]
    before, after = (one.rank(queries, _candidates(queries)) for one in (ranker, loaded))
    assert (before.items == after.items).all()


def refuses_bad_input(make: Make) -> None:
    """Unfitted use and unknown parameters are refused with a ZhiyinError."""
    queries = queries_for(USERS)
    for call in (
        lambda: make().rank(queries, _candidates(queries)),
        lambda: type(make())(no_such_parameter=1),  # type: ignore[call-arg]
    ):
        try:
            call()
        except ZhiyinError:
            continue
        raise AssertionError("bad input was accepted")


RANKER_CHECKS: tuple[Callable[[Make], None], ...] = (
    returns_a_permutation,
    batch_equals_single,
    is_deterministic,
    survives_save_and_load,
    refuses_bad_input,
)
