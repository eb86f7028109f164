"""The words around data, by language: event types, ratings, prices; knows no item."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from zhiyin.errors import InputError
from zhiyin.safety import sanitise

__all__ = ["event_words", "price_band", "rating_words", "word"]


@cache
def _lexicon(language: str) -> Mapping[str, Any]:
    path = resources.files("zhiyin.text") / "lexicon" / f"{language}.toml"
    if not path.is_file():
        raise InputError("No words in this language", expected="en, zh", received=repr(language))
    found: Mapping[str, Any] = tomllib.loads(path.read_text("utf-8"))
    return found


def word(name: str, language: str) -> str:
    """One word, such as that for the price.

    Examples
    --------
    >>> word("price", "zh")
    '价格'
    """
    found: str = _lexicon(language)[name]
    return found


def event_words(event: str, language: str) -> str:
    """An event type in words; one that is not known as it is spelled, sanitised.

    Examples
    --------
    >>> event_words("Add-To-Cart", "en"), event_words("purchase", "zh"), event_words("lent", "en")
    ('put in the basket', '买过', 'lent')
    """
    key = event.strip().casefold().replace("-", "_").replace(" ", "_")
    found: str | None = _lexicon(language)["events"].get(key)
    return sanitise(event, max_chars=40) if found is None else found


def rating_words(value: float, scale: tuple[float, float], language: str) -> str:
    """A rating in words, by its place on the scale.

    Parameters
    ----------
    value : float
    scale : (lowest, highest)
        Of the ratings, lowest < highest; values beyond it count as its ends.
    language : {"en", "zh"}

    Raises
    ------
    InputError
        When the scale has no length.

    Examples
    --------
    >>> [rating_words(stars, (1, 5), "en") for stars in (1, 2, 3, 4, 5)]
    ['hated', 'disliked', 'found it all right', 'liked', 'loved']
    """
    low, high = scale
    if not low < high:
        raise InputError("The scale has no length", expected="lowest < highest", received=str(scale))
    share = (value - low) / (high - low)
    ratings = _lexicon(language)["ratings"]
    chosen: str = next((one["word"] for one in ratings if share >= one["from"]), ratings[-1]["word"])
    return chosen


def price_band(price: float, bounds: tuple[float, float], language: str) -> str:
    """A price in words: below the first bound, between them, or above the second.

    Parameters
    ----------
    price : float
    bounds : (float, float)
        Such as the thirds of the catalogue's prices.

    Examples
    --------
    >>> [price_band(price, (2.0, 5.0), "en") for price in (1.0, 3.0, 9.0)]
    ['cheap', 'mid-priced', 'expensive']
    """
    return word("cheap" if price < bounds[0] else "middle" if price < bounds[1] else "dear", language)
