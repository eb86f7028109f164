"""The retention report: how tuned models recommend against what they have kept, as JSON and as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zhiyin.artifacts import write_text
from zhiyin.errors import InputError
from zhiyin.evaluate.pages import write_page
from zhiyin.evaluate.plots import figure
from zhiyin.extras import require
from zhiyin.lm.retention.exam import Retention
from zhiyin.lm.retention.standing import Standing, on_front

__all__ = ["retention_dict", "write_retention_report"]


def retention_dict(
    standings: Sequence[Standing],
    *,
    quality: str,
    used: Standing | None = None,
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything, ready for JSON.

    Parameters
    ----------
    standings : sequence of Standing
        The base model first.
    quality : str
        What their quality is: "AUC on validation, 1,000 labels".
    used : Standing or None
        The one of them that was taken.
    about : Mapping or None
        What tells how to make it again.

    Returns
    -------
    dict
        ``quality``, ``about``, ``standings``; each with its ``label``, whether it is on the ``front`` of
        quality and KL, whether it is the one ``used``, and the relative ``perplexity_change`` and, where the
        exam has marks, ``perplexity_unmarked_change``.

    Raises
    ------
    InputError
        When there are none.
    """
    if not standings:
        raise InputError("There is nothing to report", expected="standings", received="none")
    rows = [
        {
            **asdict(one),
            "label": one.label,
            "front": bool(front),
            "used": one == used,
            **_changes(one.retention, standings[0].retention),
        }
        for one, front in zip(standings, on_front(standings), strict=True)
    ]
    return {"quality": quality, "about": dict(about or {}), "standings": rows}


def _changes(one: Retention, base: Retention) -> dict[str, float]:
    """Of what a perplexity was before, how much it rose."""
    names = ("perplexity", "perplexity_unmarked")
    pairs = {name: (getattr(one, name), getattr(base, name)) for name in names}
    return {
        f"{name}_change": now / before - 1.0 for name, (now, before) in pairs.items() if before is not None
    }


def write_retention_report(folder: Path, report: Mapping[str, Any]) -> None:
    """Write retention.json and retention.html into an existing folder, each whole or not at all.

    Raises
    ------
    MissingExtraError, ArtifactError
    """
    write_text(Path(folder) / "retention.json", json.dumps(report, indent=1, ensure_ascii=False))
    write_page(
        Path(folder) / "retention.html",
        "zhiyin.lm.retention",
        "report.html",
        report=report,
        columns=_columns(report["standings"]),
        figures={
            "kl": ("Quality and divergence", _trade(report, "kl", "KL(base || tuned), nats a token")),
            "perplexity": (
                "Quality and perplexity",
                _trade(report, "perplexity_change", "perplexity above the base model's"),
            ),
        },
    )


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """Heading and a cell for each row, of what was measured."""
    found = [
        ("front", ["●" if row["front"] else "" for row in rows]),
        ("quality", [f"{row['quality']:.4f}" for row in rows]),
        ("95 %", [_interval(row["interval"]) for row in rows]),
        ("KL", [f"{row['retention']['kl']:.5f}" for row in rows]),
        ("perplexity", [f"{row['retention']['perplexity']:.3f}" for row in rows]),
        ("change", [f"{row['perplexity_change']:+.2%}" for row in rows]),
    ]
    if "perplexity_unmarked_change" in rows[0]:
        found.append(("without marks", [f"{row['perplexity_unmarked_change']:+.2%}" for row in rows]))
    for name in rows[0]["retention"]["accuracy"]:
        found.append((name, [f"{row['retention']['accuracy'][name]:.3f}" for row in rows]))
    for name in ("distinct_2", "repetition", "stopped", "tokens_per_second", "bleu", "rouge_l"):
        if rows[0]["retention"][name] is not None:
            digits = 1 if name in ("tokens_per_second", "bleu") else 3
            found.append((name.replace("_", " "), [f"{row['retention'][name]:.{digits}f}" for row in rows]))
    return found


def _interval(found: Sequence[float] | None) -> str:
    return "" if found is None else "{:.4f} to {:.4f}".format(*found)


def _trade(report: Mapping[str, Any], goal: str, title: str) -> str:
    """Quality against what was forgotten; scales of one model are joined by a line."""
    go = require("plotly.graph_objects")
    base, *others = report["standings"]
    lines = []
    for name in dict.fromkeys(row["name"] for row in others):
        own = [base, *(row for row in others if row["name"] == name)]
        lines.append(
            go.Scatter(
                x=[_forgotten(row, goal) for row in own],
                y=[row["quality"] for row in own],
                text=[row["label"] for row in own],
                name=name,
                mode="lines+markers",
                marker={"size": [11 if row["front"] else 6 for row in own]},
                hovertemplate="%{text}<br>%{x:.5f}, %{y:.4f}<extra></extra>",
            )
        )
    layout: dict[str, Any] = {
        "xaxis": {"title": title, "tickformat": ".1%" if goal == "perplexity_change" else None},
        "yaxis": {"title": report["quality"]},
        "legend": {"orientation": "h", "y": -0.25},
    }
    return figure(lines, **layout)


def _forgotten(row: Mapping[str, Any], goal: str) -> float:
    return float(row["retention"]["kl"] if goal == "kl" else row[goal])
