"""How well texts agree with a text."""

from __future__ import annotations

from collections.abc import Sequence

from zhiyin.errors import InputError
from zhiyin.interest.vectors import encode_texts
from zhiyin.types import ScoreArray

__all__ = ["match"]


def match(text: str, texts: Sequence[str], *, encoder: str = "minilm-l6") -> ScoreArray:
    """Cosine of ``text`` and each of ``texts`` under a text encoder, float32 [n] in [-1, 1].

    Parameters
    ----------
    text : str
        For example a user's description.
    texts : sequence of str
        For example item titles.
    encoder : str
        Any name that ``load_text_encoder`` takes.

    Examples
    --------
    >>> near, far = match("loves vintage tea sets", ["REGENCY TEA PLATE", "BICYCLE PUMP"])
    >>> bool(near > far)
    True
    """
    if isinstance(texts, str):
        raise InputError("texts is one string", expected="a list of strings", hint="Write [text].")
    vectors = encode_texts([text, *texts], encoder)
    similarity: ScoreArray = vectors[1:] @ vectors[0]
    return similarity
