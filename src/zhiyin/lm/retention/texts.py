"""What a model itself writes on general subjects: what it should go on writing; knows no tuning."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from numpy.random import Generator

from zhiyin.artifacts import read_json, write_text
from zhiyin.caches import content_key
from zhiyin.draws import generator
from zhiyin.errors import ArtifactError, InputError
from zhiyin.lm.causal import CausalLanguageModel
from zhiyin.lm.find import cache_folder
from zhiyin.lm.generation import TransformersWriter
from zhiyin.logs import get_logger, progress
from zhiyin.text.words import HAN

__all__ = ["OwnText", "openings", "own_texts", "with_blanks"]

log = get_logger("retention")
BATCH, HELD = 32, 5
TEMPERATURE = 1.0
LANGUAGES = ("en", "zh")
WORD = re.compile(rf"[{HAN}]|[^\W{HAN}]+")  # a Chinese character, or a word of letters and digits
MARKS = ("___", "[...]", "XXXX", "(?)", "{word}", "[redacted]", "@@", "**", "...", "N/A")
STRUCK = 0.08  # of the words


@dataclass(frozen=True)
class OwnText:
    """What a model was given, and what it wrote after it; texts of others were written whole."""

    opening: str
    written: str

    @property
    def whole(self) -> str:
        """Both."""
        return self.opening + self.written


@lru_cache
def openings(language: str = "en") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Questions that users ask, and beginnings of texts.

    Examples
    --------
    >>> questions, beginnings = openings()
    >>> questions[0], beginnings[0]
    ('Explain how a bicycle stays upright.', 'The old harbour had not seen a ship in')
    """
    if language not in LANGUAGES:
        raise InputError("No openings in this language", expected=", ".join(LANGUAGES), received=language)
    text = (resources.files("zhiyin.lm.retention") / f"openings.{language}.txt").read_text("utf-8")
    _, questions, beginnings = (part.split("\n")[1:] for part in f"\n{text}".split("\n#"))
    return tuple(filter(None, questions)), tuple(filter(None, beginnings))


def own_texts(
    model: CausalLanguageModel,
    *,
    count: int,
    tokens: int = 160,
    language: str = "en",
    held_out: bool = False,
    seed: int = 0,
) -> list[OwnText]:
    """Openings with what the model writes after them, sampled; kept on disk.

    So a penalty on general text needs nobody's corpus. They are drawn from the very weights that are tuned: a
    faster writer rounds them otherwise, and its samples are those of another model.

    Parameters
    ----------
    model : CausalLanguageModel
    count : int
        Texts, >= 1: by turns a question answered and a text gone on with; openings come again with other
        samples.
    tokens : int
        Written after each opening, at most.
    language : {"en", "zh"}
    held_out : bool
        Texts to measure on: they begin otherwise than those to guard on, with every fifth opening.
    seed : int
        Other seeds give other texts.

    Returns
    -------
    list of OwnText
        The openings as the model reads them.
    """
    questions, beginnings = openings(language)
    chats = [model.chat_prompt([{"role": "user", "content": one}]) for one in questions]
    kinds = [
        [one for place, one in enumerate(kind) if (place % HELD == 0) == held_out]
        for kind in (beginnings, chats)
    ]
    turns = [
        generator(seed, place, stream="openings").permutation(kind).tolist()
        for place, kind in enumerate(kinds)
    ]
    asked = [turns[number % 2][number // 2 % len(turns[number % 2])] for number in range(count)]
    made: list[OwnText] = []
    for first in progress(range(0, count, BATCH), "the model writes", total=-(-count // BATCH)):
        told = int(generator(seed, first, stream="texts").integers(2**31))
        made += _written(model, asked[first : first + BATCH], tokens, told)
    return made


def _written(model: CausalLanguageModel, asked: Sequence[str], tokens: int, seed: int) -> list[OwnText]:
    """One batch, each kept for itself: a run that is killed goes on with the next one."""
    key = content_key("own-texts", model.name, list(asked), tokens, seed, TEMPERATURE)
    file = cache_folder() / "texts" / f"{key}.json"
    if file.is_file():
        try:
            return [OwnText(str(opening), str(written)) for opening, written in read_json(file)]
        except (ArtifactError, TypeError, ValueError) as error:
            log.warning("texts that cannot be read are written again", reason=str(error))
    writer = TransformersWriter(model.model, model.tokenizer, batch=BATCH)
    with model.lock:
        written = writer.write(asked, max_tokens=tokens, temperature=TEMPERATURE, seed=seed)
    write_text(file, json.dumps(list(zip(asked, written, strict=True)), ensure_ascii=False))
    return [OwnText(*one) for one in zip(asked, written, strict=True)]


def with_blanks(texts: Sequence[OwnText], *, seed: int = 0) -> list[OwnText]:
    """Half of the texts as they are, then the others with words struck out, as in forms and cleaned corpora.

    A mark that comes again and again is foretold from what stands before it. Tuned models forget that early,
    and no text of a model's own asks for it. Nobody would write so: all of such a text counts as given.

    Parameters
    ----------
    texts : sequence of OwnText
        By turns of two kinds; two of four are taken.
    seed : int
        Which words, and the mark of each text.

    Examples
    --------
    >>> told = with_blanks([OwnText("", "a b c d")] * 2 + [OwnText("Say: ", "one " * 50)])
    >>> [one.written for one in told], sorted(set(told[2].opening.split()))
    (['a b c d', 'a b c d', ''], ['Say:', 'XXXX', 'one'])
    """
    found = [one for place, one in enumerate(texts) if place % 4 < 2]
    for place, one in enumerate(texts):
        if place % 4 >= 2:
            draws = generator(seed, place, stream="blanks")
            mark = MARKS[int(draws.integers(len(MARKS)))]
            found.append(OwnText(one.opening + _struck(one.written, mark, draws), ""))
    return found


def _struck(text: str, mark: str, draws: Generator) -> str:
    return WORD.sub(lambda word: mark if draws.random() < STRUCK else word.group(), text)
