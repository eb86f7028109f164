"""The demo's results as one self-contained HTML page; knows results, no model.

Everything from outside (titles, ids) is escaped by the template; plots hold names of stages only.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from zhiyin.artifacts import write_text
from zhiyin.evaluate import plots
from zhiyin.extras import require

__all__ = ["write_report"]

EXPOSED = ("random", "popular", "recent-popular", "retrieved", "+ explore")


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
    own = [row["name"] for row in rows if row["name"].startswith(("retrieved", "+"))]
    page = environment.from_string(source).render(
        results=results,
        about=results["about"],
        k=k,
        rows=rows,
        plotly=offline.get_plotlyjs(),
        figures={
            "accuracy": plots.accuracy(results["table"], own=own),
            "trade": plots.trade(results["table"]),
            "exposure": plots.exposure(results["table"], names=EXPOSED),
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
