"""How lists spread over categories, and whether that suits the users; knows labels only.

``categories`` are U lists of k label lists (a place may hold several labels, or one label as it is).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, Literal

import numpy as np
from scipy import sparse
from scipy.special import xlogy

from zhiyin.draws import generator
from zhiyin.errors import InputError
from zhiyin.evaluate.shares import Categories, Vocabulary, list_shares
from zhiyin.types import FloatArray

__all__ = [
    "calibration_kl",
    "category_coverage",
    "category_entropy",
    "entropies",
    "kl_of_shares",
    "mutual_information",
    "mutual_information_of_shares",
]

Correction = Literal["none", "miller-madow", "permutation"]
SHUFFLES: Final = 20


def category_entropy(categories: Categories) -> FloatArray:
    """Entropy -Σ p ln p of the shares of categories in each list.

    Returns
    -------
    float64 [U]
        In nats, from 0 (one category) to ln of the number of categories; NaN without any label.

    Notes
    -----
    Shannon 1948; each place spreads evenly over its labels.

    Examples
    --------
    >>> category_entropy([[["tea"], ["toys"]], [["tea"], ["tea"]]]).round(4)
    array([0.6931, 0.    ])
    """
    return entropies(list_shares(categories, {}, name="categories"))


def entropies(shares: sparse.csr_array) -> FloatArray:
    """Entropy of each row of shares, nats; NaN for an empty row."""
    rows = np.repeat(np.arange(shares.shape[0]), np.diff(shares.indptr))
    found = np.bincount(rows, weights=-xlogy(shares.data, shares.data), minlength=shares.shape[0])
    return np.where(np.diff(shares.indptr) > 0, np.maximum(found, 0.0), np.nan)


def category_coverage(categories: Categories, all_categories: Collection[Any]) -> FloatArray:
    """Share of all categories that occur in each list.

    Raises
    ------
    InputError
        When there is no category, or a list holds another one.

    Examples
    --------
    >>> category_coverage([[["tea"], ["toys"]], []], ["tea", "toys", "light", "card"])
    array([0.5, 0. ])
    """
    vocabulary: Vocabulary = {label: place for place, label in enumerate(dict.fromkeys(all_categories))}
    n = len(vocabulary)
    if n == 0:
        raise InputError("There are no categories", expected="at least one")
    shares = list_shares(categories, vocabulary, name="categories")
    if len(vocabulary) > n:
        raise InputError(
            "A list holds an unknown category",
            expected="a category of all_categories",
            received=repr(list(vocabulary)[n]),
        )
    covered: FloatArray = np.diff(shares.indptr) / n
    return covered


def calibration_kl(
    history_categories: Categories, shown_categories: Categories, alpha: float = 0.01
) -> FloatArray:
    """How far the categories shown are from those of the history: KL(p ‖ (1-α) q + α p).

    Parameters
    ----------
    history_categories, shown_categories : Categories
        p and q: what the user took, and what is shown.
    alpha : float
        Keeps the divergence finite where a category of the history is not shown, in (0, 1).

    Returns
    -------
    float64 [U]
        From 0 (the same shares) to ln(1 / α), nats; NaN without a history.

    Raises
    ------
    InputError
        When the numbers of users differ or α is out of range.

    Notes
    -----
    Steck 2018, "Calibrated recommendations", eq. 5 and 6.

    Examples
    --------
    >>> calibration_kl([[["tea"]], [["tea"]]], [[["tea"]], [["toys"]]]).round(4)
    array([0.    , 4.6052])
    """
    vocabulary: Vocabulary = {}
    history = list_shares(history_categories, vocabulary, name="history_categories")
    shown = list_shares(shown_categories, vocabulary, name="shown_categories")
    history = sparse.csr_array(
        (history.data, history.indices, history.indptr), shape=(history.shape[0], len(vocabulary))
    )
    return kl_of_shares(history, shown, alpha=alpha)


def kl_of_shares(history: sparse.csr_array, shown: sparse.csr_array, *, alpha: float = 0.01) -> FloatArray:
    """``calibration_kl`` of shares [U, C]."""
    _check_users(history, shown)
    if not 0 < alpha < 1:
        raise InputError("alpha is out of range", expected="in (0, 1)", received=str(alpha))
    rows = np.repeat(np.arange(history.shape[0]), np.diff(history.indptr))
    p = history.data
    q = np.asarray(shown.tocsr()[rows, history.indices]).ravel() if len(rows) else np.empty(0)
    smooth = (1.0 - alpha) * q + alpha * p
    found = np.bincount(rows, weights=xlogy(p, p / smooth), minlength=history.shape[0])
    return np.where(np.diff(history.indptr) > 0, np.maximum(found, 0.0), np.nan)


def mutual_information(
    shown: Categories, interests: Categories, *, correction: Correction = "none", seed: int = 0
) -> float:
    """How much the categories shown tell of the users' own: 0 where everybody sees the same.

    The joint is the mean over users of (share shown) x (share of the history).

    Parameters
    ----------
    shown, interests : Categories
        Of the lists, and of the histories. Users without either are left out.
    correction : "none", "miller-madow" or "permutation"
        Few users make the plug-in estimate too large. "miller-madow" subtracts (cells used - rows used -
        columns used + 1) / (2 users), which is right where each user is one sample: one category
        shown, one of interest; users with mixtures fill cells without being more samples, and it then
        subtracts far too much. "permutation" subtracts the mean over 20 shuffles of who sees what,
        which is right for both.
    seed : int
        Of the shuffles.

    Returns
    -------
    float
        In nats; NaN without users. A corrected value may fall below 0.

    Raises
    ------
    InputError
        When the numbers of users differ.

    Notes
    -----
    Cover & Thomas 2006, "Elements of information theory", section 2.3; Miller 1955, "Note on the bias
    of information estimates".

    Examples
    --------
    >>> round(mutual_information([[["a"]], [["b"]]], [[["a"]], [["b"]]]), 4)
    0.6931
    """
    left = list_shares(shown, {}, name="shown")
    right = list_shares(interests, {}, name="interests")
    return mutual_information_of_shares(left, right, correction=correction, seed=seed)


def mutual_information_of_shares(
    shown: sparse.csr_array,
    interests: sparse.csr_array,
    *,
    correction: Correction = "none",
    seed: int = 0,
) -> float:
    """``mutual_information`` of shares [U, C] and [U, H]."""
    _check_users(shown, interests)
    users = np.flatnonzero((np.diff(shown.indptr) > 0) & (np.diff(interests.indptr) > 0))
    if len(users) == 0:
        return float("nan")
    left, right = shown[users], interests[users]
    joint = (left.T @ right).toarray() / len(users)
    found = _information(joint)
    if correction == "permutation":
        draw = generator(seed, 0, stream="mutual information")
        shuffled = [
            _information((left[draw.permutation(len(users))].T @ right).toarray() / len(users))
            for _ in range(SHUFFLES)
        ]
        return found - float(np.mean(shuffled))
    if correction == "miller-madow":
        used = [
            int((joint > 0).sum()),
            int((joint.sum(axis=1) > 0).sum()),
            int((joint.sum(axis=0) > 0).sum()),
        ]
        return found - (used[0] - used[1] - used[2] + 1) / (2.0 * len(users))
    return found


def _information(joint: FloatArray) -> float:
    independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    used = joint > 0
    return max(float((joint[used] * np.log(joint[used] / independent[used])).sum()), 0.0)


def _check_users(left: sparse.csr_array, right: sparse.csr_array) -> None:
    if left.shape[0] != right.shape[0]:
        raise InputError(
            "The two sides differ in their number of users",
            expected=str(left.shape[0]),
            received=str(right.shape[0]),
        )
