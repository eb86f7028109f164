"""Examples laid end to end in rows of a bounded number of tokens, without a pad; knows tokens only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from zhiyin.lm.tuning.examples import TokenExample, digest

__all__ = ["Row", "lay_out", "text_row"]

CHUNK = 256
"""Tokens of branches that attend together: few, as each sees all the others masked."""


@dataclass(frozen=True, eq=False)
class _Chunk:
    """Branches at ``start:stop`` of a row, after a prefix at ``prefix``: what each of their tokens sees."""

    start: int
    stop: int
    prefix: slice
    positions: Tensor
    visible: Tensor
    own: Tensor

    def mask(self, window: int | None) -> Tensor:
        """Added to the scores, float32 [tokens, prefix + tokens]: 0 or minus infinity."""
        length = self.prefix.stop - self.prefix.start
        before, inside = torch.arange(length), torch.arange(self.stop - self.start)
        seen = torch.cat(
            [
                before[None] < self.visible[:, None],
                (inside[None] >= self.own[:, None]) & (inside[None] <= inside[:, None]),
            ],
            1,
        )
        if window is not None:
            where = torch.cat([before, self.positions])
            seen &= self.positions[:, None] - where[None] < window
        return torch.zeros(seen.shape).masked_fill_(~seen, float("-inf"))


@dataclass(eq=False)
class Row:
    """One forward pass.

    Attributes
    ----------
    tokens, positions : int64 [N]
    last : int64 [B]
        Where each branch ends: there the answer is read.
    labels, priors : float32 [B]
    groups : int64 [B]
        The number of each branch's example.
    places : int64 [B]
        The number of each branch among all.
    contents : list of str
        What tells each part of the row from others: parts do not see one another.
    sizes : list of int
        Tokens of each part.
    """

    tokens: Tensor
    positions: Tensor
    last: Tensor
    labels: Tensor
    priors: Tensor
    groups: Tensor
    places: np.ndarray[tuple[int], np.dtype[np.int64]]
    contents: list[str]
    sizes: list[int]
    _prefixes: list[slice] = field(default_factory=list)
    _chunks: list[list[_Chunk]] = field(default_factory=list)
    _masks: dict[tuple[int, int, int | None], Tensor] = field(default_factory=dict)

    def attend(
        self,
        layer: int,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        scaling: float,
        window: int | None,
        softcap: float | None,
    ) -> Tensor:
        """Query [heads, N, d]; key and value [kv heads, N, d] -> [N, heads, d]; with derivatives."""
        groups = query.shape[0] // key.shape[0]
        if groups > 1:
            key, value = (one.repeat_interleave(groups, 0) for one in (key, value))
        made = []
        for number, prefix in enumerate(self._prefixes):
            mask = self._prefix_mask(number, window)
            made.append(
                _attention(query[:, prefix], key[:, prefix], value[:, prefix], mask, scaling, softcap)
            )
            for place, chunk in enumerate(self._chunks[number]):
                at = (number, place, window)
                if at not in self._masks:
                    self._masks[at] = chunk.mask(window)
                own = slice(chunk.start, chunk.stop)
                keys, values = (torch.cat([one[:, chunk.prefix], one[:, own]], 1) for one in (key, value))
                made.append(_attention(query[:, own], keys, values, self._masks[at], scaling, softcap))
        return torch.cat(made, 1).transpose(0, 1)

    def _prefix_mask(self, number: int, window: int | None) -> Tensor | None:
        prefix = self._prefixes[number]
        length = prefix.stop - prefix.start
        if window is None or length <= window:
            return None
        at = (number, -1, window)
        if at not in self._masks:
            places = torch.arange(length)
            back = places[:, None] - places[None]
            hidden = (back < 0) | (back >= window)
            self._masks[at] = torch.zeros(hidden.shape).masked_fill_(hidden, float("-inf"))
        return self._masks[at]


def _attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float, softcap: float | None
) -> Tensor:
    """[heads, n, d], [heads, m, d] twice -> [heads, n, d]; no mask: causal."""
    if softcap is None:
        if mask is not None:
            mask = mask.to(query.dtype)
        made: Tensor = scaled_dot_product_attention(
            query[None], key[None], value[None], attn_mask=mask, is_causal=mask is None, scale=scaling
        )[0]
        return made
    scores = softcap * torch.tanh(query @ key.transpose(1, 2) * (scaling / softcap))
    if mask is None:
        mask = torch.full(scores.shape[1:], float("-inf")).triu_(1)
    return torch.softmax(scores.float() + mask, -1).to(value.dtype) @ value


def lay_out(examples: Iterable[TokenExample], most: int, *, whole: bool = False) -> Iterator[Row]:
    """Rows of at most ``most`` tokens, in the order of the examples.

    Longer examples are cut into pieces; with ``whole`` they are not, and their rows are longer.
    """
    kept: list[TokenExample] = []
    size = 0
    for example in examples:
        for part in (example,) if whole else example.parts(most):
            if kept and size + part.tokens > most:
                yield _row(kept)
                kept, size = [], 0
            kept.append(part)
            size += part.tokens
    if kept:
        yield _row(kept)


def _row(examples: Sequence[TokenExample]) -> Row:
    tokens: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
    positions: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
    last, prefixes, chunks, at = [], [], [], 0
    for one in examples:
        prefix = slice(at, at + len(one.prefix))
        prefixes.append(prefix)
        tokens.append(one.prefix)
        positions.append(np.arange(len(one.prefix)))
        at = prefix.stop
        places = [seen + np.arange(len(own)) for seen, own in zip(one.visible, one.branches, strict=True)]
        lengths = np.array([len(own) for own in one.branches])
        ends = at + np.cumsum(lengths)
        chunks.append(list(_chunked(one, places, at, prefix.start)))
        tokens.extend(one.branches)
        positions.extend(places)
        last.append(np.where(lengths > 0, ends, prefix.start + one.visible) - 1)
        at = int(ends[-1])
    counts = [len(one.branches) for one in examples]
    return Row(
        torch.from_numpy(np.concatenate(tokens)),
        torch.from_numpy(np.concatenate(positions)),
        torch.from_numpy(np.concatenate(last)),
        torch.from_numpy(np.concatenate([one.labels for one in examples])).float(),
        torch.from_numpy(np.concatenate([one.priors for one in examples])).float(),
        torch.from_numpy(np.repeat([one.number for one in examples], counts)),
        np.concatenate([one.places for one in examples]),
        [one.content for one in examples],
        [one.tokens for one in examples],
        prefixes,
        chunks,
    )


def _chunked(
    example: TokenExample, places: Sequence[np.ndarray], start: int, before: int
) -> Iterator[_Chunk]:
    own = np.flatnonzero([len(one) > 0 for one in example.branches])
    lengths = np.array([len(example.branches[place]) for place in own])
    first = 0
    while first < len(own):
        room = np.cumsum(lengths[first:]) <= CHUNK
        count = max(int(room.sum()), 1)
        inside = own[first : first + count]
        sizes = lengths[first : first + count]
        stop = start + int(sizes.sum())
        seen = example.visible[inside]
        yield _Chunk(
            start,
            stop,
            slice(before, before + int(seen[-1])),
            torch.from_numpy(np.concatenate([places[place] for place in inside])),
            torch.from_numpy(np.repeat(seen, sizes)),
            torch.from_numpy(np.repeat(np.cumsum(sizes) - sizes, sizes)),
        )
        first, start = first + count, stop


def text_row(texts: Sequence[np.ndarray[tuple[int], np.dtype[np.int64]]]) -> Row:
    """Plain texts end to end, each seeing itself; no branches."""
    ends = np.cumsum([len(one) for one in texts])
    none = torch.zeros(0, dtype=torch.int64)
    return Row(
        torch.from_numpy(np.concatenate(texts)),
        torch.from_numpy(np.concatenate([np.arange(len(one)) for one in texts])),
        none,
        torch.zeros(0),
        torch.zeros(0),
        none,
        np.zeros(0, np.int64),
        [digest([one]) for one in texts],
        [len(one) for one in texts],
        [slice(int(end) - len(one), int(end)) for one, end in zip(texts, ends, strict=True)],
        [[] for _ in texts],
    )
