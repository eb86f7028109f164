"""Text -> words for lexical methods, English and Chinese; knows no vocabulary."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import resources
from typing import Final

import rjieba

__all__ = ["content_words", "is_chinese", "stop_words", "word_spans", "words"]

HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_PIECES: Final = re.compile(
    rf"(?P<han>[{HAN}]+)|(?P<number>\d+(?:[.,]\d+)+)|(?P<word>[^\W_{HAN}]+(?:['’][^\W_{HAN}]+)*)"
)
_HAN: Final = re.compile(f"[{HAN}]")
_KANA: Final = re.compile("[\u3040-\u30ff]")


def words(text: str) -> list[str]:
    """Split a text into words, in order, with repeats.

    Unicode NFKC and case folding; words of letters and digits (an English possessive "'s" is
    dropped), numbers with their points and commas, runs of Chinese characters cut by jieba;
    punctuation and symbols are left out.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    list of str
        Lower-case words; empty for a text without letters and digits.

    Notes
    -----
    Chinese: jieba's dictionary and hidden Markov model (github.com/fxsjy/jieba), by rjieba.

    Examples
    --------
    >>> words("Women's RED mug, 3.5 cm (85123A)")
    ['women', 'red', 'mug', '3.5', 'cm', '85123a']
    >>> words("复古红色蜡烛台 2个")
    ['复古', '红色', '蜡烛台', '2', '个']
    """
    normal = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    found: list[str] = []
    for match in _PIECES.finditer(normal):
        piece = match.group()
        if match.lastgroup == "han":
            found.extend(rjieba.cut(piece))
        else:
            found.append(piece.replace("’", "'").removesuffix("'s"))
    return found


def word_spans(text: str) -> list[tuple[int, int, str]]:
    """Where the words of a text stand: (start, end, word as ``words`` gives it), in order.

    Examples
    --------
    >>> word_spans("A RED mug")
    [(0, 1, 'a'), (2, 5, 'red'), (6, 9, 'mug')]
    """
    found: list[tuple[int, int, str]] = []
    for match in _PIECES.finditer(text):
        start = match.start()
        pieces = rjieba.cut(match.group()) if match.lastgroup == "han" else [match.group()]
        for piece in pieces:
            spelled = words(piece)
            if spelled:
                found.append((start, start + len(piece), "".join(spelled)))
            start += len(piece)
    return found


@cache
def stop_words(language: str) -> frozenset[str]:
    """Words that carry grammar and no subject, of a language; none where we have no list.

    Examples
    --------
    >>> "the" in stop_words("en"), "的" in stop_words("zh"), len(stop_words("tlh"))
    (True, True, 0)
    """
    path = resources.files("zhiyin.text") / "stopwords" / f"{language}.txt"
    if not (language.isalpha() and path.is_file()):
        return frozenset()
    return frozenset(path.read_text("utf-8").split())


def content_words(text: str) -> list[str]:
    """The words of a text without English and Chinese stop words, in order, with repeats.

    Examples
    --------
    >>> content_words("the red candle holder"), content_words("红色的蜡烛台")
    (['red', 'candle', 'holder'], ['红色', '蜡烛台'])
    """
    stops = stop_words("en") | stop_words("zh")
    return [one for one in words(text) if one not in stops]


def is_chinese(text: str) -> bool:
    """Whether a text is mainly Chinese: at least as many Chinese characters as other words.

    A text with much kana is Japanese, so not Chinese.

    Examples
    --------
    >>> is_chinese("iPhone 手机壳"), is_chinese("RED MUG"), is_chinese("かわいいカップ")
    (True, False, False)
    """
    han = len(_HAN.findall(text))
    kana = len(_KANA.findall(text))
    others = sum(match.lastgroup == "word" for match in _PIECES.finditer(text))
    return han > 0 and han >= others and kana * 4 < han
