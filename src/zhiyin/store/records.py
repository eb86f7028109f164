"""What goes into the store and comes out of it, in external ids; knows no tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zhiyin.types import Decision

__all__ = ["Event", "Feedback", "Item", "ModelVersion", "Request", "Shown", "User"]


@dataclass(frozen=True)
class Item:
    """One item; ``available_from`` in seconds, None: always. ``number``: its index, -1: not yet known."""

    id: str
    title: str = ""
    price: float | None = None
    available_from: float | None = None
    hidden: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    number: int = -1


@dataclass(frozen=True)
class User:
    """One user and what is known of them beside their events."""

    id: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """Something that happened; ``key`` makes sending it twice harmless.

    ``user`` None: nobody known, then ``session`` says who. ``time`` in seconds.
    """

    item: str
    time: float
    user: str | None = None
    session: str | None = None
    type: str = "interaction"
    value: float = 1.0
    quantity: float = 1.0
    key: str | None = None


@dataclass(frozen=True)
class Feedback:
    """How a slate was received; ``decision`` is the slate's id, ``item`` None: the slate as a whole."""

    key: str
    decision: str
    time: float
    item: str | None = None
    type: str = "click"
    value: float = 1.0


@dataclass(frozen=True, eq=False)
class Shown:
    """A decision and the circumstances that learning may want."""

    decision: Decision
    session: str | None = None
    text: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Request:
    """One answered request: a batch of decisions made by one model version.

    ``features`` names the columns of the decisions' features; ``milliseconds`` those spent by stage.
    """

    id: str
    time: float
    model: str
    k: int
    shown: tuple[Shown, ...]
    features: tuple[str, ...] = ()
    milliseconds: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelVersion:
    """A saved recommender as the store knows it; ``metrics`` were measured before it went live."""

    name: str
    created: float
    dataset: str
    metrics: Mapping[str, Any] = field(default_factory=dict)
