"""What there is: sizes, spread over users, items and time, sessions, values; knows no advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from zhiyin.data import Columns, Dataset

__all__ = ["Facts", "gather_facts"]

DAY = 86_400.0
FEW = 5  # users an item needs to be learned from
LATE = 0.1  # share of the newest events that "late" means
QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Facts:
    """Counts and shares of a data set.

    ``newest``: seconds since 1970 of the last event; ``days``: from the first to the last. ``density``:
    share of user and item pairs with an event. ``..._quantiles``: 10 %, 50 % and 90 %. ``tied_share``:
    events that share user and moment with another. ``repeat_share``: events with an item that the user
    had before. ``cold_item_share`` and ``cold_user_share``: events among the newest tenth whose item, or
    user, was never seen before. ``top_share``: events of the most popular 1 % of items.
    ``largest_user_share``: of the busiest user. ``known_item_share``: events of items that at least five
    users took. ``monthly``: events, active users and items new in each 30 days, oldest first.
    """

    events: int
    newest: float
    users: int
    items: int
    items_listed: int
    days: float | None
    density: float
    events_per_user: tuple[float, ...]
    events_per_item: tuple[float, ...]
    tied_share: float
    repeat_share: float
    cold_item_share: float | None
    cold_user_share: float | None
    top_share: float
    largest_user_share: float
    largest_user: str
    known_item_share: float
    event_types: Mapping[str, int]
    values: tuple[float, ...]
    sessions: int
    events_per_session: float | None
    texts: int
    vectors: tuple[str, ...]
    triples: int
    monthly: tuple[tuple[int, int, int], ...]

    @property
    def rated(self) -> bool:
        """Whether events carry values of several levels."""
        return len(self.values) > 1


def gather_facts(dataset: Dataset) -> Facts:
    """Count what there is."""
    events = dataset.events
    users, items = events[Columns.USER].to_numpy(), events[Columns.ITEM].to_numpy()
    per_user = np.bincount(users, minlength=dataset.n_users)
    per_item = np.bincount(items, minlength=dataset.n_items)
    takers = np.bincount(dataset.matrix.indices, minlength=dataset.n_items)
    pairs = events.select(Columns.USER, Columns.ITEM).n_unique()
    busiest = int(per_user.argmax())
    top = np.sort(per_item)[::-1][: max(int(np.ceil(0.01 * (per_item > 0).sum())), 1)]
    sessions = events[Columns.SESSION_ID].drop_nulls()
    values = events[Columns.VALUE].drop_nulls()
    cold = _cold_shares(dataset)
    return Facts(
        events=dataset.n_events,
        newest=float(events[Columns.TIMESTAMP][-1]),
        users=int((per_user > 0).sum()),
        items=int((per_item > 0).sum()),
        items_listed=dataset.n_items,
        days=_days(dataset),
        density=pairs / max(int((per_user > 0).sum()) * int((per_item > 0).sum()), 1),
        events_per_user=_quantiles(per_user[per_user > 0]),
        events_per_item=_quantiles(per_item[per_item > 0]),
        tied_share=_tied(events),
        repeat_share=1.0 - pairs / dataset.n_events,
        cold_item_share=cold[0],
        cold_user_share=cold[1],
        top_share=float(top.sum() / dataset.n_events),
        largest_user_share=float(per_user[busiest] / dataset.n_events),
        largest_user=dataset.user_ids[busiest],
        known_item_share=float(per_item[takers >= FEW].sum() / dataset.n_events),
        event_types={
            str(kind): count
            for kind, count in events[Columns.EVENT].cast(pl.String).value_counts(sort=True).iter_rows()
        },
        values=tuple(values.unique().sort().head(20).to_list()),
        sessions=sessions.n_unique(),
        events_per_session=len(sessions) / sessions.n_unique() if len(sessions) else None,
        texts=dataset.texts.height,
        vectors=tuple(dataset.vectors),
        triples=dataset.triples.height,
        monthly=_monthly(dataset),
    )


def _days(dataset: Dataset) -> float | None:
    if not dataset.has_times:
        return None
    times = dataset.events[Columns.TIMESTAMP]
    return float(times[-1] - times[0]) / DAY


def _quantiles(counts: npt.ArrayLike) -> tuple[float, ...]:
    return tuple(float(one) for one in np.quantile(np.asarray(counts, dtype=np.float64), QUANTILES))


def _tied(events: pl.DataFrame) -> float:
    tied = events.select(pl.struct(Columns.USER, Columns.TIMESTAMP).is_duplicated().mean()).item()
    return float(tied)


def _cold_shares(dataset: Dataset) -> tuple[float | None, float | None]:
    """Share of the newest tenth of the events whose item, and whose user, was not seen before."""
    if not dataset.has_times:
        return None, None
    events = dataset.events
    times = events[Columns.TIMESTAMP].to_numpy()
    late = times >= times[min(int(len(times) * (1 - LATE)), len(times) - 1)]
    shares = []
    for name in (Columns.ITEM, Columns.USER):
        codes = events[name].to_numpy()
        seen = np.zeros(int(codes.max()) + 1, dtype=bool)
        seen[codes[~late]] = True
        shares.append(float((~seen[codes[late]]).mean()))
    return shares[0], shares[1]


def _monthly(dataset: Dataset) -> tuple[tuple[int, int, int], ...]:
    """Events, active users and new items in each 30 days."""
    if not dataset.has_times:
        return ()
    first = float(dataset.events[Columns.TIMESTAMP][0])
    month = ((pl.col(Columns.TIMESTAMP) - first) // (30 * DAY)).cast(pl.Int32).alias("month")
    born = dataset.events.group_by(Columns.ITEM).agg(month.min()).group_by("month").len("new")
    found: list[Any] = (
        dataset.events.group_by(month)
        .agg(pl.len().alias("events"), pl.col(Columns.USER).n_unique().alias("users"))
        .join(born, on="month", how="left")
        .sort("month")
        .select("events", "users", pl.col("new").fill_null(0))
        .rows()
    )
    return tuple((int(one), int(two), int(three)) for one, two, three in found)
