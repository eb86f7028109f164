"""What the API takes and gives, with examples; every bound on what comes from outside is here."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "Description",
    "Done",
    "EventIn",
    "Events",
    "FiltersIn",
    "FeedbackBatch",
    "FeedbackIn",
    "Hide",
    "ItemIn",
    "Items",
    "Problem",
    "Receipts",
    "RecommendRequest",
    "RecommendResponse",
    "UserIn",
    "Users",
]

LATEST = 4_102_444_800.0  # the year 2100: later "seconds" are milliseconds


def _clean(value: str) -> str:
    for character in value:
        if unicodedata.category(character) in ("Cc", "Cs"):
            raise ValueError(f"holds the control character U+{ord(character):04X}")
    return value


def _storable(value: str) -> str:
    return value.replace("\0", "")  # PostgreSQL keeps no NUL


Id = Annotated[str, Field(min_length=1, max_length=256, examples=["85123A"]), AfterValidator(_clean)]
Key = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_clean)]
Words = Annotated[str, Field(max_length=2000), AfterValidator(_storable)]
Title = Annotated[str, Field(max_length=10_000), AfterValidator(_storable)]
Kind = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_clean)]
Seconds = Annotated[
    float,
    Field(ge=0, lt=LATEST, allow_inf_nan=False, description="Seconds since 1970, not milliseconds."),
]
Number = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]
Price = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Attributes = Annotated[dict[Kind, Words], Field(max_length=64)]


def _example(**content: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [content]})


class Base(BaseModel):
    """Unknown fields are refused: a typing error must not pass silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FiltersIn(Base):
    """Conditions that all must hold."""

    items: list[Id] | None = Field(default=None, max_length=10_000, description="Only these items.")
    block: list[Id] = Field(default=[], max_length=10_000, description="None of these items.")
    attributes: dict[Kind, list[Words]] = Field(default={}, max_length=16, description="Allowed values.")
    min_price: Price | None = None
    max_price: Price | None = None


class AskIn(Base):
    """Who asks: a user, a session without a user, or nobody known."""

    user: Id | None = Field(default=None, examples=["17850"])
    session: Id | None = None
    text: Words | None = Field(default=None, description="What they want, in words.")


class RecommendRequest(Base):
    """A batch of wishes for slates of k places."""

    asks: list[AskIn] = Field(min_length=1, max_length=256)
    k: int = Field(default=10, ge=1, le=100)
    filters: FiltersIn | None = None
    exclude_seen: bool = True
    explain: bool = Field(default=False, description="Also say why; slower.")
    scenario: Kind | None = None
    context: dict[Kind, Number | bool | Words | None] = Field(
        default={}, max_length=32, description="Circumstances, kept with the decision."
    )

    model_config = _example(asks=[{"user": "17850"}, {"text": "red candle holder"}], k=3)


class PlaceOut(BaseModel):
    """One place of a slate."""

    item: str
    title: str
    score: float
    conditional: float = Field(description="Probability of this item here, given the places before.")
    marginal: float | None = Field(description="Probability of this item here at all; null: intractable.")
    reason: str | None = Field(description="Null: not asked for; empty: no reason passed its test.")


class SlateOut(BaseModel):
    """What to show to one ask; name the slate in feedback."""

    slate: str
    user: str | None
    session: str | None
    places: list[PlaceOut]


class RecommendResponse(BaseModel):
    """Slates in the order of the asks."""

    request: str
    model: str
    policy: str
    slates: list[SlateOut]
    stages: dict[str, float] = Field(description="Milliseconds by stage, of the batch it was answered in.")
    notes: list[str] = Field(description="Fallbacks that were taken.")


class FeedbackIn(Base):
    """How a slate was received; the same key again changes nothing."""

    key: Key = Field(examples=["click-5f2c"])
    slate: Key = Field(examples=["a1b2c3d4e5f60718"])
    item: Id | None = Field(default=None, description="Null: the slate as a whole.")
    type: Kind = Field(default="click", examples=["click", "purchase", "dismiss"])
    value: Number = 1.0
    time: Seconds | None = Field(default=None, description="When it happened; default: now.")


class FeedbackBatch(Base):
    """Feedback, in any order, as late as it comes."""

    feedback: list[FeedbackIn] = Field(min_length=1, max_length=1000)

    model_config = _example(
        feedback=[{"key": "click-5f2c", "slate": "a1b2c3d4e5f60718", "item": "85123A", "type": "click"}]
    )


class EventIn(Base):
    """Something a user (or a session without one) did; the same key again changes nothing."""

    item: Id
    user: Id | None = Field(default=None, examples=["17850"])
    session: Id | None = None
    type: Kind = Field(default="interaction", examples=["purchase"])
    value: Number = 1.0
    quantity: Number = 1.0
    time: Seconds | None = Field(default=None, description="When it happened; default: now.")
    key: Key | None = Field(default=None, description="Makes sending it twice harmless.")

    @model_validator(mode="after")
    def _somebody(self) -> EventIn:
        if self.user is None and self.session is None:
            raise ValueError("an event needs a user or a session")
        return self


class Events(Base):
    """What happened."""

    events: list[EventIn] = Field(min_length=1, max_length=1000)

    model_config = _example(
        events=[{"user": "17850", "item": "85123A", "type": "purchase", "key": "order-981-1"}]
    )


class Receipt(BaseModel):
    """What became of one entry."""

    key: str | None
    status: Literal["added", "known"]


class Receipts(BaseModel):
    """One receipt an entry, in order; what has a receipt is on disk."""

    receipts: list[Receipt]


class ItemIn(Base):
    """An item; the text alone is enough to be recommended."""

    id: Id
    title: Title = Field(default="", examples=["RED GLASS CANDLE HOLDER"])
    price: Price | None = None
    available_from: Seconds | None = None
    hidden: bool = False
    attributes: Attributes = {}


class Items(Base):
    """Items to insert or replace."""

    items: list[ItemIn] = Field(min_length=1, max_length=1000)

    model_config = _example(
        items=[{"id": "N1", "title": "RED GLASS CANDLE HOLDER", "price": 2.95, "attributes": {"brand": "X"}}]
    )


class Hide(Base):
    """Items to hide or to show again."""

    ids: list[Id] = Field(min_length=1, max_length=1000)
    hidden: bool = True

    model_config = _example(ids=["85123A"], hidden=True)


class UserIn(Base):
    """A user and what is known of them beside their events."""

    id: Id
    attributes: Attributes = {}


class Users(Base):
    """Users to insert or replace."""

    users: list[UserIn] = Field(min_length=1, max_length=1000)

    model_config = _example(users=[{"id": "17850", "attributes": {"country": "United Kingdom"}}])


class Done(BaseModel):
    """What an edit did."""

    changed: int
    unknown: list[str] = Field(default=[], description="Ids that the store does not know.")


class ClaimOut(BaseModel):
    """One sentence and what it rests on."""

    text: str
    items: list[str]


class Description(BaseModel):
    """A user in words."""

    user: str
    text: str
    claims: list[ClaimOut]
    source: str


class Problem(BaseModel):
    """What went wrong and what to do."""

    message: str
    expected: str | None = None
    received: str | None = None
    hint: str | None = None
    problems: list[dict[str, Any]] = []
    request: str | None = None
