"""An item in one line; knows a title, a price and attributes, not where they come from."""

from __future__ import annotations

import math
from collections.abc import Mapping

from zhiyin.safety import sanitise

__all__ = ["item_card", "price_text"]


def item_card(
    title: str | None,
    *,
    attributes: Mapping[str, str | None] | None = None,
    price: float | None = None,
    language: str = "en",
    max_chars: int = 300,
) -> str:
    """Describe an item in one line: title, attributes in their order, price.

    Every part is sanitised; parts that are unknown are left out.

    Parameters
    ----------
    title : str or None
        As in the catalogue.
    attributes : Mapping[str, str or None], optional
        Name -> value, e.g. ``{"category": "kitchen"}``.
    price : float or None
        In the shop's currency, shown with two decimals; None or NaN: unknown.
    language : {"en", "zh"}
        Language of the word for the price.
    max_chars : int
        Longest card.

    Returns
    -------
    str
        One line; "" for an item of which nothing is known.

    Examples
    --------
    >>> item_card("REGENCY TEA PLATE", attributes={"category": "kitchen", "brand": None}, price=2.95)
    'REGENCY TEA PLATE; category: kitchen; price: 2.95'
    >>> item_card("红色茶杯", price=12.0, language="zh")
    '红色茶杯; 价格: 12.00'
    """
    parts = [sanitise(title or "")]
    for name, value in (attributes or {}).items():
        clean = sanitise(value or "")
        if clean:
            parts.append(f"{sanitise(name, max_chars=40)}: {clean}")
    if price is not None and not math.isnan(price):
        parts.append(f"{'价格' if language == 'zh' else 'price'}: {price_text(price)}")
    return sanitise("; ".join(part for part in parts if part), max_chars=max_chars)


def price_text(price: float) -> str:
    """Write a price the way all texts write it, with two decimals.

    Examples
    --------
    >>> price_text(2.5)
    '2.50'
    """
    return f"{price:.2f}"
