"""Vectors of items: an embedding of their own, what their text says, what kind they are; knows no users."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from zhiyin.retrieve.neural.bags import Bags
from zhiyin.types import BoolArray, ScoreArray

__all__ = ["ItemTable", "TextUse", "leading_axes"]

TextUse = Literal["none", "start", "add"]
SPREAD = 0.1


class ItemTable(nn.Module):
    """Item -> vector, float32 [n, d]: own embedding + map of its text's vector + mean of its words'.

    ``taken`` bool [n]: items that behaviour tells of; others have no embedding of their own. ``texts``
    float32 [n, p] or None; zero rows: no text. ``words``: int64 [n, f] places among ``n_words``, -1 pads, or
    None. ``forget``: share of items whose own embedding is left out in a step of training, so that texts
    learn to stand alone (Volkovs, Yu & Poutanen 2017, "DropoutNet"). ``start`` float32 [n, d]: where own
    embeddings begin, at random in zero rows; None: at random. ``sparse``: only the rows of a step change.
    ``low``: texts are read in bfloat16 while training.
    """

    def __init__(
        self,
        taken: BoolArray,
        width: int,
        *,
        texts: ScoreArray | None = None,
        words: npt.NDArray[np.int64] | None = None,
        n_words: int = 0,
        start: ScoreArray | None = None,
        forget: float = 0.0,
        sparse: bool = False,
        low: bool = False,
    ) -> None:
        super().__init__()
        n = len(taken)
        self.width, self.low = width, low
        self.forget = forget if texts is not None or words is not None else 0.0
        self.taken: Tensor
        self.register_buffer("taken", torch.from_numpy(taken.copy()))
        self.own = nn.Embedding(n, width, sparse=sparse)
        nn.init.normal_(self.own.weight, std=SPREAD)
        if start is not None:
            begun = torch.from_numpy(start)
            told = begun.any(dim=1)
            self.own.weight.data[told] = begun[told]
        self.own.weight.data[~self.taken] = 0.0  # and so they stay: nothing asks for them
        self.texts: Tensor | None
        self.register_buffer("texts", None if texts is None else torch.from_numpy(texts))
        self.read = None if texts is None else nn.Linear(texts.shape[1], width, bias=False)
        self.words = None if words is None else Bags(torch.from_numpy(words), n_words, width, SPREAD)
        if self.read is not None and texts is not None:
            # Before anything is learned, items are as near as their texts.
            self.read.weight.data.copy_(torch.from_numpy(leading_axes(texts, width).T))

    def __len__(self) -> int:
        return self.own.num_embeddings

    def forward(self, rows: Tensor | None = None) -> Tensor:
        """Vectors of the given items, int64 [c] without repetition, or of all; float32 [c, d]."""
        found: Tensor = self.own.weight if rows is None else self.own(rows)
        if self.training and self.forget:
            found = found * (torch.rand(len(found), 1) >= self.forget)
        if self.read is not None and self.texts is not None:
            texts = self.texts if rows is None else self.texts[rows]
            with torch.autocast("cpu", torch.bfloat16, enabled=self.low and self.training):
                found = found + self.read(texts)
        if self.words is not None:
            found = found + self.words(rows)
        return found

    @property
    def known(self) -> BoolArray:
        """Items of which anything is known, bool [n]."""
        known = self.taken
        if self.texts is not None:
            known = known | self.texts.any(dim=1)
        if self.words is not None:
            known = known | (self.words.places >= 0).any(dim=1)
        return np.asarray(known.numpy())


def leading_axes(vectors: ScoreArray, width: int) -> ScoreArray:
    """The ``width`` directions in which vectors differ most, float32 [p, width].

    They are scaled so that vectors along them have the spread that embeddings begin with; where there are no
    vectors, as if there were unit ones.
    """
    _, every = np.linalg.eigh(vectors.T.astype(np.float64) @ vectors)
    axes = np.zeros((vectors.shape[1], width))
    axes[:, : every.shape[1]] = every[:, ::-1][:, :width]
    spread = float((vectors @ axes).std()) if vectors.any() else len(axes) ** -0.5
    return (axes * (SPREAD / spread)).astype(np.float32)
