"""What every retriever must do."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from zhiyin.data import Catalogue, Dataset
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
    """Without exclude_seen what was taken competes again."""
    train = small_split().train
    queries = replace(queries_for(KNOWN), exclude_seen=False)
    shown = _fitted(make).retrieve(queries, train.n_items)
    _sane(shown, queries, train.n_items)
    back = [
        len(set(row) & set(seen)) for row, seen in zip(shown.items, queries.histories.lists(), strict=True)
    ]
    assert sum(back) > 0, "no seen item came back"


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
    """An item is a candidate only from its available_from, by the time of each query."""
    train = small_split().train
    item = int(np.flatnonzero(train.counts)[0])
    moment = train.cut + 10.0
    frame = train.catalogue.frame.with_columns(
        pl.when(pl.int_range(pl.len()) == item)
        .then(pl.lit(moment))
        .otherwise(pl.col("available_from"))
        .alias("available_from")
    )
    later = replace(train, catalogue=Catalogue.from_frame(frame))
    fitted = make().fit(later)
    users = [user for user in train.user_ids if item not in _seen(user)]
    queries = queries_for([*users])
    before = fitted.retrieve(replace(queries, times=np.full(len(users), moment - 1)), train.n_items)
    assert item not in before.items, "an item was shown before its time"
    after = fitted.retrieve(replace(queries, times=np.full(len(users), moment + 1)), train.n_items)
    assert item in after.items, "an item was not shown after its time"
    half = np.where(np.arange(len(users)) % 2 == 0, moment - 1, moment + 1)
    mixed = fitted.retrieve(replace(queries, times=half), train.n_items)
    assert item not in mixed.items[::2] and (mixed.items[1::2] == after.items[1::2]).all()


def _seen(user: str) -> set[int]:
    train = small_split().train
    return set(train.histories(train.index_of_users([user])).items.tolist())


def keeps_cold_items_possible(make: Make) -> None:
    """An item without events is no obstacle, and is shown only where it is allowed."""
    cold, late = small_split().train.catalogue.index_of([COLD_ITEM, LATE_ITEM])
    queries = queries_for(KNOWN)
    found = _fitted(make).retrieve(queries, small_split().train.n_items)
    _sane(found, queries, small_split().train.n_items)
    assert late not in found.items
    only = np.zeros(small_split().train.n_items, dtype=bool)
    only[cold] = True
    assert set(_fitted(make).retrieve(replace(queries, allowed=only), 3).items.ravel()) <= {-1, cold}


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


def filters_before_it_takes_the_best(make: Make) -> None:
    """With a filter the list is the whole order without what may not be shown: nothing is lost behind it."""
    queries = replace(queries_for(KNOWN), exclude_seen=False)
    retriever, n_items = _fitted(make), small_split().train.n_items
    everything = retriever.retrieve(queries, n_items)
    few = np.zeros(n_items, dtype=bool)
    few[1::4] = True
    found = retriever.retrieve(replace(queries, allowed=few), 4)
    for row, order in enumerate(everything.items):
        wanted = [item for item in order.tolist() if item >= 0 and few[item]][:4]
        if set(wanted) <= set(found.items[row].tolist()):
            continue
        # Joined lists may meet further items when each member is filtered, but never fewer.
        assert hasattr(retriever, "members_"), "a filter changes the order"
        assert (found.items[row] >= 0).sum() >= len(wanted), "a filter costs places"


def learns_new_events_or_says_so(make: Make) -> None:
    """A snapshot knows the new events and the old one stays; or a clear error names the other way."""
    train, valid = small_split().train, small_split().valid
    retriever = _fitted(make)
    queries = queries_for([*KNOWN, None])
    before = retriever.retrieve(queries, 6)
    partial = getattr(retriever, "partial_fit", None)
    if partial is None:
        return
    if not getattr(retriever, "learns_more", False):
        _refused(lambda: partial(train, valid))
        return
    snapshot = partial(train, valid)
    _sane(snapshot.retrieve(queries, 6), queries, 6)
    after = retriever.retrieve(queries, 6)
    assert (before.items == after.items).all() and (before.scores == after.scores).all()


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


def follows_the_catalogue(make: Make) -> None:
    """A snapshot for a grown catalogue answers; the old one stays as it was. Offering one is optional."""
    retriever = _fitted(make)
    update = getattr(retriever, "with_catalogue", None)
    if update is None:
        return
    old = small_split().train.catalogue
    new = old.updated(pl.DataFrame({"item_id": ["fresh"], "title": ["RED CANDLE"]}))
    queries = queries_for(["u0", "u1", None])
    before = retriever.retrieve(queries, 5)
    snapshot = update(new, np.array([len(old)], dtype=np.int32))
    found = snapshot.retrieve(queries, len(new))
    _sane(found, queries, len(new))
    assert int(found.items.max()) <= len(old)
    again = retriever.retrieve(queries, 5)
    assert (before.items == again.items).all() and (before.scores == again.scores).all()


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
    keeps_cold_items_possible,
    obeys_allowed,
    filters_before_it_takes_the_best,
    learns_new_events_or_says_so,
    batch_equals_single,
    is_deterministic,
    survives_save_and_load,
    refuses_bad_input,
    answers_no_queries,
    follows_the_catalogue,
)
