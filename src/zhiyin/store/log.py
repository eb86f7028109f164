"""What happened: events, answered requests, feedback. Rows are added and, for privacy, erased."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, select, text

from zhiyin.store.catalogue import list_unknown
from zhiyin.store.records import Event, Feedback, Request, Shown
from zhiyin.store.schema import decisions, events, feedback, requests
from zhiyin.store.upsert import insert
from zhiyin.types import Array, Decision, Ragged

__all__ = [
    "add_events",
    "add_feedback",
    "add_requests",
    "counts",
    "decisions_between",
    "histories",
    "rewards_of",
]

INT, FLOAT, WIDE = "<i4", "<f4", "<f8"
_ONE = """SELECT * FROM (SELECT {row} AS place, number, item, time, type, value FROM events
 WHERE {whose} ORDER BY time DESC, number DESC LIMIT {newest}) AS part{row}"""
_WHOSE = {True: '"user" = :who{row}', False: 'session = :who{row} AND "user" IS NULL'}
LARGEST_UNION = 200


def add_events(connection: Connection, new: Sequence[Event]) -> list[str]:
    """Add events; "added", or "known" where an event with this key is there already."""
    numbers = list_unknown(connection, [event.item for event in new])
    known = _known_keys(connection, events, [event.key for event in new])
    received = time.time()
    rows, status = [], []
    for event in new:
        fresh = event.key is None or event.key not in known
        status.append("added" if fresh else "known")
        if fresh:
            rows.append(_event_row(event, numbers[event.item], received))
            if event.key is not None:
                known.add(event.key)
    if rows:
        # Another process may have added a key since it was looked up.
        connection.execute(insert(connection, events).on_conflict_do_nothing(index_elements=["key"]), rows)
    return status


def add_requests(connection: Connection, answered: Sequence[Request]) -> None:
    """Keep answered requests and their decisions."""
    rows = [
        {
            "id": request.id,
            "time": request.time,
            "model": request.model,
            "k": request.k,
            "features": list(request.features),
            "milliseconds": dict(request.milliseconds),
            "notes": list(request.notes),
        }
        for request in answered
    ]
    connection.execute(requests.insert(), rows)
    shown = [_decision_row(request.id, one) for request in answered for one in request.shown]
    connection.execute(decisions.insert(), shown)


def add_feedback(connection: Connection, new: Sequence[Feedback]) -> list[str]:
    """Add feedback; "added", or "known" where feedback with this key is there already.

    Feedback on a slate that the store has not seen yet is kept: it may overtake the slate.
    """
    known = _known_keys(connection, feedback, [one.key for one in new])
    received = time.time()
    rows, status = [], []
    for one in new:
        fresh = one.key not in known
        status.append("added" if fresh else "known")
        if fresh:
            known.add(one.key)
            rows.append(
                {
                    "key": one.key,
                    "decision": one.decision,
                    "item": one.item,
                    "type": one.type,
                    "value": one.value,
                    "time": one.time,
                    "received": received,
                }
            )
    if rows:
        connection.execute(insert(connection, feedback).on_conflict_do_nothing(index_elements=["key"]), rows)
    return status


def histories(
    connection: Connection,
    users: Sequence[str | None],
    sessions: Sequence[str | None],
    *,
    types: Mapping[str, int],
    weights: Mapping[str, float],
    newest: int,
) -> Ragged:
    """The newest events of each user, or of the session where there is no user, oldest first.

    Parameters
    ----------
    users, sessions : sequences of one length U
    types : Mapping
        Code of each event type; unknown ones get -1.
    weights : Mapping
        Strength of each type, 1 where it is not named.
    newest : int
        At most so many events a row.
    """
    asked = [
        (row, user is not None, user if user is not None else session)
        for row, (user, session) in enumerate(zip(users, sessions, strict=True))
        if user is not None or session is not None
    ]
    rows: list[Any] = []
    for at in range(0, len(asked), LARGEST_UNION):
        rows += _newest(connection, asked[at : at + LARGEST_UNION], newest)
    if not rows:
        return Ragged.from_lists([[]] * len(users))
    place, number, item, moment, kind, value = zip(*rows, strict=True)
    order = np.lexsort((number, moment, place))
    counts = np.bincount(place, minlength=len(users))
    strength = np.array([weights.get(one, 1.0) for one in kind]) * np.array(value)
    return Ragged(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.array(item, dtype=np.int32)[order],
        np.array(moment, dtype=np.float64)[order],
        strength.astype(np.float32)[order],
        np.array([types.get(one, -1) for one in kind], dtype=np.int16)[order],
    )


def _newest(connection: Connection, asked: Sequence[tuple[int, bool, str | None]], newest: int) -> list[Any]:
    """The newest events of several histories, in one statement."""
    parts = [
        _ONE.format(row=row, whose=_WHOSE[known].format(row=row), newest=int(newest))
        for row, known, _ in asked
    ]
    names = {f"who{row}": who for row, _, who in asked}
    return list(connection.execute(text(" UNION ALL ".join(parts)), names).all())


def decisions_between(connection: Connection, since: float, until: float) -> list[tuple[str, Shown]]:
    """Decisions with since <= time < until, oldest first, each with the id of its request."""
    rows = connection.execute(
        select(decisions, requests.c.features.label("names"))
        .join(requests, requests.c.id == decisions.c.request)
        .where(decisions.c.time >= since, decisions.c.time < until)
        .order_by(decisions.c.time, decisions.c.id)
    )
    return [(row.request, _shown(row)) for row in rows]


def rewards_of(connection: Connection, ids: Sequence[str]) -> dict[str, list[Feedback]]:
    """The feedback on some slates, by slate, in the order of its time."""
    found: dict[str, list[Feedback]] = {}
    for at in range(0, len(ids), 500):
        rows = connection.execute(
            select(feedback)
            .where(feedback.c.decision.in_(list(ids[at : at + 500])))
            .order_by(feedback.c.time, feedback.c.number)
        )
        for row in rows:
            one = Feedback(row.key, row.decision, row.time, row.item, row.type, row.value)
            found.setdefault(row.decision, []).append(one)
    return found


def counts(connection: Connection) -> dict[str, int]:
    """Rows of each table of the log, and feedback that waits for its slate."""
    tables = {"events": events, "requests": requests, "decisions": decisions, "feedback": feedback}
    found = {
        name: int(connection.execute(select(func.count()).select_from(table)).scalar() or 0)
        for name, table in tables.items()
    }
    waiting = ~feedback.c.decision.in_(select(decisions.c.id))
    total = connection.execute(select(func.count()).select_from(feedback).where(waiting)).scalar()
    return {**found, "unmatched_feedback": int(total or 0)}


def _known_keys(connection: Connection, table: Any, keys: Sequence[str | None]) -> set[str]:
    given = list({key for key in keys if key is not None})
    known: set[str] = set()
    for at in range(0, len(given), 500):
        some = given[at : at + 500]
        known.update(connection.execute(select(table.c.key).where(table.c.key.in_(some))).scalars())
    return known


def _event_row(event: Event, number: int, received: float) -> dict[str, Any]:
    return {
        "key": event.key,
        "user": event.user,
        "session": event.session,
        "item": number,
        "time": event.time,
        "type": event.type,
        "value": event.value,
        "quantity": event.quantity,
        "received": received,
    }


def _decision_row(request: str, shown: Shown) -> dict[str, Any]:
    one = shown.decision
    return {
        "id": one.id,
        "request": request,
        "time": one.time,
        "user": one.user,
        "session": shown.session,
        "text": shown.text,
        "scenario": one.scenario,
        "context": dict(shown.context),
        "policy": one.policy,
        "pool": _bytes(one.pool, INT),
        "items": _bytes(one.items, INT),
        "conditional": _bytes(one.conditional, WIDE),
        "marginal": _bytes(one.marginal, WIDE),
        "features": _bytes(one.features, FLOAT),
    }


def _shown(row: Any) -> Shown:
    decision = Decision(
        row.id,
        row.time,
        row.user,
        row.scenario,
        row.policy,
        _array(row.pool, INT),
        _array(row.items, INT),
        _array(row.conditional, WIDE),
        _array(row.marginal, WIDE),
        _array(row.features, FLOAT).reshape(-1, max(len(row.names), 1)),
    )
    return Shown(decision, row.session, row.text, row.context)


def _bytes(values: Array, kind: str) -> bytes:
    return np.ascontiguousarray(values, dtype=kind).tobytes()


def _array(content: bytes, kind: str) -> Array:
    return np.frombuffer(bytes(content), dtype=kind).copy()
