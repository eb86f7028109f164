"""Whether a tuned model still writes and reasons as its base model does; knows no tuning and no users.

Perplexity and divergence are taken on texts that nothing was guarded on. Use relative changes: the texts of
one corpus say little of a model by themselves.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from zhiyin.errors import InputError
from zhiyin.evaluate.generation import bleu, distinct, rouge
from zhiyin.extras import require
from zhiyin.lm.causal import CausalLanguageModel
from zhiyin.lm.generation import TransformersWriter
from zhiyin.lm.retention.divergence import Tokens, compare, read
from zhiyin.text.words import words
from zhiyin.types import BoolArray, FloatArray

__all__ = ["Exam", "Examiner", "Question", "Retention"]

TOKENS = {"en": "13a", "zh": "zh"}


@dataclass(frozen=True)
class Question:
    """A question with choices, one of which is right."""

    query: str
    choices: tuple[str, ...]
    gold: int


@dataclass(frozen=True)
class Exam:
    """What is asked.

    Attributes
    ----------
    texts : sequence of str
        Held-out texts, each at least two tokens; longer ones are cut at ``tokens``.
    questions : mapping of name -> sequence of Question
    prompts : sequence of str
        Finished prompts that the model goes on from, greedily, ``written`` tokens at most.
    tokens, written : int
    marks : sequence of str
        What a corpus wrote over its own words, such as "<unk>": ``perplexity_unmarked`` leaves its places
        out.
    language : {"en", "zh"}
        Of what is written, which says where its words end.
    """

    texts: Sequence[str]
    questions: Mapping[str, Sequence[Question]] = field(default_factory=dict)
    prompts: Sequence[str] = ()
    tokens: int = 256
    written: int = 48
    marks: Sequence[str] = ()
    language: str = "en"


@dataclass(frozen=True)
class Retention:
    """What came out.

    ``perplexity``, ``perplexity_unmarked``: at all places, and without those of the exam's marks, None where
    it has none; ``kl``: KL(base || this) a token, nats; ``accuracy`` by name of the questions (the choice
    with the highest log-likelihood per character); of what it writes: ``distinct_2`` (share of distinct pairs
    of words), ``repetition`` (share of words that were among the last eight), ``stopped`` (share of texts
    that end by themselves), ``tokens_per_second``, ``bleu`` and ``rouge_l`` against what the base model
    writes.
    """

    perplexity: float
    kl: float
    perplexity_unmarked: float | None = None
    accuracy: Mapping[str, float] = field(default_factory=dict)
    distinct_2: float | None = None
    repetition: float | None = None
    stopped: float | None = None
    tokens_per_second: float | None = None
    bleu: float | None = None
    rouge_l: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give everything, ready for JSON."""
        return asdict(self)


class Examiner:
    """Examines models against one base model; what the base model gave is worked out once.

    Raises
    ------
    InputError
        When no text has two tokens.
    """

    def __init__(self, base: CausalLanguageModel, exam: Exam) -> None:
        self.base, self.exam = base, exam
        found = [_tokens(base, one, exam) for one in exam.texts]
        self._tokens: list[Tokens] = [tokens for tokens, _ in found if len(tokens) > 1]
        if not self._tokens:
            raise InputError("There is no text to examine on", expected="two tokens or more", received="none")
        self._unmarked = np.concatenate([unmarked[1:] for tokens, unmarked in found if len(tokens) > 1])
        with require("torch").no_grad(), base.lock:
            self._hidden = [read(base.model, one) for one in self._tokens]
        self._written = self._decoded(self._write(base)[0]) if exam.prompts else []

    def examine(self, model: CausalLanguageModel) -> Retention:
        """All measures of a model with the base model's tokenizer."""
        kl, found = self._read(model)
        accuracy = {name: self._accuracy(model, asked) for name, asked in self.exam.questions.items()}
        written = self._writing(model) if self.exam.prompts else {}
        plain = float(np.exp(-found[self._unmarked].mean())) if self.exam.marks else None
        return Retention(float(np.exp(-found.mean())), float(kl.mean()), plain, accuracy, **written)

    def _read(self, model: CausalLanguageModel) -> tuple[FloatArray, FloatArray]:
        kl, found = [], []
        with require("torch").no_grad(), model.lock:
            for tokens, before in zip(self._tokens, self._hidden, strict=True):
                after = read(model.model, tokens)
                one, other = compare(self.base.model, before, model.model, after, tokens)
                kl.append(one)
                found.append(other)
        return np.concatenate(kl), np.concatenate(found)

    @staticmethod
    def _accuracy(model: CausalLanguageModel, questions: Sequence[Question]) -> float:
        right = 0
        for one in questions:
            told = model.log_likelihood(one.query, [f" {choice}" for choice in one.choices])
            right += int(np.argmax(told / np.array([len(choice) for choice in one.choices])) == one.gold)
        return right / len(questions)

    def _write(self, model: CausalLanguageModel) -> tuple[list[list[int]], float]:
        # By transformers, also where a model has a faster writer of its own: one measure for all.
        with model.lock:
            start = time.perf_counter()
            writer = TransformersWriter(model.model, model.tokenizer)
            made = writer.tokens(self.exam.prompts, max_tokens=self.exam.written, temperature=0.0, seed=0)
            return made, time.perf_counter() - start

    def _decoded(self, tokens: Sequence[Sequence[int]]) -> list[str]:
        return [self.base.tokenizer.decode(one, skip_special_tokens=True) for one in tokens]

    def _writing(self, model: CausalLanguageModel) -> dict[str, float]:
        tokens, seconds = self._write(model)
        made, counts = self._decoded(tokens), np.array([len(one) for one in tokens])
        return {
            "distinct_2": distinct(made, 2),
            "repetition": float(np.mean([_repetition(words(one)) for one in made])),
            "stopped": float((counts < self.exam.written).mean()),
            "tokens_per_second": float(counts.sum() / seconds),
            "bleu": bleu(made, [[one] for one in self._written], tokenize=TOKENS[self.exam.language]),
            "rouge_l": float(np.mean(rouge(made, [[one] for one in self._written])["rougeL"])),
        }


def _tokens(model: CausalLanguageModel, text: str, exam: Exam) -> tuple[Tokens, BoolArray]:
    """The first tokens of a text, and which of them touch no mark."""
    found = model.tokenizer(
        text, add_special_tokens=False, verbose=False, return_offsets_mapping=bool(exam.marks)
    )
    tokens = np.array(found["input_ids"][: exam.tokens], dtype=np.int64)
    unmarked = np.ones(len(tokens), dtype=bool)
    if exam.marks:
        places = np.array(found["offset_mapping"][: exam.tokens]).reshape(-1, 2)
        for mark in re.finditer("|".join(map(re.escape, exam.marks)), text):
            unmarked &= (places[:, 1] <= mark.start()) | (places[:, 0] >= mark.end())
    return tokens, unmarked


def _repetition(text: Sequence[str], window: int = 8) -> float:
    """Share of words that were among the last ``window``; 0 for none."""
    again = [word in text[max(0, at - window) : at] for at, word in enumerate(text)]
    return float(np.mean(again)) if again else 0.0
