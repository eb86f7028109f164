"""Is every product, brand, price and number of a sentence in the evidence? Knows no model.

The check is made to refuse: every word must be neutral (a closed list of words that claim
nothing) or stand in the evidence; neighbouring words of the evidence must stand together in one
line of it, so that "paper lantern" is not made of "paper chain" and "lantern"; every number must
be a number of the evidence, next to its own unit.
"""

from __future__ import annotations

import re
from functools import lru_cache
from importlib import resources

from zhiyin.interest.evidence import Evidence, EvidenceLine
from zhiyin.interest.records import Claim
from zhiyin.text import words

__all__ = ["check_sentence", "split_sentences", "verified_claims"]

_NUMBER = re.compile(r"[£$€¥]?\d+(?:[.,]\d+)*%?")
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s*(?=\S)(?!\d)|\n+")
_DAYS = re.compile(r"\s*(?:different\s+)?(?:days?\b|天)")
_MONEY = frozenset(
    "price prices pay pays paid cost costs spend spends median 花 花费 支付 消费 价格 中位数".split()
)
_RECENCY = frozenset("ago last seen latest since 前 天前 上次 最近一次".split())


def split_sentences(text: str) -> list[str]:
    """Sentences of English or Chinese text, without empty ones."""
    return [part.strip() for part in _SENTENCE.split(text) if part and part.strip()]


def check_sentence(sentence: str, evidence: Evidence) -> str | None:
    """Why a sentence is not supported, or None where it is.

    Examples
    --------
    >>> from zhiyin.interest.evidence import EvidenceLine
    >>> line = EvidenceLine("topic", "candle holder", "3 of 9 products", 1.0, 3, ("a", "b", "c"))
    >>> check_sentence("Often buys a candle holder.", Evidence("u", (line,))) is None
    True
    >>> check_sentence("Often buys bicycles.", Evidence("u", (line,)))
    "'bicycles' is not in the evidence"
    """
    return _check_numbers(sentence, evidence) or _check_words(sentence, evidence)


def verified_claims(text: str, evidence: Evidence) -> tuple[tuple[Claim, ...], tuple[str, ...]]:
    """The supported sentences as claims with the items behind them, and the others with reasons."""
    claims: list[Claim] = []
    rejected: list[str] = []
    for sentence in split_sentences(text):
        reason = check_sentence(sentence, evidence)
        behind = _behind(sentence, evidence)
        if reason is None and not behind:
            reason = "it names nothing of the evidence"
        if reason is None:
            claims.append(Claim(sentence, behind))
        else:
            rejected.append(f"{sentence} ({reason})")
    return tuple(claims), tuple(rejected)


@lru_cache(maxsize=1)
def neutral_words() -> frozenset[str]:
    """Words that claim nothing: function words and the plainest words about buying."""
    folder = resources.files("zhiyin.interest")
    text = "\n".join((folder / name).read_text("utf-8") for name in ("neutral.en.txt", "neutral.zh.txt"))
    return frozenset(word for line in text.splitlines() if not line.startswith("#") for word in line.split())


def _terms(line: EvidenceLine) -> frozenset[str]:
    return frozenset(form for word in words(line.name) for form in _forms(word))


def _forms(word: str) -> set[str]:
    """A word and its plain singular or plural, so that "candles" may stand for "candle"."""
    if not word.isascii() or len(word) < 4:
        return {word}
    if word.endswith("s") and not word.endswith("ss"):
        return {word, word[:-1]}
    return {word, f"{word}s"}


def _check_words(sentence: str, evidence: Evidence) -> str | None:
    lines = [_terms(line) for line in evidence.lines]
    known = frozenset().union(*lines) if lines else frozenset()
    plain = _NUMBER.sub(" ", sentence)
    # A comma or another mark ends a run: "paper, lantern" are two claims.
    for part in re.split(r"[,;:.!?()，、；：。！？（）\"“”]|\s[-–—]\s|(?<![^\s])and(?![^\s])|和|与", plain):
        run: list[str] = []
        for word in words(part):
            if word in known:
                run.append(word)
                if not any(all(term in terms for term in run) for terms in lines):
                    return f"'{' '.join(run)}' does not stand together in the evidence"
            elif word in neutral_words():
                run = []
            else:
                return f"'{word}' is not in the evidence"
    return None


def _check_numbers(sentence: str, evidence: Evidence) -> str | None:
    named = {n for line in evidence.of("product") if _is_named(line, sentence) for n in _numbers(line.name)}
    for match in _NUMBER.finditer(sentence):
        text = match.group()
        allowed = _allowed_numbers(sentence, text, match.end(), evidence) | named
        if text.endswith("%") or text[0] in "£$€¥" or _plain(text) not in allowed:
            return f"the number {text} is not in the evidence"
    return None


def _allowed_numbers(sentence: str, text: str, end: int, evidence: Evidence) -> set[str]:
    """The numbers that may stand here, by what the sentence is about."""
    said = set(words(sentence))
    if "." in text or said & _MONEY:
        return {n for line in evidence.of("price") for n in _numbers(line.value)}
    if said & _RECENCY:
        return {n for line in evidence.of("recency") for n in _numbers(line.value)}
    days = _DAYS.match(sentence[end:]) is not None
    # "57 on 12 days": the last number counts days, the first one products.
    allowed = {
        _plain(figures[-1 if days else 0])
        for line in evidence.of("activity")
        if (figures := _NUMBER.findall(line.value))
    }
    for line in (*evidence.of("topic"), *evidence.of("attribute")):
        if not days and _is_named(line, sentence):
            allowed |= _numbers(line.value)
    return allowed


def _numbers(text: str) -> set[str]:
    return {_plain(match.group()) for match in _NUMBER.finditer(text)}


def _plain(number: str) -> str:
    bare = number.strip("£$€¥%").replace(",", "")
    return bare.rstrip("0").rstrip(".") if "." in bare else bare


def _subject(line: EvidenceLine) -> str:
    return line.name.partition(": ")[2] if line.kind == "attribute" else line.name


def _is_named(line: EvidenceLine, sentence: str) -> bool:
    said = set(words(sentence))
    terms = set(words(_subject(line)))
    return bool(terms) and all(_forms(term) & said for term in terms)


def _behind(sentence: str, evidence: Evidence) -> tuple[str, ...]:
    numbers = _numbers(sentence)
    items: dict[str, None] = {}
    for line in evidence.lines:
        figures = line.kind in {"price", "activity", "recency"}
        if (figures and _numbers(line.value) & numbers) or (not figures and _is_named(line, sentence)):
            items.update(dict.fromkeys(line.items))
    return tuple(items)
