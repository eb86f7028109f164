"""An evaluation as one self-contained HTML page; knows plain values, no lists and no model.

Names and labels from outside are escaped by the template; figures are JSON in script elements.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zhiyin.errors import InputError
from zhiyin.evaluate import plots
from zhiyin.evaluate.pages import write_page
from zhiyin.evaluate.pointwise import PredictionTable
from zhiyin.evaluate.result import EvaluationTable

__all__ = ["write_evaluation_report"]


def write_evaluation_report(
    path: str | Path,
    table: EvaluationTable | None = None,
    *,
    predictions: PredictionTable | None = None,
    title: str = "evaluation",
) -> Path:
    """Write the page whole or not at all.

    Parameters
    ----------
    path : path
        The HTML file.
    table : EvaluationTable or None
        Lists: intervals, differences, groups, accuracy against diversity, exposure.
    predictions : PredictionTable or None
        Predictions: intervals, differences, calibration.
    title : str
        Of the page.

    Raises
    ------
    InputError
        When there is nothing to show.
    MissingExtraError, ArtifactError
    """
    if table is None and predictions is None:
        raise InputError("There is nothing to report", expected="a table or predictions", received="neither")
    lists = None if table is None else table.to_dict()
    points = None if predictions is None else predictions.to_dict()
    return write_page(
        path,
        "zhiyin.evaluate",
        "report.html",
        title=title,
        lists=lists,
        headlines=[] if table is None else _columns(table),
        predictions=points,
        figures={**_list_figures(lists), **_prediction_figures(points)},
    )


def _columns(table: EvaluationTable) -> list[str]:
    """All metrics of the table, by name with "@k"."""
    name = table.names[0]
    return [*table.intervals[name], *table.overall[name]]


def _list_figures(lists: Mapping[str, Any] | None) -> dict[str, tuple[str, str]]:
    if lists is None:
        return {}
    k = lists["k"]
    found = {"accuracy": ("Accuracy", plots.accuracy(lists))}
    if f"intra_list_distance@{k}" in next(iter(lists["lists"].values())):
        found["trade"] = ("Accuracy against diversity", plots.trade(lists))
    found["exposure"] = ("Exposure", plots.exposure(lists))
    for place, grouping in enumerate(lists["groups"]):
        found[f"groups-{place}"] = (f"Users by {grouping}", plots.groups(lists, grouping))
    return found


def _prediction_figures(predictions: Mapping[str, Any] | None) -> dict[str, tuple[str, str]]:
    if predictions is None or not predictions["calibration"]:
        return {}
    return {"calibration": ("Calibration", plots.calibration(predictions))}
