"""A small made-up shop with two tastes, for contract suites; never for numbers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl

from zhiyin.data import Dataset, Split, split_by_time
from zhiyin.draws import generator, keys_of
from zhiyin.types import Queries

__all__ = ["COLD_ITEM", "LATE_ITEM", "queries_for", "small_dataset", "small_split"]

USERS, PER_TASTE, DAY = 60, 12, 86_400.0
START = 1_600_000_000.0
COLD_ITEM = "0099"
LATE_ITEM = "1e5"
KINDS = (("CANDLE", "LANTERN", "TEA LIGHT", "LAMP"), ("MUG", "PLATE", "TEA POT", "BOWL"))
COLOURS = ("RED", "BLUE", "WHITE")


@lru_cache(maxsize=1)
def small_dataset() -> Dataset:
    """60 users of two tastes, 26 items; one item without events, one available at the very end.

    Vectors and triples tell the tastes apart, with some noise.
    """
    rng = generator(11, 0, stream="testing")
    titles = [f"{colour} {kind}" for kinds in KINDS for kind in kinds for colour in COLOURS]
    ids = [f"{number:04d}" for number in range(len(titles))]
    users, items, times = [], [], []
    for user in range(USERS):
        taste = user % 2
        liked = rng.permutation(PER_TASTE)[:8] + taste * PER_TASTE
        when = START + np.sort(rng.uniform(0, 100, size=8)) * DAY
        users += [f"u{user}"] * 8
        items += [ids[item] for item in liked]
        times += when.tolist()
    events = pl.DataFrame({"user_id": users, "item_id": items, "timestamp": times})
    late = START + 1000 * DAY
    catalogue = pl.DataFrame(
        {
            "item_id": [*ids, COLD_ITEM, LATE_ITEM],
            "title": [*titles, "GREEN CANDLE", "GREEN MUG"],
            "price": [1.0 + number / 10 for number in range(len(ids))] + [None, 3.0],
            "available_from": [None] * (len(ids) + 1) + [late],
        }
    )
    every = catalogue["item_id"].to_list()
    tastes = [place // PER_TASTE % 2 for place in range(len(ids))] + [0, 1]
    vectors = rng.normal(scale=0.5, size=(len(every), 4)) + np.eye(4)[tastes]
    triples = pl.DataFrame(
        {
            "head": every,
            "relation": ["for"] * len(every),
            "tail": [("the evening", "the table")[taste] for taste in tastes],
        }
    ).vstack(pl.DataFrame({"head": every[:-1], "relation": "goes with", "tail": every[1:]}))
    return Dataset.from_frames(
        events, catalogue, vectors={"images": (every, vectors.astype(np.float32))}, triples=triples
    )


@lru_cache(maxsize=1)
def small_split() -> Split:
    """``small_dataset`` by time."""
    return split_by_time(small_dataset(), valid=0.15, test=0.15)


def queries_for(users: list[str | None], *, dataset: Dataset | None = None) -> Queries:
    """Queries with the histories that a dataset (the small one's train part) holds."""
    known = small_split().train if dataset is None else dataset
    return Queries(
        users=tuple(users),
        histories=known.histories(known.index_of_users(users)),
        keys=keys_of(users),
        times=np.full(len(users), known.cut),
    )
