"""What the rules of cleaning share; knows no rule, no file and no dataset."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Final, Literal

import polars as pl

from zhiyin.config import Config as Parameters
from zhiyin.config import parse
from zhiyin.data.columns import Columns
from zhiyin.data.reading.collecting import Collector

__all__ = ["Rule", "TableKind", "TextRule", "text_columns"]

TableKind = Literal["events", "items", "texts"]
NO_TEXT: Final = (Columns.ITEM_ID, Columns.USER_ID, Columns.EVENT, Columns.SESSION_ID)


class Rule(ABC):
    """Finds rows that should be kept aside.

    ``tables``: what it looks at. ``default``: whether it runs unless switched off; that is so for
    what is certainly wrong, and else only where it was measured to help.
    """

    class Config(Parameters):
        """No parameters."""

    tables: ClassVar[tuple[TableKind, ...]]
    default: ClassVar[bool] = False

    def __init__(self, **params: Any) -> None:
        self.config = parse(self.Config, params, where=f"The rule {type(self).__name__}")

    @abstractmethod
    def apply(self, frame: pl.DataFrame, collector: Collector) -> None:
        """Tell ``collector`` what is wrong with which rows of ``frame``, which is attached to it."""


class TextRule(ABC):
    """Mends texts, one by one; what it returns it would not change again.

    ``restless``: whether others' changes can give it something new to mend, time and again.
    """

    class Config(Parameters):
        """No parameters."""

    tables: ClassVar[tuple[TableKind, ...]] = ("items", "texts")
    default: ClassVar[bool] = True
    restless: ClassVar[bool] = False
    kind: ClassVar[str]

    def __init__(self, **params: Any) -> None:
        self.config = parse(self.Config, params, where=f"The rule {type(self).__name__}")

    @abstractmethod
    def mend(self, text: str) -> str:
        """The text as it should be."""


def text_columns(frame: pl.DataFrame) -> list[str]:
    """Names of the columns that hold words and no ids."""
    return [
        name
        for name, kind in frame.schema.items()
        if kind == pl.String and name not in NO_TEXT and not name.endswith("_id")
    ]
