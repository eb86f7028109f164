"""Figures of an evaluation as Plotly JSON, from the plain values of a table; knows no lists and no model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from zhiyin.evaluate.front import pareto_front
from zhiyin.evaluate.groups import FEWEST
from zhiyin.extras import require

__all__ = ["accuracy", "calibration", "exposure", "figure", "groups", "trade"]

INK, ACCENT, MUTED = "#1d2733", "#b4532a", "#8a97a6"
COLOURS = (
    "#1f77b4", "#b4532a", "#2ca02c", "#9467bd", "#8c564b",
    "#e377c2", "#7f7f7f", "#bcbd22", "#17becf", "#d4a017",
)  # fmt: skip
DASHES = ("solid", "dash", "dot", "dashdot")
HEIGHT = 380
LAYOUT = {
    "template": "plotly_white",
    "font": {"family": "system-ui, sans-serif", "size": 13, "color": INK},
    "margin": {"l": 60, "r": 20, "t": 30, "b": 50},
    "height": HEIGHT,
}
Found = Mapping[str, Any]


def figure(data: Sequence[Any], **layout: Any) -> str:
    """A figure as JSON that may stand inside a script element."""
    go = require("plotly.graph_objects")
    text: str = go.Figure(list(data), {**LAYOUT, **layout}).to_json()
    # Inside a script element only "</" could end it early.
    return text.replace("</", "<\\/")


def _line(place: int) -> dict[str, str]:
    """A colour and a dash that no other of the first 40 lines has."""
    return {"color": COLOURS[place % len(COLOURS)], "dash": DASHES[place // len(COLOURS) % len(DASHES)]}


def accuracy(table: Found, *, own: Collection[str] = ()) -> str:
    """NDCG of each list with its interval; ``own`` are those to be seen first."""
    go = require("plotly.graph_objects")
    ndcg = [metrics[f"ndcg@{table['k']}"] for metrics in table["lists"].values()]
    means = [one["mean"] or 0.0 for one in ndcg]
    bars = go.Bar(
        x=means,
        y=list(table["lists"]),
        orientation="h",
        marker={"color": [ACCENT if name in own else MUTED for name in table["lists"]]},
        error_x={
            "type": "data",
            "array": [(one["high"] or 0.0) - mean for one, mean in zip(ndcg, means, strict=True)],
            "arrayminus": [mean - (one["low"] or 0.0) for one, mean in zip(ndcg, means, strict=True)],
            "color": INK,
            "thickness": 1,
        },
    )
    axis = {"autorange": "reversed", "automargin": True}
    height = max(HEIGHT, 90 + 26 * len(means))
    return figure([bars], yaxis=axis, xaxis={"title": {"text": "NDCG, 95 % interval"}}, height=height)


def trade(table: Found) -> str:
    """NDCG against distance within the lists; the front of what no other list beats in both."""
    go = require("plotly.graph_objects")
    k = table["k"]
    pairs = {
        name: (metrics[f"ndcg@{k}"]["mean"] or 0.0, metrics[f"intra_list_distance@{k}"]["mean"] or 0.0)
        for name, metrics in table["lists"].items()
    }
    names, points = list(pairs), list(pairs.values())
    front = sorted(point for point, stands in zip(points, pareto_front(points), strict=True) if stands)
    line = go.Scatter(
        x=[one for one, _ in front],
        y=[other for _, other in front],
        mode="lines",
        line={"color": MUTED, "dash": "dot"},
        hoverinfo="skip",
    )
    widest = max(one for one, _ in points) or 1.0
    tall = max(other for _, other in points) - min(other for _, other in points) or 1.0
    labels = _merged_labels(names, points, (widest / 25, tall / 25))
    dots = go.Scatter(
        x=[one for one, _ in points],
        y=[other for _, other in points],
        text=labels,
        hovertext=names,
        hovertemplate="%{hovertext}<br>NDCG %{x:.4f}<br>distance %{y:.3f}<extra></extra>",
        mode="markers+text",
        textposition=["middle right" if one < 0.55 * widest else "middle left" for one, _ in points],
        marker={"size": 9, "color": ACCENT},
        cliponaxis=False,
    )
    return figure(
        [line, dots],
        showlegend=False,
        xaxis={"title": {"text": "accuracy (NDCG)"}, "range": [-0.02 * widest, 1.08 * widest]},
        yaxis={"title": {"text": "diversity (mean distance within a list)"}, "automargin": True},
    )


def _merged_labels(
    names: Sequence[str], points: Sequence[tuple[float, float]], near: tuple[float, float]
) -> list[str]:
    """A label for each point; the first of several that lie together carries all their names."""
    labels: list[list[str]] = [[] for _ in points]
    for place, (one, other) in enumerate(points):
        first = next(
            at
            for at in range(place + 1)
            if abs(points[at][0] - one) <= near[0] and abs(points[at][1] - other) <= near[1]
            and (labels[at] or at == place)
        )  # fmt: skip
        labels[first].append(names[place])
    return [", ".join(found) for found in labels]


def exposure(table: Found, *, names: Collection[str] | None = None) -> str:
    """Share of all places that the most shown items take; ``names``: only these lists."""
    go = require("plotly.graph_objects")
    shown = {name: one for name, one in table["exposure"].items() if names is None or name in names}
    lines = [
        go.Scatter(x=one["items"], y=one["share"], mode="lines", name=name, line=_line(place))
        for place, (name, one) in enumerate(shown.items())
    ]
    return figure(
        lines,
        xaxis={"type": "log", "title": {"text": "items, most shown first"}},
        yaxis={"title": {"text": "share of all places"}, "rangemode": "tozero"},
    )


def groups(table: Found, grouping: str) -> str:
    """NDCG of each list for each group of at least ``FEWEST`` users, as a heat map."""
    go = require("plotly.graph_objects")
    metric = f"ndcg@{table['k']}"
    found = {name: one[metric]["groups"] for name, one in table["groups"][grouping].items()}
    labels = list(next(iter(found.values())))
    sizes = next(iter(found.values()))
    large = [label for label in labels if sizes[label]["n"] >= FEWEST] or labels
    labels = [label for label in labels if label in large]
    means = [[one[label]["mean"] for label in labels] for one in found.values()]
    told = [["" if mean is None else f"{mean:.3f}" for mean in row] for row in means]
    heat = go.Heatmap(
        z=means,
        x=[f"{label}<br>{sizes[label]['n']} users" for label in labels],
        y=list(found),
        text=told,
        texttemplate="%{text}",
        colorscale=[[0, "#fbfaf8"], [1, ACCENT]],
        colorbar={"title": {"text": "NDCG"}},
    )
    height = max(HEIGHT, 120 + 26 * len(means))
    axes = {
        "xaxis": {"tickangle": 0 if len(labels) <= 5 else -40},
        "yaxis": {"autorange": "reversed", "automargin": True},
    }
    return figure([heat], **axes, height=height)


def calibration(predictions: Found) -> str:
    """Observed share of positives against the prediction, for each system; on the diagonal all is well.

    The area of a point grows with its number of examples.
    """
    go = require("plotly.graph_objects")
    diagonal = go.Scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": MUTED, "dash": "dot"}, showlegend=False
    )
    largest = max((max(one["count"], default=1) for one in predictions["calibration"].values()), default=1)
    lines = [
        go.Scatter(
            x=one["predicted"],
            y=one["observed"],
            mode="lines+markers",
            name=name,
            line=_line(place),
            marker={"size": [4 + 16 * (count / largest) ** 0.5 for count in one["count"]]},
            customdata=one["count"],
            hovertemplate="predicted %{x:.3f}, observed %{y:.3f}, %{customdata} examples",
        )
        for place, (name, one) in enumerate(predictions["calibration"].items())
    ]
    return figure(
        [diagonal, *lines],
        xaxis={"title": {"text": "predicted probability"}, "range": [-0.03, 1.03]},
        yaxis={"title": {"text": "observed share"}, "range": [-0.03, 1.03]},
    )
