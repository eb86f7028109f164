"""Diversity of meaning: how many themes of the catalogue a list speaks of, from item vectors.

Themes are clusters of centred vectors, fixed on the catalogue once, so that lists are compared on one
scale. Knows vectors and clusters; not which model made either.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from zhiyin.errors import InputError
from zhiyin.evaluate.categories import entropies
from zhiyin.evaluate.shares import item_shares
from zhiyin.types import BoolArray, FloatArray, IntArray, ScoreArray

__all__ = ["catalogue_clusters", "centred", "effective_interests", "memberships", "semantic_coverage"]

LARGEST = 100
PER_CLUSTER = 20


def centred(vectors: npt.ArrayLike) -> ScoreArray:
    """Unit vectors around the mean of the catalogue; a zero vector stays zero.

    Texts of one shop share most of what a general encoder sees; around their mean, distances tell
    items apart (Mu & Viswanath 2018, "All-but-the-top", without the later components).

    Examples
    --------
    >>> centred([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]).round(2)
    array([[ 0.,  1.],
           [ 0., -1.],
           [ 0.,  0.]], dtype=float32)
    """
    raw = np.asarray(vectors, dtype=np.float32)
    told: BoolArray = np.asarray(raw.any(axis=1))
    if not told.any():
        return raw.copy()
    moved = raw - raw[told].mean(axis=0)
    norms = np.linalg.norm(moved, axis=1, keepdims=True)
    found: ScoreArray = np.where(told[:, None], moved / np.maximum(norms, 1e-12), np.float32(0))
    return found


def catalogue_clusters(vectors: npt.ArrayLike, n_clusters: int | None = None, *, seed: int = 0) -> IntArray:
    """Themes of a catalogue by k-means of its centred vectors.

    Parameters
    ----------
    vectors : float [n_items, d]
        From a text encoder, say; zero where nothing is known of an item.
    n_clusters : int or None
        None: one for each ``PER_CLUSTER`` items, at most ``LARGEST``.
    seed : int

    Returns
    -------
    int32 [n_items]
        Cluster of each item, 0 … n_clusters - 1; -1 where the vector is zero.

    Raises
    ------
    InputError
        When there are fewer different vectors than clusters.

    Notes
    -----
    Lloyd's k-means with k-means++ (Arthur & Vassilvitskii 2007), by scikit-learn; on unit vectors,
    near to spherical k-means (Dhillon & Modha 2001).

    Examples
    --------
    >>> catalogue_clusters([[1, 0], [1, 0.1], [0, 1], [0, 0]], 2).tolist() in ([0, 0, 1, -1], [1, 1, 0, -1])
    True
    """
    from sklearn.cluster import KMeans

    units = centred(vectors)
    told = np.flatnonzero(units.any(axis=1))
    n = n_clusters if n_clusters is not None else int(np.clip(len(told) // PER_CLUSTER, 1, LARGEST))
    different = len(np.unique(units[told], axis=0))
    if not 1 <= n <= max(different, 1):
        raise InputError(
            "The catalogue does not form so many clusters",
            expected=f"1 to {different}, the number of different vectors",
            received=str(n),
        )
    clusters = np.full(len(units), -1, dtype=np.int32)
    if len(told):
        clusters[told] = KMeans(n, n_init=4, random_state=seed).fit_predict(units[told])
    return clusters


def effective_interests(recommended: IntArray, clusters: npt.ArrayLike) -> FloatArray:
    """Effective number of themes of each list: exp of the entropy of its clusters.

    Parameters
    ----------
    recommended : int [U, n]
        Item indices, -1 pads.
    clusters : int [n_items]
        From ``catalogue_clusters``; -1: none.

    Returns
    -------
    float64 [U]
        From 1 to min(n, clusters); NaN for a list without any cluster.

    Notes
    -----
    Hill 1973, "Diversity and evenness", number of order 1, over themes of meaning.

    Examples
    --------
    >>> effective_interests(np.array([[0, 1], [0, 2]]), [0, 0, 1]).round(4)
    array([1., 2.])
    """
    return np.exp(entropies(_shares(recommended, clusters)))


def semantic_coverage(recommended: IntArray, clusters: npt.ArrayLike) -> FloatArray:
    """Share of the catalogue's themes that occur in each list.

    Parameters
    ----------
    recommended, clusters : as in ``effective_interests``

    Returns
    -------
    float64 [U]
        In [0, min(1, n / clusters)].

    Examples
    --------
    >>> semantic_coverage(np.array([[0, 1], [0, 2], [-1, -1]]), [0, 0, 1])
    array([0.5, 1. , 0. ])
    """
    shares = _shares(recommended, clusters)
    covered: FloatArray = np.diff(shares.indptr) / max(shares.shape[1], 1)
    return covered


def _shares(recommended: IntArray, clusters: npt.ArrayLike) -> sparse.csr_array:
    labels = np.asarray(clusters, dtype=np.int64)
    items = np.asarray(recommended)
    if items.ndim != 2 or not np.issubdtype(items.dtype, np.integer):
        raise InputError(
            "recommended must hold item indices", expected="int [U, n]", received=f"{items.dtype}"
        )
    if items.size and items.max() >= len(labels):
        raise InputError(
            "A shown item has no cluster entry",
            expected=f"indices below {len(labels)}",
            received=str(items.max()),
        )
    return item_shares(items, memberships(labels))


def memberships(clusters: npt.NDArray[np.integer[Any]]) -> sparse.csr_array:
    """Which item belongs to which cluster, float64 [n_items, clusters]."""
    known = np.flatnonzero(clusters >= 0)
    shape = (len(clusters), int(clusters.max(initial=-1)) + 1)
    return sparse.csr_array((np.ones(len(known)), (known, clusters[known])), shape=shape)
