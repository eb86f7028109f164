"""An item in one line; knows a title, a price and attributes, not where they come from."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from zhiyin.errors import InputError
from zhiyin.safety import sanitise
from zhiyin.text.lexicon import word

__all__ = ["item_card", "price_text"]


def item_card(
    title: str | None,
    *,
    attributes: Mapping[str, str | None] | None = None,
    price: float | None = None,
    band: str | None = None,
    description: str | None = None,
    language: str = "en",
    max_chars: int = 300,
    max_tokens: int | None = None,
    count_tokens: Callable[[str], int] | None = None,
) -> str:
    """Describe an item in one line: title, attributes in their order, price and its band, description.

    Every part is sanitised; parts that are unknown are left out. Over the budget, parts go from the last
    on; a title that is too long alone is cut at words.

    Parameters
    ----------
    title : str or None
        As in the catalogue.
    attributes : Mapping[str, str or None], optional
        Name -> value, e.g. ``{"category": "kitchen"}``.
    price : float or None
        In the shop's currency, shown with two decimals; None or NaN: unknown.
    band : str or None
        The price in words, such as ``price_band`` gives.
    description : str or None
        Whatever length; shortened to what is left of ``max_chars``.
    language : {"en", "zh"}
        Language of the word for the price.
    max_chars : int
        Longest card.
    max_tokens : int or None
        Budget of the card, >= 1.
    count_tokens : callable
        Text -> number of tokens; required with ``max_tokens``.

    Returns
    -------
    str
        One line; "" for an item of which nothing is known.

    Raises
    ------
    InputError
        When a budget comes without ``count_tokens``.

    Examples
    --------
    >>> item_card("REGENCY TEA PLATE", attributes={"category": "kitchen", "brand": None}, price=2.95)
    'REGENCY TEA PLATE; category: kitchen; price: 2.95'
    >>> item_card("红色茶杯", price=12.0, language="zh")
    '红色茶杯; 价格: 12.00'
    >>> item_card("RED MUG", price=2.5, description="Holds tea.", max_tokens=4,
    ...     count_tokens=lambda text: len(text.split()))
    'RED MUG; price: 2.50'
    """
    if max_tokens is not None and count_tokens is None:
        raise InputError("max_tokens needs count_tokens", hint="Pass count_tokens=lm.count_tokens.")
    parts = [sanitise(title or "")]
    for name, value in (attributes or {}).items():
        clean = sanitise(value or "")
        if clean:
            parts.append(f"{sanitise(name, max_chars=40)}: {clean}")
    known = price is not None and not math.isnan(price)
    said = [price_text(price)] if known and price is not None else []
    said += [sanitise(band, max_chars=40)] if band else []
    if said:
        parts.append(f"{word('price', language)}: {', '.join(said)}")
    if description:
        parts.append(sanitise(description, max_chars=max_chars))
    parts = [part for part in parts if part]
    card = sanitise("; ".join(parts), max_chars=max_chars)
    if max_tokens is None or count_tokens is None:
        return card
    return _within(parts, max_chars, max_tokens, count_tokens)


def _within(parts: list[str], max_chars: int, max_tokens: int, count_tokens: Callable[[str], int]) -> str:
    """The first parts that keep the budget; a first part that does not keeps as many words as do."""
    for kept in range(len(parts), 0, -1):
        card = sanitise("; ".join(parts[:kept]), max_chars=max_chars)
        if count_tokens(card) <= max_tokens:
            return card
    spoken = parts[0].split(" ") if parts else []
    low, high = 0, len(spoken)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (
            (middle, high) if count_tokens(" ".join(spoken[:middle])) <= max_tokens else (low, middle - 1)
        )
    return " ".join(spoken[:low])


def price_text(price: float) -> str:
    """Write a price the way all texts write it, with two decimals.

    Examples
    --------
    >>> price_text(2.5)
    '2.50'
    """
    return f"{price:.2f}"
