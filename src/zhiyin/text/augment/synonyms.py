"""A text with some words replaced by others of the same meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from zhiyin.errors import InputError
from zhiyin.text.words import word_spans

__all__ = ["replace_synonyms"]


def replace_synonyms(
    text: str, synonyms: Mapping[str, Sequence[str]], *, share: float, rng: np.random.Generator
) -> str:
    """Replace each word that has synonyms with probability ``share`` by one of them.

    Parameters
    ----------
    text : str
        English or Chinese.
    synonyms : Mapping
        Word in lower case -> words of the same meaning; from a list that you trust, because a wrong
        one changes what the text says. A word in capitals is replaced in capitals.
    share : float
        In [0, 1].
    rng : numpy.random.Generator

    Raises
    ------
    InputError
        When the share is out of range.

    Notes
    -----
    Wei & Zou (2019), "EDA: easy data augmentation techniques", synonym replacement.

    Examples
    --------
    >>> known = {"mug": ["cup"], "big": ["large"]}
    >>> replace_synonyms("RED MUG, big", known, share=1, rng=np.random.default_rng(0))
    'RED CUP, large'
    """
    if not 0.0 <= share <= 1.0:
        raise InputError("The share is out of range", expected="in [0, 1]", received=str(share))
    made, end = [], 0
    for start, stop, spelled in word_spans(text):
        made.append(text[end:start])
        others = synonyms.get(spelled, ())
        word = text[start:stop]
        if others and rng.random() < share:
            other = others[int(rng.integers(len(others)))]
            word = other.upper() if word.isupper() and len(word) > 1 else other
        made.append(word)
        end = stop
    return "".join([*made, text[end:]])
