"""A text with some words left out."""

from __future__ import annotations

import numpy as np

from zhiyin.errors import InputError
from zhiyin.text.words import word_spans

__all__ = ["drop_words"]


def drop_words(text: str, *, share: float, rng: np.random.Generator) -> str:
    """Leave out each word with probability ``share``; at least one word stays.

    Parameters
    ----------
    text : str
        English or Chinese; what stands between the words stays with the word before it.
    share : float
        In [0, 1).
    rng : numpy.random.Generator

    Raises
    ------
    InputError
        When the share is out of range.

    Notes
    -----
    Wei & Zou (2019), "EDA: easy data augmentation techniques", random deletion.

    Examples
    --------
    >>> drop_words("RED TEA MUG", share=0.5, rng=np.random.default_rng(1))
    'RED TEA'
    """
    if not 0.0 <= share < 1.0:
        raise InputError("The share is out of range", expected="in [0, 1)", received=str(share))
    spans = word_spans(text)
    kept = rng.random(len(spans)) >= share
    if not spans or kept.all():
        return text
    if not kept.any():
        kept[rng.integers(len(spans))] = True
    ends = [start for start, *_ in spans[1:]] + [len(text)]
    pieces = [text[start:end] for (start, *_), end, keep in zip(spans, ends, kept, strict=True) if keep]
    return (text[: spans[0][0]] + "".join(pieces)).strip()
