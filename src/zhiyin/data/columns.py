"""Names of the columns of events, items and users; nothing else spells them out."""

from __future__ import annotations

from typing import Final

__all__ = ["Columns"]


class Columns:
    """Column names: external ids end in ``_id``; the int32 indices are USER and ITEM."""

    USER_ID: Final = "user_id"
    ITEM_ID: Final = "item_id"
    TIMESTAMP: Final = "timestamp"
    EVENT: Final = "event"
    VALUE: Final = "value"
    QUANTITY: Final = "quantity"
    SESSION_ID: Final = "session_id"
    TEXT: Final = "text"
    TITLE: Final = "title"
    PRICE: Final = "price"
    CATEGORY: Final = "category"
    AVAILABLE_FROM: Final = "available_from"
    USER: Final = "user"
    ITEM: Final = "item"
    HEAD: Final = "head"
    RELATION: Final = "relation"
    TAIL: Final = "tail"
    SOURCE: Final = "source"
    LINE: Final = "_line"  # place in the file, only while it is read and cleaned
