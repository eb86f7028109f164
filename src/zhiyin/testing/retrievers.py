"""What every retriever must do."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from zhiyin.data import Dataset
from zhiyin.errors import ZhiyinError
from zhiyin.testing.data import COLD_ITEM, LATE_ITEM, queries_for, small_split
from zhiyin.types import Candidates, Queries, Ragged, Retriever

__all__ = ["RETRIEVER_CHECKS"]

Make = Callable[[], Retriever[Dataset]]
KNOWN: list[str | None] = ["u0", "u1", "u2", "u3", "u7"]


def _fitted(make: Make) -> Retriever[Dataset]:
    return make().fit(small_split().train, small_split().valid)


def _sane(found: Candidates, queries: Queries, n: int) -> None:
    assert found.items.shape == (len(queries), n)
    assert found.items.dtype == np.int32 and found.scores.dtype == np.float32
    for items, scores in zip(found.items, found.scores, strict=True):
        real = items[items >= 0]
        assert len(set(real.tolist())) == len(real), "an item stands twice"
        assert (items[len(real) :] == -1).all(), "pads stand on the right"
        assert (np.diff(scores[: len(real)]) <= 1e-6).all(), "scores rise"


def answers_known_users(make: Make) -> None:
    """A known user gets sane candidates, none of them seen."""
    queries = queries_for(KNOWN)
    found = _fitted(make).retrieve(queries, 5)
    _sane(found, queries, 5)
    assert (found.items[:, 0] >= 0).all(), "a known user gets nothing"
    for row, seen in enumerate(queries.histories.lists()):
        assert not set(found.items[row]) & set(seen.tolist()), "a seen item came back"


def shows_seen_items_on_request(make: Make) -> None:
    """Without exclude_seen the whole catalogue competes."""
    train = small_split().train
    queries = replace(queries_for(["u0"]), exclude_seen=False)
    hidden = _fitted(make).retrieve(queries_for(["u0"]), train.n_items)
    shown = _fitted(make).retrieve(queries, train.n_items)
    assert (shown.items >= 0).sum() >= (hidden.items >= 0).sum()


def answers_unknown_users_by_history(make: Make) -> None:
    """An unknown user is answered as a known one with the same history."""
    known = queries_for(["u2"])
    unknown = replace(known, users=("nobody",))
    retriever = _fitted(make)
    assert (retriever.retrieve(known, 5).items == retriever.retrieve(unknown, 5).items).all()


def answers_empty_histories(make: Make) -> None:
    """No history: something sane, or nothing; never an exception."""
    queries = queries_for([None, "u1", "never seen"])
    _sane(_fitted(make).retrieve(queries, 4), queries, 4)


def survives_items_newer_than_the_model(make: Make) -> None:
    """A history may hold items that the model does not know."""
    queries = queries_for(["u0"])
    history = queries.histories
    newer = Ragged(
        np.array([0, len(history.items) + 1]),
        np.append(history.items, np.int32(10_000)),
        np.append(history.times, history.times[-1]),
        np.append(history.values, np.float32(1)),
        np.append(history.events, np.int16(0)),
    )
    retriever = _fitted(make)
    found = retriever.retrieve(replace(queries, histories=newer), 5)
    _sane(found, queries, 5)
    assert (found.items < small_split().train.n_items).all()


def hides_what_is_not_yet_available(make: Make) -> None:
    """An item is a candidate only from its available_from; an item without events may be one."""
    catalogue = small_split().train.catalogue
    late, cold = catalogue.index_of([LATE_ITEM, COLD_ITEM])
    queries = queries_for(KNOWN)
    found = _fitted(make).retrieve(queries, catalogue.frame.height)
    assert late not in found.items, "an item was shown before its time"
    after = replace(queries, times=np.full(len(queries), 1e12))
    _sane(_fitted(make).retrieve(after, 5), after, 5)
    assert cold < catalogue.frame.height


def obeys_allowed(make: Make) -> None:
    """Only allowed items come back, for all or row by row."""
    queries = queries_for(["u0", "u1"])
    few = np.zeros(small_split().train.n_items, dtype=bool)
    few[[1, 5, 13, 20]] = True
    retriever = _fitted(make)
    found = retriever.retrieve(replace(queries, allowed=few), 10)
    assert set(found.items.ravel()) <= {-1, 1, 5, 13, 20}
    rows = np.stack([few, ~few])
    found = retriever.retrieve(replace(queries, allowed=rows), 10)
    assert set(found.items[0]) <= {-1, 1, 5, 13, 20}
    assert not set(found.items[1]) & {1, 5, 13, 20}


def batch_equals_single(make: Make) -> None:
    """One user is a batch of one, with the same answer."""
    users: list[str | None] = [*KNOWN, None]
    retriever = _fitted(make)
    together = retriever.retrieve(queries_for(users), 6)
    for row, user in enumerate(users):
        alone = retriever.retrieve(queries_for([user]), 6)
        assert (alone.items[0] == together.items[row]).all(), f"{user} differs in a batch"
        np.testing.assert_allclose(alone.scores[0], together.scores[row], rtol=1e-4, atol=1e-5)


def is_deterministic(make: Make) -> None:
    """Two fits give the same answers."""
    queries = queries_for(KNOWN)
    one, two = (_fitted(make).retrieve(queries, 8) for _ in range(2))
    assert (one.items == two.items).all()
    np.testing.assert_array_equal(one.scores, two.scores)


def survives_save_and_load(make: Make) -> None:
    """A loaded component answers as the saved one."""
    queries = queries_for([*KNOWN, None])
    retriever = _fitted(make)
    with tempfile.TemporaryDirectory() as folder:
        retriever.save(Path(folder))
        names = {path.suffix for path in Path(folder).rglob("*") if path.is_file()}
        assert names <= {".json", ".safetensors", ".parquet", ".npy"}, f"unexpected files: {names}"
        loaded = type(retriever).load(Path(folder))  # type: ignore[attr-defined]
    before, after = retriever.retrieve(queries, 8), loaded.retrieve(queries, 8)
    assert (before.items == after.items).all()
    np.testing.assert_array_equal(before.scores, after.scores)


def refuses_bad_input(make: Make) -> None:
    """Unfitted use, n = 0 and unknown parameters are refused with a ZhiyinError."""
    _refused(lambda: make().retrieve(queries_for(["u0"]), 3))
    _refused(lambda: _fitted(make).retrieve(queries_for(["u0"]), 0))
    _refused(lambda: type(make())(no_such_parameter=1))  # type: ignore[call-arg]


def answers_no_queries(make: Make) -> None:
    """An empty batch gives an empty answer."""
    assert _fitted(make).retrieve(queries_for([]), 3).items.shape == (0, 3)


def _refused(call: Callable[[], object]) -> None:
    try:
        call()
    except ZhiyinError:
        return
    raise AssertionError("bad input was accepted")


RETRIEVER_CHECKS: tuple[Callable[[Make], None], ...] = (
    answers_known_users,
    shows_seen_items_on_request,
    answers_unknown_users_by_history,
    answers_empty_histories,
    survives_items_newer_than_the_model,
    hides_what_is_not_yet_available,
    obeys_allowed,
    batch_equals_single,
    is_deterministic,
    survives_save_and_load,
    refuses_bad_input,
    answers_no_queries,
)
