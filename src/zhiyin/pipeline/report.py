"""The demo's results as one self-contained HTML page; knows results, no model.

Everything from outside (titles, ids) is escaped by the template; plots hold names of stages only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zhiyin.evaluate import plots
from zhiyin.evaluate.pages import write_page

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
    k = results["about"]["k"]
    rows = _rows(results, k)
    own = [row["name"] for row in rows if row["name"].startswith(("retrieved", "+"))]
    return write_page(
        path,
        "zhiyin.pipeline",
        "report.html",
        results=results,
        about=results["about"],
        k=k,
        rows=rows,
        figures={
            "accuracy": ("Accuracy", plots.accuracy(results["table"], own=own)),
            "trade": ("Accuracy against diversity", plots.trade(results["table"])),
            "exposure": ("Exposure", plots.exposure(results["table"], names=EXPOSED)),
        },
    )


def _rows(results: Mapping[str, Any], k: int) -> list[dict[str, Any]]:
    """One row a list: metrics without their "@k", paired differences in NDCG where there are any."""
    table = results["table"]
    rows = []
    for name, metrics in table["lists"].items():
        difference = table["differences"].get(name, {}).get(f"ndcg@{k}")
        plain = {key.removesuffix(f"@{k}"): value for key, value in metrics.items()}
        rows.append({"name": name, "difference": difference, "step": results["steps"].get(name), **plain})
    return rows
