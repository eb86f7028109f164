"""Why an item was recommended, shown only if the reason passes a deletion test.

The reason names the history items whose removal lowers the item's score most. It is shown only if
removing them lowers the score more than nearly all removals of as many random history items do
(the 90 % quantile: the named ones were chosen as the strongest, so beating the mean proves little).
An item never explains itself, and the same question gets the same answer. Otherwise the reason says
what else carried the item: the stated wish where the item's text is near it, popularity, or nothing.
Knows the retrieval score only; it asks the same retriever again with parts of the history gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from zhiyin.data import Catalogue, Dataset
from zhiyin.draws import generator, key_of
from zhiyin.pipeline.stages import Components
from zhiyin.types import BoolArray, FloatArray, IntArray, Queries, Ragged, Retriever, ScoreArray

__all__ = ["Explanation", "explain_items"]

NEWEST = 60
NAMED = 2
CONTROLS = 20
LEVEL = 0.9
POPULAR = ("popular", "recent-popular", "popularity")
NEAR = 0.4  # cosine around the catalogue's mean; letters at random stay below 0.3
DEPTH = 1000
NOTHING = np.empty(0, dtype=np.int64)

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Explanation:
    """What carried an item.

    ``score``: its retrieval score, 0 where it is not among the first 1,000; ``shares``: each
    retriever's part of it; ``because``: titles of history items that passed the deletion test;
    ``drop``: how much of the score goes when they are removed; ``random_drop``: the 90 % quantile of
    what goes when as many random ones are; ``reason``: one sentence, "" where nothing can be shown.
    """

    item: str
    reason: str
    score: float
    shares: Mapping[str, float]
    because: tuple[str, ...]
    drop: float
    random_drop: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def explain_items(
    parts: Components, catalogue: Catalogue, query: Queries, items: IntArray, *, seed: int
) -> list[Explanation]:
    """Explain several items for one query (a Queries of one row); -1 gives no explanation.

    All variants of the history (each of the newest 60 events removed, random sets removed, the
    named ones removed) are asked for in two batches.
    """
    wanted = items[items >= 0]
    if parts.retriever is None:
        return [Explanation(catalogue.ids[item], "Popular lately", 0.0, {}, (), 0.0, 0.0) for item in wanted]
    asking = _Asking(parts.retriever, query, len(catalogue), wanted)
    size = len(query.histories.items)
    places = np.arange(max(size - NEWEST, 0), size)
    named = min(NAMED, max(len(places) - 1, 0))
    # The controls depend on the history, not on the request: a reason does not change by itself.
    rng = generator(seed, key_of(query.histories.items.tobytes().hex()), stream="explain")
    single = [places[[at]] for at in range(len(places))]
    controls = [rng.choice(places, named, replace=False) for _ in range(CONTROLS)] if named else []
    scores, shares = asking.scores([NOTHING, *single, *controls])
    full, alone, random = scores[0], scores[1 : 1 + len(single)], scores[1 + len(single) :]
    own = query.histories.items[places][:, None] == wanted
    alone = np.where(own, np.inf, alone)  # an item does not explain itself
    order = np.argsort(alone, axis=0, kind="stable")
    others = (~own).sum(axis=0)
    chosen = [places[order[: min(named, others[at]), at]] for at in range(len(wanted))]
    near = _nearness(parts.retriever, query.texts[0], wanted)
    without, _ = asking.scores(chosen)
    explanations = []
    for at, item in enumerate(wanted):
        drop = float(full[at] - without[at, at]) if named else 0.0
        chance = float(np.quantile(full[at] - random[:, at], LEVEL)) if named else 0.0
        titles = [catalogue.titles[query.histories.items[place]] for place in chosen[at]]
        because = tuple(titles) if drop > max(chance, 0.0) else ()
        mine = {name: float(values[0, at]) for name, values in shares.items()}
        reason = _sentence(because, mine, near=float(near[at]))
        explanations.append(
            Explanation(catalogue.ids[item], reason, float(full[at]), mine, because, drop, chance)
        )
    return explanations


def _nearness(retriever: Retriever[Dataset], text: str | None, items: IntArray) -> ScoreArray:
    tell = getattr(retriever, "wish_nearness", None)
    if not text or not text.strip() or tell is None:
        return np.zeros(len(items), dtype=np.float32)
    near: ScoreArray = tell(text, items)
    return near


def _sentence(because: tuple[str, ...], shares: Mapping[str, float], *, near: float) -> str:
    if near >= NEAR:
        return "Matches what was asked for"
    titles = [title for title in dict.fromkeys(because) if title]
    if titles:
        return "Because of " + " and ".join(titles)
    popular = sum(shares.get(name, 0.0) for name in POPULAR)
    others = sum(share for name, share in shares.items() if name not in (*POPULAR, "trees"))
    return "Popular lately" if popular > others else ""


class _Asking:
    """Asks a retriever for the scores of the wanted items under variants of one history."""

    def __init__(self, retriever: Retriever[Dataset], query: Queries, n_items: int, wanted: IntArray) -> None:
        self.retriever, self.query, self.wanted = retriever, query, wanted
        self.depth = min(n_items, DEPTH)
        # The same items compete under every variant: what the query allows and the user has not
        # taken, and the items asked about even if they were taken.
        self.allowed: BoolArray = np.ones(n_items, dtype=bool)
        if query.allowed is not None:
            given = np.atleast_2d(query.allowed)[0][:n_items]
            self.allowed[: len(given)] &= given
        if query.exclude_seen:
            seen = query.histories.items
            self.allowed[seen[(seen >= 0) & (seen < n_items)]] = False
        self.allowed[wanted] = True

    def scores(self, removals: list[Places]) -> tuple[FloatArray, dict[str, FloatArray]]:
        """Scores and shares of the wanted items, float64 [removals, wanted]; 0 where not retrieved."""
        history = self.query.histories
        keeps = []
        for removed in removals:
            mask = np.ones(len(history.items), dtype=bool)
            mask[removed] = False
            keeps.append(mask)
        batch = replace(
            self.query.take(np.zeros(len(removals), dtype=int)),
            histories=_variants(history, keeps),
            exclude_seen=False,
            allowed=self.allowed,
        )
        found = self.retriever.retrieve(batch, self.depth)
        where = found.items[:, :, None] == self.wanted
        shares = {
            name.removeprefix("retrieve."): np.where(where, values[:, :, None], 0.0).sum(axis=1)
            for name, values in found.features.items()
        }
        return np.where(where, found.scores[:, :, None], 0.0).sum(axis=1), shares


def _variants(history: Ragged, keeps: list[BoolArray]) -> Ragged:
    masks = np.concatenate(keeps) if keeps else np.zeros(0, dtype=bool)
    return history.take(np.zeros(len(keeps), dtype=int)).keep(masks)
