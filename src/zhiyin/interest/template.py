"""A description filled from the evidence, English or Chinese; invents nothing by construction."""

from __future__ import annotations

from collections.abc import Callable

from zhiyin.errors import InputError
from zhiyin.interest.evidence import Evidence, EvidenceLine
from zhiyin.interest.records import Claim
from zhiyin.safety import sanitise

__all__ = ["LANGUAGES", "fill_template"]

Phrase = Callable[[tuple[EvidenceLine, ...]], str]


def _names(lines: tuple[EvidenceLine, ...], joiner: str) -> str:
    return joiner.join(sanitise(line.name, max_chars=80) for line in lines)


def _figures(text: str) -> list[str]:
    return [part for part in text.replace(",", " ").split() if part[0].isdigit()]


_ENGLISH: dict[str, Phrase] = {
    "topic": lambda lines: f"Often buys {_names(lines[:3], ', ')}.",
    "attribute": lambda lines: f"Prefers {_names(lines[:2], ', ')}.",
    "product": lambda lines: f"Recently bought {_names(lines[:2], '; ')}.",
    "price": lambda lines: f"Usually pays {lines[0].value}.",
    "activity": lambda lines: "Bought {} products on {} days.".format(*_figures(lines[0].value)),
    "recency": lambda lines: f"Last seen {lines[0].value}.",
}
_CHINESE: dict[str, Phrase] = {
    "topic": lambda lines: f"常买{_names(lines[:3], '、')}。",
    "attribute": lambda lines: f"偏好{_names(lines[:2], '、')}。",
    "product": lambda lines: f"最近买了{_names(lines[:2], ';')}。",
    "price": lambda lines: "通常花费{}到{},中位数{}。".format(*_figures(lines[0].value)),
    "activity": lambda lines: "在{1}天里买了{0}件商品。".format(*_figures(lines[0].value)),
    "recency": lambda lines: "上次出现在{}天前。".format(*_figures(lines[0].value)),
}
LANGUAGES: dict[str, dict[str, Phrase]] = {"en": _ENGLISH, "zh": _CHINESE}


def fill_template(evidence: Evidence, *, language: str = "en") -> tuple[Claim, ...]:
    """One claim a kind of evidence, each with the items behind it.

    Raises
    ------
    InputError
        When the language has no template.
    """
    if language not in LANGUAGES:
        raise InputError("No template in this language", expected=", ".join(LANGUAGES), received=language)
    claims = []
    for kind, phrase in LANGUAGES[language].items():
        lines = evidence.of(kind)
        if lines:
            items = tuple(dict.fromkeys(item for line in lines for item in line.items))
            claims.append(Claim(phrase(lines), items))
    return tuple(claims)
