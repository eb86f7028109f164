"""The closed forms in which a sentence may state evidence, English and Chinese; knows no evidence.

A clause either names something ("often buys M, M") or gives one kind of figure in its full form
("pays 1.25 to 2.95", "bought 9 products on 5 days", "last seen 7 days ago"). What is not such a
form is not read. Texts are token strings of :class:`~zhiyin.interest.mentions.Reading`: one space
between tokens in English, none in Chinese but between two numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from zhiyin.interest.mentions import HAN, MENTION

__all__ = ["PLAIN_WORDS", "Clause", "Item", "clauses"]

M = f"(?P<mention>{MENTION})"
N = r"[0-9]+(?:,[0-9]{3})*"
P = r"[0-9]+(?:\.[0-9]+)?"


@dataclass(frozen=True)
class Item:
    """One mention in a list: its character, the number before it, "n of t", and a noun after it."""

    mention: str
    count: str | None = None
    of: tuple[str, str] | None = None
    tail: bool = False


@dataclass(frozen=True)
class Clause:
    """One statement. ``kind``: "names", "share", "price", "median", "activity" or "recency".

    ``often``, ``recent``, ``habit``, ``past``: what the words before a list of names say;
    ``figures``: numbers by name.
    """

    kind: str
    items: tuple[Item, ...] = ()
    often: bool = False
    recent: bool = False
    habit: bool = False
    past: bool = False
    figures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Language:
    opening: re.Pattern[str]
    joiner: re.Pattern[str]
    closing: re.Pattern[str]
    item: re.Pattern[str]
    forms: tuple[tuple[str, re.Pattern[str]], ...]


def _forms(item: str, patterns: dict[str, str]) -> tuple[tuple[str, re.Pattern[str]], ...]:
    bare = re.sub(r"\?P<\w+>", "?:", item)
    return tuple((kind, re.compile(text.replace("ITEM", bare))) for kind, text in patterns.items())


_EN_ITEM = (
    rf"(?:(?P<count>{N}) |(?:a |an |the |some )?(?:(?:products|items) (?:such as|like) )?)?{M}"
    rf"(?P<tail> (?:products?|items?))?(?: \( (?P<n>{N}) of (?P<t>{N}) (?:products|items) \))?"
)
_EN_BUY = "bought|purchased|has bought|has purchased|have bought|have purchased"
_EN_SOLD = "(?:different |distinct )?(?:products?|items?)"
_EN = _Language(
    opening=re.compile(r"(?:[-*•] )?(?:(?:(?:(?:the|this) )?(?:customer|user|buyer|shopper)|they) )?"),
    joiner=re.compile(r" (?:, and|; and|and|,|;) (?:they )?"),
    closing=re.compile(r"(?: [.!。！])?$"),
    item=re.compile(_EN_ITEM),
    forms=_forms(
        _EN_ITEM,
        {
            "names": r"(?:(?P<often>often|frequently|regularly|usually) |(?P<recent>recently|lately) )?"
            rf"(?:(?P<past>{_EN_BUY})|(?P<habit>prefers?|tends? to (?:buy|prefer))"
            r"|buys?|purchases?|likes?|enjoys?|chooses?|picks?|is interested in|are interested in) "
            r"(?P<list>ITEM(?: (?:, and|and|,|;) ITEM)*)",
            "share": rf"(?P<n>{N}) of (?:the )?(?P<t>{N}) (?:products|items) (?:are|were) {M}",
            "price": rf"(?:usually |typically )?(?:pays?|paid) (?:from )?(?P<low>{P}) (?:to|-|–) "
            rf"(?P<high>{P})(?:(?: ,| with)(?: a| the)? median(?: of)? (?P<middle>{P}))?"
            r"(?: (?:per|for a|for each) (?:product|item))?",
            "median": rf"(?:the )?median price (?:is|was) (?P<middle>{P})",
            "activity": rf"(?:(?:{_EN_BUY}) (?P<products>{N}) {_EN_SOLD}"
            rf"(?: in (?P<purchases>{N}) purchases?)?|(?:made|has made) (?P<events>{N}) purchases?"
            rf"(?: of (?P<kinds>{N}) {_EN_SOLD})?)(?: on (?P<days>{N}) (?:different )?days?)?",
            "recency": rf"(?:was )?last (?:seen|active) (?P<ago>{N}) days? ago",
        },
    ),
)
_ZH_ITEM = rf"(?:(?P<count>{N})[件种款])?{M}(?P<tail>(?:类|等)?(?:商品|产品))?"
_ZH_BUY = "购买了|购买过|买了|买过"
_ZH = _Language(
    opening=re.compile(r"(?:[-*•])?(?:(?:这位|该|这名|此)?(?:用户|顾客|客户|买家))?(?:曾经|曾)?"),
    joiner=re.compile(r"[,;、](?:并且|并)?|并且|并"),
    closing=re.compile(r"[.!。！]?$"),
    item=re.compile(_ZH_ITEM),
    forms=_forms(
        _ZH_ITEM,
        {
            "names": r"(?:(?P<often>经常|常常|时常|通常|常)|(?P<recent>最近|近期))?"
            rf"(?:(?P<past>{_ZH_BUY})|(?P<habit>偏好|偏爱)|购买|选购|买|喜欢|喜爱)"
            r"(?P<list>ITEM(?:(?:[,;、和与及]|以及)ITEM)*)",
            "share": rf"(?P<t>{N})[件种款](?:商品|产品)(?:中|里)有(?P<n>{N})[件种款]是{M}",
            "price": rf"(?:通常|一般)?(?:每件)?(?:花费|支付)(?P<low>{P})(?:到|至|-|~)(?P<high>{P})"
            rf"(?:,(?:价格)?中位数(?:为|是)?(?P<middle>{P}))?",
            "median": rf"价格(?:的)?中位数(?:为|是)(?P<middle>{P})",
            "activity": rf"(?:在?(?P<days>{N})天(?:里|内|中))?(?:分(?P<purchases>{N})次)?"
            rf"(?:{_ZH_BUY}|购买)(?P<products>{N})[件种款](?:不同的?)?(?:商品|产品)",
            "recency": rf"(?:上次|最近一次|最后一次)(?:出现|活跃)(?:是在|是|在)?(?P<ago>{N})天前",
        },
    ),
)
_GAPS = re.compile(r"(?<![0-9]) | (?![0-9])")
_HAN = re.compile(f"[{HAN}]")


def _words_of(language: _Language) -> Iterator[str]:
    patterns = (language.opening, language.joiner, *(pattern for _, pattern in language.forms))
    for pattern in patterns:
        text = re.sub(r"\?P<\w+>|\[[^]]*-[^]]*\]", " ", pattern.pattern)
        yield from re.findall(rf"[a-z]+|[{HAN}]", text)


# Every word of the forms above, with "s?" undone by the reader of names.
PLAIN_WORDS = frozenset(word for language in (_EN, _ZH) for word in _words_of(language))


def clauses(text: str) -> tuple[Clause, ...] | None:
    """The statements of one sentence, or None where it is not made of the known forms.

    Examples
    --------
    >>> [clause.figures for clause in clauses("last seen 7 days ago .") or ()]
    [{'ago': '7'}]
    >>> clauses("hates ponies .") is None
    True
    """
    chinese = _HAN.search(text) is not None
    language = _ZH if chinese else _EN
    text = _GAPS.sub("", text) if chinese else text
    start = language.opening.match(text)
    at = start.end() if start else 0
    found: list[Clause] = []
    while True:
        step = _clause(text, at, language)
        if step is None:
            return None
        found.append(step[0])
        at = step[1]
        if language.closing.match(text, at):
            return tuple(found)
        join = language.joiner.match(text, at)
        if join is None:
            return None
        at = join.end()


def _clause(text: str, at: int, language: _Language) -> tuple[Clause, int] | None:
    for kind, pattern in language.forms:
        match = pattern.match(text, at)
        if match is not None and _ends(text, match.end(), language):
            return _as_clause(kind, match.groupdict(), language), match.end()
    return None


def _ends(text: str, at: int, language: _Language) -> bool:
    return bool(language.closing.match(text, at) or language.joiner.match(text, at))


def _as_clause(kind: str, groups: dict[str, str | None], language: _Language) -> Clause:
    said = {name for name, text in groups.items() if text is not None}
    listed = groups.get("list")
    if listed is not None:
        items = tuple(
            Item(one["mention"], one["count"], _of(one.groupdict()), one["tail"] is not None)
            for one in language.item.finditer(listed)
        )
        return Clause(
            kind,
            items,
            often="often" in said,
            recent="recent" in said,
            habit="habit" in said,
            past="past" in said,
        )
    mention = groups.get("mention")
    if mention is not None:
        return Clause(kind, (Item(mention, None, _of(groups)),))
    return Clause(kind, figures={name: text for name, text in groups.items() if text is not None})


def _of(groups: dict[str, str | None]) -> tuple[str, str] | None:
    part, whole = groups.get("n"), groups.get("t")
    return None if part is None or whole is None else (part, whole)
