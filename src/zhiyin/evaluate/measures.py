"""All per-user metrics of one system's lists, as far as the background allows; knows no other system."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from zhiyin.evaluate.background import Background
from zhiyin.evaluate.categories import kl_of_shares, mutual_information_of_shares
from zhiyin.evaluate.distances import (
    intra_list_distance,
    relevant_intra_list_distance,
    relevant_vendi_score,
    vendi_score,
)
from zhiyin.evaluate.exposure import catalogue_coverage, exposure_gini, long_tail_share, novelty, serendipity
from zhiyin.evaluate.hits import find_hits
from zhiyin.evaluate.ranking import METRICS, recall
from zhiyin.evaluate.semantic import effective_interests, memberships, semantic_coverage
from zhiyin.evaluate.shares import item_shares, normalised
from zhiyin.evaluate.themes import alpha_ndcg_of_themes
from zhiyin.types import Array, FloatArray, IntArray, Ragged

__all__ = ["measure", "measure_together"]

CHUNK = 1024


def measure(
    items: IntArray, relevant: Ragged, k: int, background: Background, *, expected: IntArray | None = None
) -> dict[str, FloatArray]:
    """Each metric as float64 [U], by its name with "@k".

    Parameters
    ----------
    items : int32 [U, k]
        Indices, -1 pads.
    relevant : Ragged
    k : int
    background : Background
    expected : int32 [U, k] or None
        What a plain method shows, for serendipity.
    """
    hits = find_hits(items, relevant, k)
    found = {name: metric(hits) for name, metric in METRICS.items()}
    if background.cold_items is not None:
        found |= _by_age(items, relevant, k, background)
    if background.vectors is not None:
        found |= _distances(items, relevant, background.vectors)
    if background.clusters is not None:
        found["effective_interests"] = effective_interests(items, background.clusters)
        found["semantic_coverage"] = semantic_coverage(items, background.clusters)
        found["alpha_ndcg"] = alpha_ndcg_of_themes(items, relevant, background.clusters, k)
        if background.histories is not None:
            shown, taken = _shares(items, background)
            found["calibration_kl"] = kl_of_shares(taken, shown)
    if background.popularity is not None:
        found["novelty"] = novelty(items, background.popularity, k)
        found["long_tail_share"] = long_tail_share(items, background.popularity, k)
    if expected is not None:
        found["serendipity"] = serendipity(items, relevant, expected, k)
    return {f"{name}@{k}": values for name, values in found.items()}


def measure_together(
    items: IntArray, k: int, catalogue_size: int, background: Background
) -> dict[str, float]:
    """What is a property of all lists together, by its name with "@k"."""
    found = {
        "catalogue_coverage": catalogue_coverage(items, catalogue_size),
        "exposure_gini": exposure_gini(items, catalogue_size),
    }
    if background.clusters is not None and background.histories is not None:
        shown, taken = _shares(items, background)
        found["mutual_information"] = mutual_information_of_shares(shown, taken, correction="permutation")
    return {f"{name}@{k}": value for name, value in found.items()}


def _by_age(items: IntArray, relevant: Ragged, k: int, background: Background) -> dict[str, FloatArray]:
    """Recall of cold items, which nobody took before, and of the others."""
    assert background.cold_items is not None
    cold = np.append(background.cold_items, True)[np.minimum(relevant.items, len(background.cold_items))]
    return {
        "recall_cold_items": recall(items, relevant.keep(cold), k),
        "recall_warm_items": recall(items, relevant.keep(~cold), k),
    }


def _distances(items: IntArray, relevant: Ragged, vectors: Array) -> dict[str, FloatArray]:
    parts = []
    for start in range(0, len(items), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(items)))
        some, truth = items[rows], relevant.take(rows)
        placed = np.asarray(vectors[np.maximum(some, 0)], dtype=np.float64)
        placed[some < 0] = np.nan
        parts.append(
            {
                "intra_list_distance": intra_list_distance(placed),
                "relevant_intra_list_distance": relevant_intra_list_distance(placed, some, truth),
                "vendi_score": vendi_score(placed),
                "relevant_vendi_score": relevant_vendi_score(placed, some, truth),
            }
        )
    if not parts:
        return {"intra_list_distance": np.empty(0)}
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _shares(items: IntArray, background: Background) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Share of each theme in what is shown, and in what was taken."""
    assert background.clusters is not None and background.histories is not None
    labels = background.clusters
    membership = memberships(labels)
    histories = background.histories
    taken = histories.keep(histories.items < len(labels))
    chosen = sparse.csr_array(
        (np.ones(len(taken.items)), taken.items, taken.offsets), shape=(len(taken), len(labels))
    )
    return item_shares(items, membership), normalised(chosen @ membership)
