"""An assessment as one self-contained HTML page; knows plain values only."""

from __future__ import annotations

from pathlib import Path

from zhiyin.evaluate.pages import write_page
from zhiyin.evaluate.plots import ACCENT, MUTED, figure
from zhiyin.extras import require
from zhiyin.pipeline.assessment.assess import WORDS, Assessment

__all__ = ["write_assessment"]


def write_assessment(path: str | Path, found: Assessment, *, title: str) -> Path:
    """Write the page whole or not at all.

    Raises
    ------
    MissingExtraError, ArtifactError
    """
    return write_page(
        path,
        "zhiyin.pipeline",
        "assessment.html",
        title=title,
        found=found,
        words=WORDS,
        figures=_figures(found),
    )


def _figures(found: Assessment) -> dict[str, tuple[str, str]]:
    figures = {"users": ("Events a user and an item: 10 %, 50 %, 90 %", _spread(found))}
    if found.facts.monthly:
        figures["months"] = ("Events and new items in each 30 days", _months(found))
    if found.drift is not None:
        figures["drift"] = ("How what is popular changes", _drift(found))
    if found.probe is not None:
        figures["probe"] = (f"NDCG of simple rules, split by {found.probe.split}", _rules(found))
    if found.texts.languages:
        figures["languages"] = ("Languages of the titles", _languages(found))
    return figures


def _spread(found: Assessment) -> str:
    go = require("plotly.graph_objects")
    labels = ["10 %", "50 %", "90 %"]
    bars = [
        go.Bar(
            x=labels,
            y=list(values),
            name=name,
            marker={"color": colour},
            text=[f"{one:.0f}" for one in values],
        )
        for name, values, colour in (
            ("a user", found.facts.events_per_user, ACCENT),
            ("an item", found.facts.events_per_item, MUTED),
        )
    ]
    return figure(bars, barmode="group", yaxis={"title": {"text": "events"}, "type": "log"})


def _months(found: Assessment) -> str:
    go = require("plotly.graph_objects")
    places = list(range(1, len(found.facts.monthly) + 1))
    events, users, new = zip(*found.facts.monthly, strict=True)
    lines = [
        go.Bar(x=places, y=list(events), name="events", marker={"color": MUTED}),
        go.Scatter(x=places, y=list(users), name="active users", mode="lines+markers", yaxis="y2"),
        go.Scatter(x=places, y=list(new), name="new items", mode="lines+markers", yaxis="y2"),
    ]
    return figure(
        lines,
        xaxis={"title": {"text": "30 days"}},
        yaxis={"title": {"text": "events"}},
        legend={"orientation": "h", "y": 1.15},
        yaxis2={"title": {"text": "users, items"}, "overlaying": "y", "side": "right", "rangemode": "tozero"},
    )


def _drift(found: Assessment) -> str:
    go = require("plotly.graph_objects")
    assert found.drift is not None
    seen, chance = list(found.drift.divergence), [found.drift.chance] * len(found.drift.divergence)
    places = [f"{place} to {place + 1}" for place in range(1, len(seen) + 1)]
    lines = [
        go.Scatter(x=places, y=seen, name="neighbouring parts", mode="lines+markers"),
        go.Scatter(x=places, y=chance, name="by chance", mode="lines", line={"dash": "dot"}),
    ]
    return figure(lines, yaxis={"title": {"text": "divergence, bits"}, "rangemode": "tozero"})


def _rules(found: Assessment) -> str:
    go = require("plotly.graph_objects")
    assert found.probe is not None
    names, values = zip(*found.probe.ndcg.items(), strict=True)
    bars = go.Bar(
        x=[one.mean for one in values],
        y=list(names),
        orientation="h",
        marker={"color": MUTED},
        error_x={
            "type": "data",
            "array": [one.high - one.mean for one in values],
            "arrayminus": [one.mean - one.low for one in values],
        },
    )
    return figure(
        [bars], yaxis={"autorange": "reversed", "automargin": True}, xaxis={"title": {"text": "NDCG"}}
    )


def _languages(found: Assessment) -> str:
    go = require("plotly.graph_objects")
    shown = list(found.texts.languages.items())[:8]
    bars = go.Bar(x=[name for name, _ in shown], y=[share for _, share in shown], marker={"color": MUTED})
    return figure([bars], yaxis={"title": {"text": "share of the titles"}, "tickformat": ".0%"})
