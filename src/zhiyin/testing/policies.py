"""What every policy must do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from zhiyin.errors import ZhiyinError
from zhiyin.testing.data import queries_for
from zhiyin.types import Candidates, Policy, Queries, Slates

__all__ = ["POLICY_CHECKS"]

Make = Callable[[], Policy]


def _candidates(queries: Queries, n: int = 12) -> Candidates:
    items = np.tile(np.arange(n, dtype=np.int32), (len(queries), 1))
    scores = np.tile(np.linspace(1, 0.1, n).astype(np.float32), (len(queries), 1))
    return Candidates(items, scores)


def _many(rows: int = 50) -> Queries:
    return queries_for([f"user {row}" for row in range(rows)])


def chooses_distinct_candidates(make: Make) -> None:
    """Each place holds a candidate, none twice, with the conditional in (0, 1]."""
    queries = _many()
    slates = make().choose(queries, _candidates(queries), 4, seed=3)
    assert slates.items.shape == (len(queries), 4)
    for row in slates.items:
        assert len(set(row.tolist())) == 4 and row.min() >= 0 and row.max() < 12
    assert ((slates.conditional > 0) & (slates.conditional <= 1)).all()
    known = slates.marginal[~np.isnan(slates.marginal)]
    assert ((known > 0) & (known <= 1 + 1e-12)).all()
    assert len(set(slates.ids)) == len(queries)


def leaves_empty_what_cannot_be_filled(make: Make) -> None:
    """Fewer candidates than places: -1 and NaN on the right."""
    queries = queries_for(["u0"])
    few = _candidates(queries, 3)
    few.items[0, 2] = -1
    slates = make().choose(queries, few, 5, seed=3)
    assert (slates.items[0, 2:] == -1).all() and np.isnan(slates.conditional[0, 2:]).all()
    assert set(slates.items[0, :2]) == {0, 1}


def depends_on_seed_and_key_only(make: Make) -> None:
    """The same request gives the same slate, alone or in a batch."""
    queries, policy = _many(8), make()

    def chosen(batch: Queries, seed: int) -> Slates:
        return policy.choose(batch, _candidates(batch), 5, seed=seed)

    together = chosen(queries, 1)
    assert (together.items == chosen(queries, 1).items).all()
    for row in range(len(queries)):
        alone = chosen(queries.take([row]), 1)
        assert (alone.items[0] == together.items[row]).all() and alone.ids[0] == together.ids[row]


def refuses_bad_input(make: Make) -> None:
    """K = 0 and unknown parameters are refused with a ZhiyinError."""
    queries = queries_for(["u0"])
    for call in (
        lambda: make().choose(queries, _candidates(queries), 0, seed=1),
        lambda: type(make())(no_such_parameter=1),  # type: ignore[call-arg]
    ):
        try:
            call()
        except ZhiyinError:
            continue
        raise AssertionError("bad input was accepted")


POLICY_CHECKS: tuple[Callable[[Make], None], ...] = (
    chooses_distinct_candidates,
    leaves_empty_what_cannot_be_filled,
    depends_on_seed_and_key_only,
    refuses_bad_input,
)
