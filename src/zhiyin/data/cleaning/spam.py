"""Texts that advertise."""

from __future__ import annotations

import re
from typing import ClassVar, Final

import numpy as np
import polars as pl
from pydantic import Field

from zhiyin.config import Config as Parameters
from zhiyin.data.cleaning.base import Rule, TableKind
from zhiyin.data.columns import Columns
from zhiyin.data.reading.collecting import Collector

__all__ = ["SpamTexts", "spam_signs"]

_SIGNS: Final = {
    "an address of a page": re.compile(
        r"(?:https?://|www\.)\S+|\b[\w-]{1,63}\.(?:com|net|cn|top|xyz|ru|info)\b", re.I
    ),
    "an e-mail address": re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}\.\w{2,20}\b"),
    "a telephone number": re.compile(r"(?<![\d.])(?:\+?\d[\s-]?){10,13}(?![\d.])"),
    "an account to write to": re.compile(
        r"(?:微信|威信|薇信|加v|vx|QQ群?|扣扣|公众号|wechat|whats\s?app|telegram|t\.me/|line id)",
        re.I,
    ),
    "a call to act": re.compile(
        r"\b(?:click (?:here|the link)|buy now|order now|limited (?:time )?offer|act now|visit (?:us|our)"
        r"|free (?:gift|money|iphone)|earn (?:money|\$)|work from home|promo ?code|best price guaranteed)\b"
        r"|点击(?:链接|购买|领取|查看)|免费领取|加我|代购|返现|刷单|兼职|优惠券|限时(?:抢购|特价|优惠)|包邮|淘宝搜|进店|私信",
        re.I,
    ),
    "letters repeated": re.compile(r"([^\W\d])\1{5,}|([!?$￥！？*~])\2{4,}"),
}  # fmt: skip


class SpamTexts(Rule):
    """Texts of users with several signs of advertising; titles with such signs are named, and kept.

    The signs are patterns, English and Chinese: addresses, numbers, accounts, calls to act, repeated
    letters. One alone is no proof.
    """

    class Config(Parameters):
        """``signs``: how many different signs make a text advertising."""

        signs: int = Field(default=2, ge=1)

    tables: ClassVar[tuple[TableKind, ...]] = ("texts", "items")
    config: Config  # type: ignore[assignment]

    def apply(self, frame: pl.DataFrame, collector: Collector) -> None:
        column = Columns.TITLE if Columns.TITLE in frame.columns else Columns.TEXT
        if column not in frame.columns:
            return
        distinct = frame[column].drop_nulls().unique(maintain_order=True).to_list()
        spam = [text for text in distinct if len(spam_signs(text)) >= self.config.signs]
        wrong = frame[column].is_in(spam).fill_null(False)
        say = collector.note if column == Columns.TITLE else collector.reject
        say(
            np.asarray(wrong.to_numpy()),
            column,
            kind="looks like advertising",
            expected=f"fewer than {self.config.signs} of: {', '.join(_SIGNS)}",
            remedy="Look at it; change or switch off the rule spam-texts if it is honest.",
        )


def spam_signs(text: str) -> list[str]:
    """The signs of advertising in a text, by name.

    Examples
    --------
    >>> spam_signs("加微信 abc123 免费领取优惠券")
    ['an account to write to', 'a call to act']
    >>> spam_signs("Lovely mug, arrived in 3 days, would buy again.")
    []
    """
    return [name for name, pattern in _SIGNS.items() if pattern.search(text[:10_000])]
