"""What a comparison of lists found, as a frame, as JSON, or for the terminal; knows no metric."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from zhiyin.errors import InputError
from zhiyin.evaluate.front import hypervolume, pareto_front
from zhiyin.evaluate.groups import Grouped
from zhiyin.evaluate.intervals import Interval
from zhiyin.evaluate.power import detectable_difference, too_small
from zhiyin.types import FloatArray

__all__ = ["EvaluationTable"]

SCHEMA = {
    **{"list": pl.String, "metric": pl.String},
    **{"mean": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n": pl.Int64, "missing": pl.Int64},
    **{"difference": pl.Float64, "difference_low": pl.Float64, "difference_high": pl.Float64},
    **{"difference_n": pl.Int64, "p": pl.Float64, "p_adjusted": pl.Float64, "significant": pl.Boolean},
}

DIVERSITIES = ("intra_list_distance", "relevant_vendi_score")
HEADLINES = ("ndcg", "recall", "intra_list_distance", "relevant_vendi_score", "catalogue_coverage")
Measured = Mapping[str, Mapping[str, Interval]]


@dataclass(frozen=True, eq=False)
class EvaluationTable:
    """What ``evaluate_lists`` found; every mapping goes from the list's name to the metric's.

    ``values`` float64 [U] of each metric; ``intervals`` their means over the users who have a
    value; ``overall`` what is a property of all lists together; ``differences`` paired with
    ``baseline``, list minus baseline, empty without one; ``adjusted`` their p-values, corrected for the
    number of lists; ``groups``: grouping -> list -> metric -> by group of users; ``exposure``: how
    the places of each list spread over the catalogue (``exposure_curve``); ``about``: the data's
    fingerprints, versions and whatever else makes the numbers again; ``remarks``: what is odd in the
    lists or the split.
    """

    k: int
    users: int
    users_with_truth: int
    catalogue_size: int
    baseline: str | None
    seed: int
    values: Mapping[str, Mapping[str, FloatArray]]
    intervals: Measured
    overall: Mapping[str, Mapping[str, float]]
    differences: Measured
    adjusted: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, Mapping[str, Grouped]]] = field(default_factory=dict)
    exposure: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The lists, in the order given."""
        return tuple(self.values)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know: the remarks, and where the test set is too small to say much."""
        metric = f"ndcg@{self.k}"
        if self.baseline is None or not self.differences:
            return self.remarks
        # The list in the middle: one that equals the baseline would see any difference.
        gains = sorted((self._gain(name, metric) for name in self.differences), key=detectable_difference)
        warning = too_small(gains[len(gains) // 2], self.intervals[self.baseline][metric].mean)
        return self.remarks if warning is None else (*self.remarks, warning)

    def front(self, diversity: str = "intra_list_distance") -> tuple[tuple[str, ...], float] | None:
        """The lists that no other one beats in both NDCG and a diversity, and the area they have conquered.

        Returns
        -------
        names, hypervolume
            The area is over (0, 0); None where the diversity was not measured.
        """
        axes = [f"{metric}@{self.k}" for metric in ("ndcg", diversity)]
        if axes[1] not in self.intervals[self.names[0]]:
            return None
        points = np.nan_to_num([[self.intervals[name][axis].mean for axis in axes] for name in self.names])
        stands = pareto_front(points)
        names = tuple(name for name, one in zip(self.names, stands, strict=True) if one)
        return names, hypervolume(points, (0.0, 0.0))

    def significant(self, name: str, metric: str) -> bool:
        """Whether a list differs from the baseline, after the correction for the number of lists."""
        level = self.differences[name][metric].level
        return self.adjusted[name][metric] <= 1.0 - level

    def to_frame(self) -> pl.DataFrame:
        """One row for each list and metric.

        Columns ``list metric mean low high n missing`` and, against the baseline, ``difference
        difference_low difference_high difference_n p p_adjusted significant``; null where there is none.
        """
        rows = [row for name in self.names for row in self._rows(name)]
        return pl.DataFrame([{column: row.get(column) for column in SCHEMA} for row in rows], schema=SCHEMA)

    def to_dict(self) -> dict[str, Any]:
        """Give the whole table without per-user values, ready for JSON; NaN becomes None.

        Examples
        --------
        >>> import json
        >>> import numpy as np
        >>> from zhiyin.evaluate.table import TRIVIAL_RULES, evaluate_lists
        >>> from zhiyin.types import Ragged
        >>> lists = {name: np.array([[0, 1]], np.int32) for name in TRIVIAL_RULES}
        >>> table = evaluate_lists(lists, Ragged.from_lists([[1]]), k=2, catalogue_size=4)
        >>> json.loads(json.dumps(table.to_dict()))["lists"]["popular"]["recall@2"]["mean"]
        1.0
        """
        lists = {
            name: {
                **{metric: one.to_dict() for metric, one in self.intervals[name].items()},
                **{metric: {"mean": _number(one)} for metric, one in self.overall[name].items()},
            }
            for name in self.names
        }
        differences = {
            name: {
                metric: {
                    **one.to_dict(),
                    "p": _number(one.p),
                    "p_adjusted": _number(self.adjusted[name][metric]),
                    "significant": self.significant(name, metric),
                    "detectable": _number(detectable_difference(self._gain(name, metric))),
                }
                for metric, one in found.items()
            }
            for name, found in self.differences.items()
        }
        return {
            "about": dict(self.about),
            "k": self.k,
            "users": self.users,
            "users_with_truth": self.users_with_truth,
            "catalogue_size": self.catalogue_size,
            "baseline": self.baseline,
            "seed": self.seed,
            "notes": list(self.notes),
            "lists": lists,
            "differences": differences,
            "fronts": {
                diversity: {"lists": list(found[0]), "hypervolume": found[1]}
                for diversity in DIVERSITIES
                if (found := self.front(diversity)) is not None
            },
            "exposure": {name: dict(one) for name, one in self.exposure.items()},
            "groups": {
                grouping: {
                    name: {metric: _grouped(one) for metric, one in found.items()}
                    for name, found in lists.items()
                }
                for grouping, lists in self.groups.items()
            },
        }

    def render(self, metrics: Sequence[str] | None = None) -> Table:
        """Draw the table for the terminal; * marks a difference that is significant after the correction.

        Parameters
        ----------
        metrics : sequence of str or None
            Names without "@k"; None: those of ``HEADLINES`` that were measured.
        """
        one = self.names[0]
        known = [*self.intervals[one], *self.overall[one]]
        shown = [f"{metric}@{self.k}" for metric in (HEADLINES if metrics is None else metrics)]
        if metrics is None:
            shown = [metric for metric in shown if metric in known]
        unknown = [metric for metric in shown if metric not in known]
        if unknown:
            raise InputError("No such metric", expected=", ".join(known), received=", ".join(unknown))
        compared = [metric for metric in next(iter(self.differences.values()), {}) if metric in shown]
        table = Table(title=f"Lists of {self.k} for {self.users} users", caption=self._caption())
        table.add_column("list", no_wrap=True)
        for header in [*shown, *(f"{metric}\n- {self.baseline}" for metric in compared)]:
            table.add_column(header, justify="right")
        for name in self.names:
            cells: dict[str, Interval | float] = {**self.intervals[name], **self.overall[name]}
            gains = self.differences.get(name, {})
            table.add_row(
                name,
                *(_cell(cells[metric]) for metric in shown),
                *(
                    _cell(gains[metric], marked=self.significant(name, metric)) if metric in gains else ""
                    for metric in compared
                ),
            )
        return table

    def __str__(self) -> str:
        """NDCG, recall and their differences as text of 110 columns."""
        console = Console(width=110, file=StringIO(), force_terminal=False)
        console.print(self.render(("ndcg", "recall")))
        return str(console.file.getvalue())  # type: ignore[attr-defined]

    def _gain(self, name: str, metric: str) -> FloatArray:
        """A list minus the baseline, user by user."""
        assert self.baseline is not None
        gain: FloatArray = self.values[name][metric] - self.values[self.baseline][metric]
        return gain

    def _rows(self, name: str) -> list[dict[str, Any]]:
        rows = []
        for metric, one in self.intervals[name].items():
            row = {"list": name, "metric": metric, **one.to_dict()}
            against = self.differences.get(name, {}).get(metric)
            if against is not None:
                found = {f"difference_{key}": value for key, value in against.to_dict().items()}
                row |= {**found, "difference": found["difference_mean"]}
                row |= {"p": _number(against.p), "p_adjusted": _number(self.adjusted[name][metric])}
                row["significant"] = self.significant(name, metric)
            rows.append(row)
        for metric, value in self.overall[name].items():
            rows.append({"list": name, "metric": metric, "mean": _number(value)})
        return rows

    def _caption(self) -> str:
        level = next(iter(self.intervals[self.names[0]].values())).level
        text = (
            f"{self.users_with_truth} users have truth; {level:.0%} intervals by bootstrap over users; "
            f"catalogue of {self.catalogue_size}"
        )
        return text if self.baseline is None else f"{text}; * differs from {self.baseline} (Holm)"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _cell(value: Interval | float, *, marked: bool = False) -> str:
    if not isinstance(value, Interval):
        return f"{value:.3f}"
    mean, interval = str(value).split(" ", 1)
    return f"{mean}{' *' if marked else ''}\n{interval}"


def _grouped(found: Grouped) -> dict[str, Any]:
    gap = None if found.gap is None else found.gap.to_dict()
    return {"groups": {label: one.to_dict() for label, one in found.groups.items()}, "gap": gap}
