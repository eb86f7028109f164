"""The demo's results as one self-contained HTML page; knows results, no model.

Everything from outside (titles, ids) is escaped by the template; plots hold names of stages only.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from zhiyin.artifacts import write_text
from zhiyin.extras import require

__all__ = ["write_report"]

INK, ACCENT, MUTED = "#1d2733", "#b4532a", "#8a97a6"
LAYOUT = {
    "template": "plotly_white",
    "font": {"family": "system-ui, sans-serif", "size": 13, "color": INK},
    "margin": {"l": 60, "r": 20, "t": 30, "b": 50},
    "height": 380,
}


def write_report(path: Path, results: Mapping[str, Any]) -> Path:
    """Write the page whole or not at all.

    Parameters
    ----------
    path : Path
        The HTML file.
    results : Mapping
        What ``run_demo`` wrote to results.json.

    Raises
    ------
    MissingExtraError, ArtifactError
    """
    jinja2 = require("jinja2")
    offline = require("plotly.offline")
    source = (resources.files("zhiyin.pipeline") / "templates" / "report.html").read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    k = results["about"]["k"]
    rows = _rows(results, k)
    page = environment.from_string(source).render(
        results=results,
        about=results["about"],
        k=k,
        rows=rows,
        plotly=offline.get_plotlyjs(),
        figures={
            "accuracy": _accuracy(rows),
            "trade": _trade(rows),
            "exposure": _exposure(results["exposure"]),
        },
    )
    write_text(path, page)
    return path


def _rows(results: Mapping[str, Any], k: int) -> list[dict[str, Any]]:
    """One row a list: metrics without their "@k", paired differences in NDCG where there are any."""
    table = results["table"]
    rows = []
    for name, metrics in table["lists"].items():
        difference = table["differences"].get(name, {}).get(f"ndcg@{k}")
        plain = {key.removesuffix(f"@{k}"): value for key, value in metrics.items()}
        rows.append({"name": name, "difference": difference, "step": results["steps"].get(name), **plain})
    return rows


def _figure(data: list[Any], **layout: Any) -> str:
    go = require("plotly.graph_objects")
    figure = go.Figure(data, {**LAYOUT, **layout})
    # Inside a script element only "</" could end it early.
    text: str = figure.to_json().replace("</", "<\\/")
    return text


def _accuracy(rows: list[dict[str, Any]]) -> str:
    go = require("plotly.graph_objects")
    means = [row["ndcg"]["mean"] for row in rows]
    bars = go.Bar(
        x=means,
        y=[row["name"] for row in rows],
        orientation="h",
        marker={"color": [ACCENT if row["name"].startswith(("fused", "+")) else MUTED for row in rows]},
        error_x={
            "type": "data",
            "array": [row["ndcg"]["high"] - row["ndcg"]["mean"] for row in rows],
            "arrayminus": [row["ndcg"]["mean"] - row["ndcg"]["low"] for row in rows],
            "color": INK,
            "thickness": 1,
        },
    )
    axis = {"autorange": "reversed", "automargin": True}
    return _figure([bars], yaxis=axis, xaxis={"title": {"text": "NDCG, 95 % interval"}})


def _trade(rows: list[dict[str, Any]]) -> str:
    go = require("plotly.graph_objects")
    names: dict[tuple[float, float], list[str]] = {}  # lists that cannot be told apart share a point
    for row in rows:
        point = (round(row["ndcg"]["mean"], 2), round(row["intra_list_distance"]["mean"], 2))
        names.setdefault(point, []).append(row["name"])
    widest = max(accuracy for accuracy, _ in names)
    points = go.Scatter(
        x=[accuracy for accuracy, _ in names],
        y=[distance for _, distance in names],
        text=[", ".join(found) for found in names.values()],
        mode="markers+text",
        textposition=["middle right" if accuracy > 0.8 * widest else "middle left" for accuracy, _ in names],
        marker={"size": 10, "color": ACCENT},
        cliponaxis=False,
    )
    return _figure(
        [points],
        xaxis={"title": {"text": "accuracy (NDCG)"}, "range": [-0.35 * widest, 1.75 * widest]},
        yaxis={"title": {"text": "diversity (mean distance within a list)"}},
    )


def _exposure(exposure: Mapping[str, Any]) -> str:
    go = require("plotly.graph_objects")
    lines = [
        go.Scatter(x=one["items"], y=one["share"], mode="lines", name=name)
        for name, one in exposure.items()
        if name in {"random", "popular", "recent-popular", "fused", "+ explore"}
    ]
    return _figure(
        lines,
        xaxis={"type": "log", "title": {"text": "items, most shown first"}},
        yaxis={"title": {"text": "share of all places"}, "rangemode": "tozero"},
    )
