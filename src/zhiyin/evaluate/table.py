"""Several lists for the same users, measured side by side; knows saved lists, no model.

Every table holds the trivial rules: a number without "random", "popular" and "recent-popular"
beside it says nothing. Each metric exists for each user, as a mean with its interval, and for NDCG
and recall as a paired difference from a baseline, corrected for the number of lists. Items are the
indices 0 … catalogue_size - 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zhiyin.errors import InputError
from zhiyin.evaluate.background import Background
from zhiyin.evaluate.exposure import exposure_curve
from zhiyin.evaluate.groups import by_group
from zhiyin.evaluate.hits import check_length
from zhiyin.evaluate.intervals import Interval, bootstrap_columns
from zhiyin.evaluate.measures import measure, measure_together
from zhiyin.evaluate.multiplicity import holm
from zhiyin.evaluate.result import EvaluationTable
from zhiyin.types import FloatArray, IntArray, Ragged

__all__ = ["TRIVIAL_RULES", "EvaluationTable", "evaluate_lists"]

TRIVIAL_RULES = ("random", "popular", "recent-popular")
COMPARED = ("ndcg", "recall")
ONE_EACH = (
    "No user has more than one relevant item: metrics of variety among the relevant (relevant_…, alpha_ndcg) "
    "say no more than hit rate and NDCG here"
)

Measured = Mapping[str, Mapping[str, FloatArray]]


def evaluate_lists(
    lists: Mapping[str, IntArray],
    relevant: Ragged,
    *,
    k: int,
    catalogue_size: int,
    background: Background | None = None,
    baseline: str | None = None,
    seed: int = 0,
    samples: int = 2000,
) -> EvaluationTable:
    """Measure lists for the same users side by side.

    Parameters
    ----------
    lists : mapping of name -> int32 [U, n]
        Item indices, best first, -1 pads on the right; the first k places count. The names must
        include ``TRIVIAL_RULES``.
    relevant : Ragged
        What each of the U users took afterwards; items that no list could hold count as missed.
    k : int
        Places that count, >= 1.
    catalogue_size : int
        Number of items that could be shown: the denominator of coverage.
    background : Background or None
        What is known of items and users; metrics that need a part it lacks are left out.
    baseline : str or None
        The list that NDCG and recall of all others are paired with; the p-values of a metric's
        differences are corrected for their number (Holm).
    seed, samples : int
        Of the bootstrap.

    Returns
    -------
    EvaluationTable

    Raises
    ------
    InputError
        When a trivial rule or the baseline is missing, the numbers of users differ, or an item
        lies outside the catalogue.

    Examples
    --------
    >>> lists = {name: np.array([[0, 1], [2, 3]], np.int32) for name in TRIVIAL_RULES}
    >>> table = evaluate_lists(lists, Ragged.from_lists([[1], [0]]), k=2, catalogue_size=4)
    >>> table.values["popular"]["recall@2"], table.overall["popular"]["catalogue_coverage@2"]
    (array([1., 0.]), 1.0)
    """
    check_length(k)
    shown = _checked(lists, relevant, k, catalogue_size, baseline)
    sides = Background() if background is None else background
    sides.check(len(relevant), catalogue_size)
    values = {
        name: measure(items, relevant, k, sides, expected=shown["popular"]) for name, items in shown.items()
    }
    differences = _intervals(_gains(values, baseline, k), seed, samples)
    one_each = int(relevant.lengths.max(initial=0)) <= 1
    return EvaluationTable(
        k=k,
        users=len(relevant),
        users_with_truth=int(np.count_nonzero(~np.isnan(values[TRIVIAL_RULES[0]][f"ndcg@{k}"]))),
        catalogue_size=catalogue_size,
        baseline=baseline,
        seed=seed,
        values=values,
        intervals=_intervals(values, seed, samples),
        overall={name: measure_together(items, k, catalogue_size, sides) for name, items in shown.items()},
        differences=differences,
        exposure={name: exposure_curve(items, catalogue_size) for name, items in shown.items()},
        adjusted=_adjusted(differences),
        remarks=(ONE_EACH,) if one_each else (),
        groups={
            grouping: {
                name: {
                    metric: by_group(one[metric], labels, seed=seed, samples=samples)
                    for metric in (f"{compared}@{k}" for compared in COMPARED)
                }
                for name, one in values.items()
            }
            for grouping, labels in sides.groups.items()
        },
    )


def _checked(
    lists: Mapping[str, IntArray], relevant: Ragged, k: int, catalogue_size: int, baseline: str | None
) -> dict[str, IntArray]:
    missing = [name for name in TRIVIAL_RULES if name not in lists]
    if missing:
        raise InputError(
            "The trivial rules are missing from the comparison",
            expected=", ".join(TRIVIAL_RULES),
            received=", ".join(lists) or "no lists",
            hint=f"Add the lists of: {', '.join(missing)}.",
        )
    if baseline is not None and baseline not in lists:
        raise InputError(
            f"The baseline {baseline!r} is not among the lists", expected=", ".join(lists), received=baseline
        )
    for name, items in lists.items():
        if items.ndim != 2 or len(items) != len(relevant) or not np.issubdtype(items.dtype, np.integer):
            raise InputError(
                f"The lists {name!r} do not fit the users",
                expected=f"item indices of shape [{len(relevant)}, n]",
                received=f"{items.dtype} of shape {items.shape}",
            )
        if items.size and (items.max() >= catalogue_size or items.min() < -1):
            raise InputError(
                f"The lists {name!r} hold items outside the catalogue",
                expected=f"-1 … {catalogue_size - 1}",
                received=f"{items.min()} … {items.max()}",
            )
    return {name: items[:, :k] for name, items in lists.items()}


def _gains(values: Measured, baseline: str | None, k: int) -> Measured:
    """Each list minus the baseline, user by user."""
    if baseline is None:
        return {}
    metrics = [f"{name}@{k}" for name in COMPARED]
    return {
        name: {metric: one[metric] - values[baseline][metric] for metric in metrics}
        for name, one in values.items()
        if name != baseline
    }


def _adjusted(differences: Mapping[str, Mapping[str, Interval]]) -> dict[str, dict[str, float]]:
    """p-values of each metric, corrected for the number of lists that were compared."""
    found: dict[str, dict[str, float]] = {name: {} for name in differences}
    for metric in next(iter(differences.values()), {}):
        corrected = holm([one[metric].p for one in differences.values()])
        for name, p in zip(differences, corrected.tolist(), strict=True):
            found[name][metric] = p
    return found


def _intervals(values: Measured, seed: int, samples: int) -> dict[str, dict[str, Interval]]:
    """Means with intervals; all columns in one call, so that the users are resampled once."""
    places = [(name, metric) for name, one in values.items() for metric in one]
    if not places:
        return {}
    columns = np.column_stack([values[name][metric] for name, metric in places])
    found: dict[str, dict[str, Interval]] = {name: {} for name in values}
    for (name, metric), one in zip(
        places, bootstrap_columns(columns, seed=seed, samples=samples), strict=True
    ):
        found[name][metric] = one
    return found
