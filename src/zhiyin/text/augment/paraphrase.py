"""The same in other words, by whoever can write; checked for meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from zhiyin.errors import InputError
from zhiyin.safety import sanitise

__all__ = ["back_translate", "paraphrase"]

Writer = Callable[[Sequence[str]], Sequence[str]]
Similarity = Callable[[Sequence[str], Sequence[str]], npt.ArrayLike]


def paraphrase(
    texts: Sequence[str], write: Writer, similarity: Similarity, *, least: float = 0.8, max_chars: int = 300
) -> list[str | None]:
    """Have texts written in other words, and keep what still means the same.

    Parameters
    ----------
    texts : sequence of str, length n
    write : callable
        n texts -> n texts: a language model with a prompt, a translator there and back.
    similarity : callable
        (n texts, n texts) -> how alike each pair is, in [-1, 1]: the cosine of an encoder's vectors.
    least : float
        Smallest similarity that is kept.
    max_chars : int
        Longest result; what was written is sanitised, because it is nobody's word.

    Returns
    -------
    list of str or None, length n
        None where nothing new came back, or it means something else.

    Raises
    ------
    InputError
        When a callable returns another number of values.

    Examples
    --------
    >>> paraphrase(["red mug", "tea set"], lambda texts: ["a mug that is red", "tea set"],
    ...     lambda one, other: [0.9, 1.0])
    ['a mug that is red', None]
    """
    if not texts:
        return []
    written = [sanitise(text, max_chars=max_chars) for text in write(texts)]
    _check_length(written, texts, "write")
    alike = np.asarray(similarity(list(texts), written), dtype=np.float64)
    _check_length(alike, texts, "similarity")
    return [
        new if new and new.casefold() != old.strip().casefold() and value >= least else None
        for old, new, value in zip(texts, written, alike.tolist(), strict=True)
    ]


def back_translate(
    texts: Sequence[str], there: Writer, back: Writer, similarity: Similarity, *, least: float = 0.8
) -> list[str | None]:
    """Translate there and back, and keep what still means the same; otherwise as ``paraphrase``.

    Notes
    -----
    Sennrich, Haddow & Birch (2016), "Improving neural machine translation models with monolingual data".

    Examples
    --------
    >>> back_translate(["red mug"], lambda texts: ["红杯子"], lambda texts: ["red cup"], lambda a, b: [0.9])
    ['red cup']
    """
    return paraphrase(texts, lambda given: back(there(given)), similarity, least=least)


def _check_length(
    values: Sequence[object] | npt.NDArray[np.float64], texts: Sequence[str], name: str
) -> None:
    if len(values) != len(texts):
        raise InputError(
            f"{name} returned another number of values", expected=str(len(texts)), received=str(len(values))
        )
