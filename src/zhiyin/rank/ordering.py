"""A new order of the first candidates; knows scores only."""

from __future__ import annotations

import numpy as np

from zhiyin.types import Candidates, FloatArray

__all__ = ["reorder_head"]


def reorder_head(candidates: Candidates, scores: FloatArray) -> Candidates:
    """The head by new scores, best first; the tail as it was.

    Places keep their old scores, so that the head stays comparable with the tail.

    Parameters
    ----------
    candidates : Candidates
        [U, n]
    scores : float64 [U, depth]
        depth <= n; equal scores keep their order.
    """
    depth = scores.shape[1]
    order = np.tile(np.arange(candidates.items.shape[1]), (len(candidates), 1))
    order[:, :depth] = np.argsort(-scores, axis=1, kind="stable")
    return candidates.reordered(order, scores=candidates.scores)
