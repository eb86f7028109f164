"""A description filled from the evidence, English or Chinese; invents nothing by construction."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from zhiyin.errors import InputError
from zhiyin.interest.evidence import Evidence, EvidenceLine, figures
from zhiyin.interest.mentions import spoken_name
from zhiyin.interest.records import Claim

__all__ = ["LANGUAGES", "fill_template"]

Lines = tuple[EvidenceLine, ...]
Phrase = Callable[[Lines], str]

# How many lines of a kind are shown; a claim cites the items of these only.
SHOWN: Mapping[str, int] = {"topic": 3, "attribute": 2, "product": 2}


def _names(lines: Lines, joiner: str) -> str:
    return joiner.join(spoken_name(line) for line in lines)


def _chinese_activity(lines: Lines) -> str:
    said = figures(lines[0])
    days = f"在{said['days']}天里" if "days" in said else ""
    times = f"分{said['purchases']}次" if said["purchases"] != said["products"] else ""
    return f"{days}{times}买了{said['products']}种商品。"


_ENGLISH: dict[str, Phrase] = {
    "topic": lambda lines: f"{'Often buys' if lines[0].count > 1 else 'Bought'} {_names(lines, ', ')}.",
    "attribute": lambda lines: f"Prefers {_names(lines, ', ')}.",
    "product": lambda lines: (
        f"{'Recently bought' if lines[0].value == 'recent' else 'Bought'} {_names(lines, '; ')}."
    ),
    "price": lambda lines: f"Usually pays {lines[0].value}.",
    "activity": lambda lines: f"Bought {lines[0].value}.",
    "recency": lambda lines: f"Last seen {lines[0].value}.",
}
_CHINESE: dict[str, Phrase] = {
    "topic": lambda lines: f"{'常买' if lines[0].count > 1 else '买过'}{_names(lines, '、')}。",
    "attribute": lambda lines: f"偏好{_names(lines, '、')}。",
    "product": lambda lines: f"{'最近买了' if lines[0].value == 'recent' else '买过'}{_names(lines, ';')}。",
    "price": lambda lines: "通常花费{low}到{high},中位数{middle}。".format(**figures(lines[0])),
    "activity": _chinese_activity,
    "recency": lambda lines: "上次出现在{ago}天前。".format(**figures(lines[0])),
}
LANGUAGES: dict[str, dict[str, Phrase]] = {"en": _ENGLISH, "zh": _CHINESE}


def fill_template(evidence: Evidence, *, language: str = "en") -> tuple[Claim, ...]:
    """One claim a kind of evidence, each with the items of the lines that it shows.

    Raises
    ------
    InputError
        When the language has no template.
    """
    if language not in LANGUAGES:
        raise InputError("No template in this language", expected=", ".join(LANGUAGES), received=language)
    claims = []
    for kind, phrase in LANGUAGES[language].items():
        lines = _shown(kind, evidence)
        if lines:
            items = tuple(dict.fromkeys(item for line in lines for item in line.items))
            claims.append(Claim(phrase(lines), items))
    return tuple(claims)


def _shown(kind: str, evidence: Evidence) -> Lines:
    lines = evidence.of(kind)
    if kind not in SHOWN:
        return lines[:1]
    # A title may be invisible characters alone. What was bought once is not bought often.
    lines = tuple(line for line in lines if spoken_name(line))
    repeated = tuple(line for line in lines if line.count > 1) if kind == "topic" else ()
    return (repeated or lines)[: SHOWN[kind]]
