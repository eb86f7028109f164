"""Does the evidence hold what a sentence says? Knows no model and no user.

The check is made to refuse. A sentence passes only if it can be read, as a whole, as statements of
a closed grammar (:mod:`zhiyin.interest.grammar`) about complete names of the evidence
(:mod:`zhiyin.interest.mentions`), and if each statement follows from the lines that it uses:
"often" and "prefers" need a topic or an attribute, "recently" a recent product, every number the
figure of its own line in its own unit. A true sentence in other words is refused too.
"""

from __future__ import annotations

import re
from decimal import Decimal

from zhiyin.interest.evidence import Evidence, EvidenceLine, figures
from zhiyin.interest.grammar import PLAIN_WORDS, Clause, Item, clauses
from zhiyin.interest.mentions import Reading, names_of, readings, tokens
from zhiyin.interest.records import Claim

__all__ = ["check_sentence", "split_sentences", "verified_claims"]

Lines = tuple[EvidenceLine, ...]

# A Latin full stop ends a sentence before white space only, a Chinese one always.
_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])\s*(?=\S)|\s*\n\s*")
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
_FIGURE = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_WORD = re.compile(r"[^\W_]+")


def split_sentences(text: str, evidence: Evidence | None = None) -> list[str]:
    """Sentences of English or Chinese text, without empty ones.

    With ``evidence``, a full stop inside one of its names ends no sentence.

    Examples
    --------
    >>> split_sentences("Usually pays 1.25 to 2.95. 常买茶杯。上次出现在7天前。")
    ['Usually pays 1.25 to 2.95.', '常买茶杯。', '上次出现在7天前。']
    """
    first = None if evidence is None else next(readings(text, names_of(evidence), PLAIN_WORDS), None)
    spans = () if first is None else first.spans
    parts, start = [], 0
    for match in _END.finditer(text):
        # White space after a name's own full stop lies outside of the name.
        inside = match.start() - (match.start() == match.end())
        if not any(begin < inside + 1 and inside < end for begin, end in spans):
            parts.append(text[start : match.start()])
            start = match.end()
    return [part.strip() for part in (*parts, text[start:]) if part.strip()]


def check_sentence(sentence: str, evidence: Evidence) -> str | None:
    """Why a sentence is not supported, or None where it is.

    Parameters
    ----------
    sentence : str
        One sentence, English or Chinese.
    evidence : Evidence
        What the behaviour shows.

    Examples
    --------
    >>> from zhiyin.interest.evidence import EvidenceLine
    >>> line = EvidenceLine("topic", "candle holder", "3 of 9 products", 1.0, 3, ("a", "b", "c"))
    >>> check_sentence("Often buys a candle holder.", Evidence("u", (line,))) is None
    True
    >>> check_sentence("Often buys bicycles.", Evidence("u", (line,)))
    "'bicycles' is not in the evidence"
    """
    return None if _support(sentence, evidence) else _reason(sentence, evidence)


def verified_claims(text: str, evidence: Evidence) -> tuple[tuple[Claim, ...], tuple[str, ...]]:
    """The supported sentences as claims with the items behind them, and the others with reasons."""
    claims: list[Claim] = []
    rejected: list[str] = []
    for sentence in split_sentences(text, evidence):
        lines = _support(sentence, evidence)
        if lines:
            items = dict.fromkeys(item for line in lines for item in line.items)
            claims.append(Claim(sentence, tuple(items)))
        else:
            rejected.append(f"{sentence} ({_reason(sentence, evidence)})")
    return tuple(claims), tuple(rejected)


def _support(sentence: str, evidence: Evidence) -> Lines:
    """The lines that a sentence follows from; empty where it does not follow."""
    for reading in readings(sentence, names_of(evidence), PLAIN_WORDS):
        said = clauses(reading.text)
        if said is None or len({bool(clause.items) for clause in said}) != 1:
            continue  # figures and names in one sentence would lean on each other
        behind = [_clause_support(clause, reading, evidence) for clause in said]
        if all(behind):
            return tuple(dict.fromkeys(line for lines in behind for line in lines))
    return ()


def _clause_support(clause: Clause, reading: Reading, evidence: Evidence) -> Lines:
    if clause.items:
        found = [_item_support(item, clause, reading, evidence) for item in clause.items]
        return tuple(line for lines in found for line in lines) if all(found) else ()
    kind = "price" if clause.kind == "median" else clause.kind
    for line in evidence.of(kind):
        known = figures(line)
        if all(_same(text, known.get(name)) for name, text in _renamed(clause.figures).items()):
            return (line,)
    return ()


def _item_support(item: Item, clause: Clause, reading: Reading, evidence: Evidence) -> Lines:
    lines = reading.lines(item.mention)
    counted = tuple(line for line in lines if line.kind in {"topic", "attribute"})
    if clause.recent:
        plain = item.count is None and item.of is None and clause.past
        return _recent(lines, evidence) if plain else ()
    if item.count is not None or item.of is not None:
        if item.count is not None and (clause.often or clause.habit or not clause.past):
            return ()
        part, whole = item.of or (None, None)
        said = {"part": item.count, "also": part, "whole": whole}
        return tuple(line for line in counted if _counts(said, line))
    if clause.often or clause.habit:
        return tuple(line for line in counted if line.count >= 2)
    return counted if item.tail else lines


def _counts(said: dict[str, str | None], line: EvidenceLine) -> bool:
    known = figures(line)
    known["also"] = known.get("part", "")
    return all(_same(text, known.get(name)) for name, text in said.items() if text is not None)


def _recent(lines: Lines, evidence: Evidence) -> Lines:
    """The recent products that are named, or that hold a named topic."""
    newest = [line for line in evidence.of("product") if line.value == "recent"]
    topics = [_spaced(line.name) for line in lines if line.kind == "topic"]
    return tuple(
        line for line in newest if line in lines or any(topic in _spaced(line.name) for topic in topics)
    )


def _spaced(name: str) -> str:
    return f" {' '.join(token.text for token in tokens(name))} "


def _renamed(said: dict[str, str]) -> dict[str, str]:
    """Purchases and products by one name, whichever form the clause had."""
    other = {"events": "purchases", "kinds": "products"}
    return {other.get(name, name): text for name, text in said.items()}


def _same(said: str, known: str | None) -> bool:
    return known is not None and Decimal(said.replace(",", "")) == Decimal(known)


def _reason(sentence: str, evidence: Evidence) -> str:
    first = next(readings(sentence, names_of(evidence), PLAIN_WORDS), None)
    if first is None:
        return "it holds characters that no text has"
    known = {number for line in evidence.lines for number in figures(line).values()}
    left = [part for part in first.text.split() if part not in PLAIN_WORDS]
    for part in left:
        if _NUMBER.fullmatch(part):
            if not _FIGURE.fullmatch(part) or not any(_same(part, number) for number in known):
                return f"the number {part} is not in the evidence"
        elif _WORD.fullmatch(part) and part != "s" and part.removesuffix("s") not in PLAIN_WORDS:
            return f"'{part}' is not in the evidence"
    if not first.mentions and not any(_NUMBER.fullmatch(part) for part in left):
        return "it names nothing of the evidence"
    return "the evidence does not say this of what it names"
