"""A fitted recommender that answers about now: newer histories, items and wishes, nothing fitted again.

It is an immutable snapshot; a change of the catalogue makes a new one. Knows no HTTP and no SQL:
histories and changed items come in as records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from zhiyin.data import Catalogue, Columns
from zhiyin.errors import InputError
from zhiyin.interest import Description
from zhiyin.pipeline.filters import FilterMasks, Filters
from zhiyin.pipeline.recommender import Recommender
from zhiyin.pipeline.stages import Trace, run_stages
from zhiyin.store import Item
from zhiyin.types import Array, BoolArray, Queries, Ragged

__all__ = ["Ask", "LiveRecommender"]


@dataclass(frozen=True)
class Ask:
    """One wish for a slate; ``key`` decides its draws, 0 to 2**64 - 1."""

    key: int
    user: str | None = None
    session: str | None = None
    text: str | None = None
    filters: Filters = field(default_factory=Filters)
    exclude_seen: bool = True
    scenario: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)


class LiveRecommender:
    """A recommender, the catalogue as it is now, and what is hidden."""

    def __init__(self, recommender: Recommender, visible: BoolArray | None = None) -> None:
        self.recommender = recommender
        self.catalogue: Catalogue = recommender.dataset.catalogue
        self.visible: BoolArray = np.ones(len(self.catalogue), dtype=bool) if visible is None else visible
        self._masks = FilterMasks(self.catalogue, self.visible)
        types = recommender.dataset.event_types
        self.event_codes = {kind: code for code, kind in enumerate(types)}
        self.event_weights = recommender.dataset.event_weights

    def with_items(self, items: Sequence[Item]) -> LiveRecommender:
        """A snapshot with some items new, changed or hidden.

        Raises
        ------
        InputError
            When the numbers do not continue the catalogue: the items are those of another shop.
        """
        visible = np.ones(max([len(self.visible), *(item.number + 1 for item in items)]), dtype=bool)
        visible[: len(self.visible)] = self.visible
        visible[[item.number for item in items]] = [not item.hidden for item in items]
        changed = [item for item in items if not self._has(item)]
        if not changed:  # hidden or shown again: the catalogue stays
            return LiveRecommender(self.recommender, visible)
        catalogue = self.catalogue.updated(_frame(changed))
        numbers = np.array([item.number for item in changed], dtype=np.int32)
        if not np.array_equal(catalogue.index_of([item.id for item in changed]), numbers):
            raise InputError(
                "The store's items are not those of the recommender",
                expected="the same items in the same order",
                received=f"{changed[0].id!r} at place {changed[0].number}",
                hint="Choose another store, or make a new version with: zhiyin refit",
            )
        read = numbers[[self._reads_differently(item) for item in changed]]
        return LiveRecommender(self.recommender.with_catalogue(catalogue, read), visible)

    def _has(self, item: Item) -> bool:
        """Whether the catalogue holds the item as it is."""
        at, old = item.number, self.catalogue
        if self._reads_differently(item) or old.ids[at] != item.id:
            return False
        price = None if np.isnan(old.prices[at]) else float(old.prices[at])
        start = None if np.isneginf(old.available_from[at]) else float(old.available_from[at])
        return (price, start) == (item.price, item.available_from)

    def _reads_differently(self, item: Item) -> bool:
        at, old = item.number, self.catalogue
        if at >= len(old):
            return True
        before = {name: values[at] for name, values in old.attributes.items() if values[at] is not None}
        return (old.titles[at], before) != (item.title, dict(item.attributes))

    def warm(self) -> None:
        """Answer once for nobody, so that models are loaded before the first request."""
        nothing = Ragged.from_lists([[]])
        self.answer([Ask(key=0, text="warm up")], nothing, k=1, now=self.recommender.dataset.cut)

    def answer(self, asks: Sequence[Ask], histories: Ragged, *, k: int, now: float) -> tuple[Queries, Trace]:
        """Slates of k places for a batch.

        Parameters
        ----------
        asks : sequence of Ask, U
        histories : Ragged
            Of U rows, as the store has them now.
        k : int
            Places; a longer slate begins with the shorter one.
        now : float
            Seconds; a clock behind the recommender's data counts as the end of that data.
        """
        queries = self.queries(asks, histories, now=now)
        recipe = self.recommender.recipe
        trace = run_stages(
            self.recommender.components, queries, n=max(recipe.candidates, k), k=k, seed=recipe.seed
        )
        return queries, trace

    def queries(self, asks: Sequence[Ask], histories: Ragged, *, now: float) -> Queries:
        """A batch as the stages read it."""
        moment = max(now, self.recommender.dataset.cut)
        seen = {ask.exclude_seen for ask in asks}
        if len(seen) > 1:
            raise InputError("A batch has one exclude_seen", expected="the same for all")
        return Queries(
            users=tuple(ask.user for ask in asks),
            histories=histories,
            keys=np.array([ask.key for ask in asks], dtype=np.uint64),
            texts=tuple(ask.text for ask in asks),
            times=np.full(len(asks), moment),
            allowed=self._masks.of([ask.filters for ask in asks]),
            exclude_seen=seen.pop() if seen else True,
            context=_columns(asks),
        )

    def describe(self, user: str, history: Ragged, *, now: float) -> Description:
        """A user in words, from the history as it is now."""
        known = history.keep(history.items < len(self.catalogue))
        return self.recommender.describe(user, history=known, now=now)


def _frame(items: Sequence[Item]) -> pl.DataFrame:
    names = sorted({name for item in items for name in item.attributes})
    data: dict[str, Array | list[Any]] = {
        Columns.ITEM_ID: [item.id for item in items],
        Columns.TITLE: [item.title for item in items],
        Columns.PRICE: [item.price for item in items],
        Columns.AVAILABLE_FROM: [item.available_from for item in items],
        **{name: [item.attributes.get(name) for item in items] for name in names},
    }
    text = dict.fromkeys((Columns.ITEM_ID, Columns.TITLE, *names), pl.String)
    return pl.DataFrame(
        data, schema_overrides={**text, Columns.PRICE: pl.Float64, Columns.AVAILABLE_FROM: pl.Float64}
    )


def _columns(asks: Sequence[Ask]) -> dict[str, Array]:
    names = sorted({name for ask in asks for name in ask.context})
    return {name: np.array([ask.context.get(name) for ask in asks], dtype=object) for name in names}
