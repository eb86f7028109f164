"""Written texts against references, and against one another; knows no model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from zhiyin.errors import InputError
from zhiyin.extras import require
from zhiyin.text.words import words
from zhiyin.types import FloatArray

__all__ = ["bleu", "distinct", "perplexity", "rouge", "self_bleu"]

ROUGES = ("rouge1", "rouge2", "rougeL")


def bleu(hypotheses: Sequence[str], references: Sequence[Sequence[str]], *, tokenize: str = "13a") -> float:
    """BLEU of a corpus, 0 to 100, by sacrebleu.

    Parameters
    ----------
    hypotheses : U texts
    references : U lists of texts
        Those that each hypothesis may look like; the numbers may differ.
    tokenize : str
        sacrebleu's tokeniser: "13a"; "zh" for Chinese; "char" for any script.

    Raises
    ------
    InputError
        When the numbers differ or a hypothesis has no reference.
    MissingExtraError
        When sacrebleu is not installed.

    Notes
    -----
    Papineni et al. 2002, "BLEU: a method for automatic evaluation of machine translation"; Post 2018,
    "A call for clarity in reporting BLEU scores".

    Examples
    --------
    >>> round(bleu(["the cat sat on the mat"], [["the cat sat on the mat"]]), 6)
    100.0
    """
    _check(hypotheses, references)
    sacrebleu = require("sacrebleu")
    most = max(len(one) for one in references)
    streams = [[one[place] if place < len(one) else None for one in references] for place in range(most)]
    return float(sacrebleu.corpus_bleu(list(hypotheses), streams, tokenize=tokenize).score)


def rouge(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, FloatArray]:
    """F-measures of ROUGE-1, ROUGE-2 and ROUGE-L, the best over the references.

    Words are ``zhiyin.text.words``: letters and digits in lower case, Chinese cut by jieba; no stemming.

    Returns
    -------
    dict
        "rouge1", "rouge2", "rougeL": float64 [U] in [0, 1].

    Raises
    ------
    InputError, MissingExtraError
        As in ``bleu``.

    Notes
    -----
    Lin 2004, "ROUGE: a package for automatic evaluation of summaries", by the library rouge-score.

    Examples
    --------
    >>> rouge(["red tea set"], [["blue tea set"]])["rouge1"].round(4)
    array([0.6667])
    """
    _check(hypotheses, references)
    scorer = require("rouge_score.rouge_scorer").RougeScorer(list(ROUGES), tokenizer=_Words())
    found = np.zeros((len(hypotheses), len(ROUGES)))
    for row, (one, several) in enumerate(zip(hypotheses, references, strict=True)):
        best = scorer.score_multi(list(several), one)
        found[row] = [best[name].fmeasure for name in ROUGES]
    return {name: found[:, place] for place, name in enumerate(ROUGES)}


class _Words:
    """What rouge-score calls a tokeniser."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


def distinct(texts: Sequence[str], n: int) -> float:
    """Different n-grams of words among all n-grams of all texts, in (0, 1]; NaN without any.

    Notes
    -----
    Li et al. 2016, "A diversity-promoting objective function for neural conversation models",
    distinct-1 and distinct-2. Falls with the amount of text: compare equal amounts.

    Examples
    --------
    >>> distinct(["a tea set", "a tea pot"], 2)
    0.75
    """
    if n < 1:
        raise InputError("n is too small", expected=">= 1", received=str(n))
    grams = [gram for text in texts for gram in _grams(words(text), n)]
    return len(set(grams)) / len(grams) if grams else float("nan")


def self_bleu(texts: Sequence[str]) -> float:
    """Mean BLEU of each text against all others, 0 to 100: high where texts repeat one another.

    Sentences are smoothed as sacrebleu does (exponential). NaN with fewer than two texts.

    Notes
    -----
    Zhu et al. 2018, "Texygen: a benchmarking platform for text generation models".

    Examples
    --------
    >>> self_bleu(["a red tea set", "a red tea set"]).__round__(6)
    100.0
    """
    if len(texts) < 2:
        return float("nan")
    sacrebleu = require("sacrebleu")
    scorer = sacrebleu.BLEU(effective_order=True)
    cut = [" ".join(words(text)) for text in texts]
    scores = [scorer.sentence_score(one, cut[:row] + cut[row + 1 :]).score for row, one in enumerate(cut)]
    return float(np.mean(scores))


def perplexity(token_log_probabilities: Sequence[npt.ArrayLike]) -> float:
    """exp(-mean of the log-probabilities of all tokens of all texts); natural logarithms.

    Parameters
    ----------
    token_log_probabilities : U arrays
        As ``LanguageModel.token_log_probabilities`` gives them.

    Raises
    ------
    InputError
        When one is above 0 or not a number.

    Examples
    --------
    >>> perplexity([[-0.6931471805599453], [-0.6931471805599453] * 3]).__round__(6)
    2.0
    """
    arrays = [np.asarray(one, dtype=np.float64).ravel() for one in token_log_probabilities]
    every = np.concatenate([np.empty(0), *arrays])
    if np.isnan(every).any() or (every > 0).any():
        raise InputError("A log-probability is out of range", expected="<= 0", received="above 0 or NaN")
    return float(np.exp(-every.mean())) if len(every) else float("nan")


def _grams(found: list[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(found[start : start + n]) for start in range(len(found) - n + 1)]


def _check(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    if isinstance(hypotheses, str) or len(hypotheses) != len(references) or not len(hypotheses):
        raise InputError(
            "hypotheses and references differ in length",
            expected="one list of references for each text, and at least one",
            received=f"{len(hypotheses)} texts and {len(references)} lists",
        )
    if any(isinstance(one, str) or not len(one) for one in references):
        raise InputError(
            "A text has no reference", expected="a list of texts for each", received="a string or nothing"
        )
