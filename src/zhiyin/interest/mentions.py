"""Where a text names something of the evidence, name by name; knows no grammar and no figures.

Only complete names count: a topic, the value of an attribute, the title of a product. A part of a
title ("chocolate" of "CHOCOLATE HOT WATER BOTTLE") would claim something else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from zhiyin.interest.evidence import Evidence, EvidenceLine
from zhiyin.safety import sanitise

__all__ = ["HAN", "MENTION", "Names", "Reading", "Token", "names_of", "readings", "spoken_name", "tokens"]

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
MENTION = "[\ue000-\uf8ff]"  # private use: the n-th mention of a text is chr(FIRST + n)
FIRST, LAST = 0xE000, 0xF8FF
SPOKEN = 80  # characters of a name in a sentence
MAX_DOUBTS = 6  # names read both ways: at most 64 readings
LONGEST = 400  # tokens of a text that is read more than one way
_TOKEN = re.compile(
    rf"(?<![^\W_{HAN}])[0-9]+(?:[.,][0-9]+)*(?![^\W_{HAN}])|[^\W_{HAN}]+|[{HAN}]|\n|[^\w\s]|_"
)
_DIGIT = re.compile("[0-9]")
_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True)
class Token:
    """A word, a number, a Chinese character or a mark; ``at`` and ``end`` are its place in the text."""

    text: str
    at: int
    end: int


@dataclass(frozen=True)
class Reading:
    """Tokens joined by spaces, each mention being one private-use character.

    ``mentions``: the evidence lines that the n-th mention may stand for; ``spans``: its place.
    """

    text: str
    mentions: tuple[tuple[EvidenceLine, ...], ...]
    spans: tuple[tuple[int, int], ...]

    def lines(self, character: str) -> tuple[EvidenceLine, ...]:
        """The lines behind one private-use character."""
        return self.mentions[ord(character) - FIRST]


Name = tuple[tuple[str, ...], EvidenceLine]
Names = dict[str, tuple[Name, ...]]


def tokens(text: str) -> list[Token]:
    """The tokens of a text, each in NFKC and without case; only a line break counts as white space."""
    return [Token(_plain(match.group()), match.start(), match.end()) for match in _TOKEN.finditer(text)]


def _plain(text: str) -> str:
    normal = unicodedata.normalize("NFKC", text).casefold()
    # A superscript or a circled figure must not become a digit: "5²" is not 52.
    return normal if text.isascii() or not _DIGIT.search(normal) else text


def spoken_name(line: EvidenceLine) -> str:
    """The name of a line as a sentence shows it: one line of safe text, shortened."""
    return sanitise(line.name, max_chars=SPOKEN)


@lru_cache(maxsize=8)
def names_of(evidence: Evidence) -> Names:
    """Every way to name a topic, an attribute or a product, by the form of its first token."""
    found: dict[str, dict[Name, None]] = {}
    for line in evidence.lines:
        for text in _variants(line):
            parts = tuple(token.text for token in tokens(text))
            for first in _forms(parts[0]) if parts else ():
                found.setdefault(first, {})[parts, line] = None
    return {first: tuple(names) for first, names in found.items()}


def readings(text: str, names: Names, plain: frozenset[str]) -> Iterator[Reading]:
    """The ways to read a text, the one with all mentions first.

    A name that is made of plain words of buying, of numbers or of marks alone (a title "DAY") may
    also not be a name, so that "on 5 days" can be read; that is tried for the first six of them.
    """
    if any(unicodedata.category(character) == "Co" for character in text):
        return
    yield from _read(tokens(text), names, plain)


def _variants(line: EvidenceLine) -> tuple[str, ...]:
    if line.kind in {"topic", "product"}:
        return tuple(dict.fromkeys((spoken_name(line), sanitise(line.name))))
    if line.kind != "attribute":
        return ()
    name, _, value = line.name.partition(": ")
    full = (spoken_name(line), sanitise(f"{name} {value}"))
    # "11" and "11 products" are a number, never an attribute.
    bare = (sanitise(value), sanitise(f"{value} {name}")) if _LETTER.search(value) else ()
    return (*full, *bare)


def _forms(word: str) -> tuple[str, ...]:
    """A word and its plain singular or plural, so that "candles" may stand for "candle"."""
    if not (word.isascii() and word.isalpha()) or len(word) < 3:
        return (word,)
    if word.endswith("s"):
        return (word,) if word.endswith("ss") else (word, word[:-1])
    return (word, f"{word}s")


def _read(found: Sequence[Token], names: Names, plain: frozenset[str]) -> Iterator[Reading]:
    parts: list[str] = []
    mentions: list[tuple[EvidenceLine, ...]] = []
    spans: list[tuple[int, int]] = []

    def walk(at: int, doubts: int) -> Iterator[Reading]:
        depth = len(parts), len(mentions)
        while at < len(found):
            size, lines = _longest(found, at, names)
            if size == 0 or FIRST + len(mentions) > LAST:
                parts.append(found[at].text)
                at += 1
                continue
            here = len(parts), len(mentions)
            parts.append(chr(FIRST + len(mentions)))
            mentions.append(lines)
            spans.append((found[at].at, found[at + size - 1].end))
            if doubts < MAX_DOUBTS and _is_plain(found[at : at + size], plain):
                doubts += 1
                yield from walk(at + size, doubts)
                del parts[here[0] :], mentions[here[1] :], spans[here[1] :]
                parts.append(found[at].text)
                at += 1
            else:
                at += size
        yield Reading(" ".join(parts), tuple(mentions), tuple(spans))
        del parts[depth[0] :], mentions[depth[1] :], spans[depth[1] :]

    return walk(0, 0 if len(found) <= LONGEST else MAX_DOUBTS)


def _is_plain(found: Sequence[Token], plain: frozenset[str]) -> bool:
    return all(not _LETTER.search(token.text) or set(_forms(token.text)) & plain for token in found)


def _longest(found: Sequence[Token], at: int, names: Names) -> tuple[int, tuple[EvidenceLine, ...]]:
    """Length in tokens of the longest name that starts here, and all lines of that name.

    Where the very name is there, another that differs in singular and plural is not meant.
    """
    size, lines = 0, dict[EvidenceLine, bool]()
    for parts, line in names.get(found[at].text, ()):
        said = tuple(token.text for token in found[at : at + len(parts)])
        if len(parts) < size or len(said) < len(parts):
            continue
        if all(word in _forms(part) for word, part in zip(said, parts, strict=True)):
            if len(parts) > size:
                size, lines = len(parts), {}
            lines[line] = lines.get(line, False) or said == parts
    exact = tuple(line for line, same in lines.items() if same)
    return size, exact or tuple(lines)
