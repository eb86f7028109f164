"""Why an item was recommended, shown only if the reason passes a deletion test.

The reason names the history items whose removal lowers the item's score most. It is shown only
if removing them lowers the score more than removing as many random history items does on average;
otherwise the reason says what else carried the item (popularity, the stated wish), or nothing.
Knows the retrieval score only; it asks the same retriever again with parts of the history gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from zhiyin.data import Catalogue, Dataset
from zhiyin.draws import generator
from zhiyin.pipeline.stages import Components
from zhiyin.types import BoolArray, FloatArray, IntArray, Queries, Ragged, Retriever

__all__ = ["Explanation", "explain_items"]

NEWEST = 60
NAMED = 2
CONTROLS = 16
NOTHING = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Explanation:
    """What carried an item.

    ``shares``: each retriever's part of the fused score; ``because``: titles of history items that
    passed the deletion test; ``drop`` and ``random_drop``: how much of the score goes when they, or
    as many random ones, are removed; ``reason``: one sentence, "" where nothing can be shown.
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

    All variants of the history (each item removed, random sets removed, the named ones removed)
    are asked for in two batches.
    """
    wanted = items[items >= 0]
    if parts.retriever is None:
        return [Explanation(catalogue.ids[item], "Popular lately", 0.0, {}, (), 0.0, 0.0) for item in wanted]
    history = _newest(query.histories)
    allowed = _allowed(query, len(catalogue))
    named = min(NAMED, max(len(history.items) - 1, 0))
    single, controls = _removals(
        len(history.items), named, generator(seed, int(query.keys[0]), stream="explain")
    )
    scores, shares = _scores(parts.retriever, query, history, allowed, [NOTHING, *single, *controls])
    full, alone, random = scores[0], scores[1 : 1 + len(single)], scores[1 + len(single) :]
    chosen = [np.argsort(alone[:, item], kind="stable")[:named] for item in wanted]
    without, _ = _scores(parts.retriever, query, history, allowed, chosen)
    explanations = []
    for place, item in enumerate(wanted):
        drop = float(full[item] - without[place, item]) if named else 0.0
        chance = float(full[item] - random[:, item].mean()) if named else 0.0
        passed = drop > max(chance, 0.0)
        because = tuple(catalogue.titles[history.items[event]] for event in chosen[place]) if passed else ()
        own = {name: float(values[0, item]) for name, values in shares.items()}
        reason = _sentence(because, own, stated=bool(query.texts[0]))
        explanations.append(
            Explanation(catalogue.ids[item], reason, float(full[item]), own, because, drop, chance)
        )
    return explanations


def _removals(
    size: int, named: int, rng: np.random.Generator
) -> tuple[list[npt.NDArray[np.int64]], list[npt.NDArray[np.int64]]]:
    single = [np.array([event]) for event in range(size)]
    controls = [rng.choice(size, named, replace=False) for _ in range(CONTROLS)] if named else []
    return single, controls


def _allowed(query: Queries, n_items: int) -> BoolArray:
    """What may compete: what the query allows and the user has not taken, the same for every variant."""
    allowed = np.ones(n_items, dtype=bool)
    if query.allowed is not None:
        given = np.atleast_2d(query.allowed)[0]
        allowed[: len(given)] &= given[:n_items]
    if query.exclude_seen:
        allowed[query.histories.items] = False
    return allowed


def _sentence(because: tuple[str, ...], shares: Mapping[str, float], *, stated: bool) -> str:
    if stated and shares.get("semantic", 0) >= max(shares.values(), default=0) > 0:
        return "Matches what was asked for"
    titles = [title for title in dict.fromkeys(because) if title]
    if titles:
        return "Because of " + " and ".join(titles)
    popular = shares.get("recent-popular", 0) + shares.get("popular", 0)
    return "Popular lately" if popular > sum(shares.values()) / 2 else ""


def _newest(histories: Ragged) -> Ragged:
    mask = np.zeros(len(histories.items), dtype=bool)
    mask[-NEWEST:] = True
    return histories.keep(mask)


def _scores(
    retriever: Retriever[Dataset],
    query: Queries,
    history: Ragged,
    allowed: BoolArray,
    removals: list[npt.NDArray[np.int64]],
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Score of every item under each removal, [removals, n_items]; 0 where not retrieved."""
    keeps = []
    for removed in removals:
        mask = np.ones(len(history.items), dtype=bool)
        mask[removed] = False
        keeps.append(mask)
    batch = replace(
        query.take(np.zeros(len(removals), dtype=int)),
        histories=_variants(history, keeps),
        exclude_seen=False,
        allowed=allowed,
    )
    found = retriever.retrieve(batch, len(allowed))
    table = np.zeros((len(removals), len(allowed)))
    rows, columns = np.nonzero(found.items >= 0)
    table[rows, found.items[rows, columns]] = found.scores[rows, columns]
    shares = {}
    for name, values in found.features.items():
        part = np.zeros_like(table)
        part[rows, found.items[rows, columns]] = values[rows, columns]
        shares[name.removeprefix("retrieve.")] = part
    return table, shares


def _variants(history: Ragged, keeps: list[BoolArray]) -> Ragged:
    masks = np.concatenate(keeps) if keeps else np.zeros(0, dtype=bool)
    return history.take(np.zeros(len(keeps), dtype=int)).keep(masks)
