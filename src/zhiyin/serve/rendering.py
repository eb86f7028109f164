"""Answers as the API gives them: external ids, plain numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from zhiyin.serve.answering import Answer

__all__ = ["render", "render_reasons"]


def render(answer: Answer, reasons: tuple[tuple[str, ...], ...] | None = None) -> dict[str, Any]:
    """One response; the k of the request cuts the slates of the batch."""
    trace = answer.trace
    return {
        "request": answer.id,
        "model": answer.current.name,
        "policy": trace.slates.policy,
        "slates": [_slate(answer, number, reasons) for number in range(len(answer.asks))],
        "stages": {stage: round(value, 3) for stage, value in trace.milliseconds.items()},
        "notes": list(trace.notes),
    }


def render_reasons(answer: Answer) -> tuple[tuple[str, ...], ...]:
    """The reasons of each slate; takes a while."""
    rows = np.array(answer.rows)
    queries = answer.queries.take(rows)
    items = answer.trace.slates.items[rows, : answer.k]
    return answer.current.live.recommender.reasons(queries, items)


def _slate(answer: Answer, number: int, reasons: tuple[tuple[str, ...], ...] | None) -> dict[str, Any]:
    row, ask, slates = answer.rows[number], answer.asks[number], answer.trace.slates
    catalogue = answer.current.live.catalogue
    items = slates.items[row, : answer.k]
    items = items[items >= 0]
    k = len(items)
    marginal = [None if np.isnan(value) else value for value in slates.marginal[row, :k].tolist()]
    why = (None,) * k if reasons is None else reasons[number]
    places = zip(
        items.tolist(),
        slates.scores[row, :k].tolist(),
        slates.conditional[row, :k].tolist(),
        marginal,
        why,
        strict=True,
    )
    return {
        "slate": slates.ids[row],
        "user": ask.user,
        "session": ask.session,
        "places": [
            {
                "item": catalogue.ids[item],
                "title": catalogue.titles[item],
                "score": score,
                "conditional": conditional,
                "marginal": certain,
                "reason": reason,
            }
            for item, score, conditional, certain, reason in places
        ],
    }
