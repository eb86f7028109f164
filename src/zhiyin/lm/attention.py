"""Attention for many texts packed end to end behind one shared prefix; knows only tensors.

The packed texts are one row of N tokens, so that every layer but attention sees no padding. In
attention a token sees the keys of the prefix and those of its own text up to itself:

    softmax([q K_prefix', q K_own']) [V_prefix; V_own]

with one softmax over both parts in float32. The prefix part is one product for each key-value head,
over all texts and over all query heads that share it (grouped queries are stacked as rows, keys are
never repeated); the own part is gathered to [texts, longest] and scattered back. The scheme is that of
shared-prefix attention (Juravsky et al. 2024, "Hydragen", section 3) with the sums taken over both
parts at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zhiyin.extras import require
from zhiyin.lm.linear import product

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Layer", "Packed", "pack"]

Layer = tuple["Tensor", "Tensor"]
"""Keys and values of one layer of the prefix, each [key-value heads, P, d]."""


@dataclass(eq=False)
class Packed:
    """One packed row: ``prefix`` (a layer each), and where the tokens of each text lie.

    ``gather`` int64 [c, longest]: the row of each text's tokens, the last one repeated; ``scatter``
    int64 [N]: the place of each row in ``gather``, flat; ``positions`` int64 [N].
    """

    prefix: Sequence[Layer]
    prefix_length: int
    gather: Tensor
    scatter: Tensor
    positions: Tensor
    _masks: dict[tuple[str, int | None], Tensor] = field(default_factory=dict)

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
        """Query [heads, N, d]; key and value [kv heads, N, d] -> [N, heads, d]; without derivatives."""
        torch = require("torch")
        (heads, n, width), groups = query.shape, query.shape[0] // key.shape[0]
        grouped = (query * scaling).view(-1, groups, n, width)
        own = _Own(self, grouped, key, value)
        near = _capped(own.scores(), softcap).masked_fill_(self.later(window), float("-inf"))
        if not self.prefix_length:
            return _restored(own.mix(torch.softmax(near, -1)), heads)
        keys, values = self.prefix[layer]
        gone = self.gone(window)
        far = value.new_empty(len(grouped), groups, n, value.shape[-1])
        for head in range(len(grouped)):  # one at a time: its scores then fit the processor's caches
            seen = _capped(product(grouped[head].reshape(groups * n, width), keys[head]), softcap)
            scores = torch.cat([seen.view(groups, n, -1), near[head]], -1)
            if gone is not None:
                scores[..., : self.prefix_length].masked_fill_(gone, float("-inf"))
            weights = torch.softmax(scores, -1)
            near[head] = weights[..., self.prefix_length :]
            rows = weights[..., : self.prefix_length].reshape(groups * n, -1)
            far[head] = product(rows, values[head].T.contiguous()).view(groups, n, -1)
        return _restored(own.mix(near).add_(far), heads)

    def later(self, window: int | None) -> Tensor:
        """Which tokens of its own text a token must not see, bool [N, longest]; kept between layers."""
        key = ("later", window)
        if key not in self._masks:
            torch = require("torch")
            ahead = torch.arange(self.gather.shape[1])[None] - (self.positions - self.prefix_length)[:, None]
            self._masks[key] = ahead > 0 if window is None else (ahead > 0) | (ahead <= -window)
        return self._masks[key]

    def gone(self, window: int | None) -> Tensor | None:
        """Which tokens of the prefix lie beyond a token's window, bool [N, P]; None where all are seen."""
        if window is None or self.prefix_length + self.gather.shape[1] <= window:
            return None
        key = ("gone", window)
        if key not in self._masks:
            torch = require("torch")
            back = self.positions[:, None] - torch.arange(self.prefix_length)[None]
            self._masks[key] = back >= window
        return self._masks[key]


def pack(lengths: Sequence[int], *, prefix: Sequence[Layer], prefix_length: int) -> Packed:
    """Lay texts of the given lengths (each >= 1) end to end behind a prefix.

    Examples
    --------
    >>> packed = pack([2, 1], prefix=[], prefix_length=5)
    >>> packed.gather.tolist(), packed.scatter.tolist(), packed.positions.tolist()
    ([[0, 1], [2, 2]], [0, 1, 2], [5, 6, 5])
    """
    torch = require("torch")
    sizes = torch.tensor(list(lengths))
    longest = int(sizes.max())
    starts = torch.cumsum(sizes, 0) - sizes
    columns = torch.arange(longest)
    gather = starts[:, None] + torch.minimum(columns[None], sizes[:, None] - 1)
    real = columns[None] < sizes[:, None]
    return Packed(
        prefix=prefix,
        prefix_length=prefix_length,
        gather=gather,
        scatter=real.flatten().nonzero()[:, 0],
        positions=prefix_length + columns.expand(len(sizes), -1)[real],
    )


def _capped(scores: Tensor, cap: float | None) -> Tensor:
    return scores if cap is None else scores.div_(cap).tanh_().mul_(cap)


def _restored(mixed: Tensor, heads: int) -> Tensor:
    """[kv heads, groups, N, d] -> [N, heads, d]."""
    return mixed.reshape(heads, *mixed.shape[2:]).transpose(0, 1)


class _Own:
    """Each text's attention to itself, in the padded shape [kv heads · texts, groups · longest, d]."""

    def __init__(self, packed: Packed, grouped: Tensor, key: Tensor, value: Tensor) -> None:
        self.texts, self.longest = packed.gather.shape
        self._rows, self._back = packed.gather.flatten(), packed.scatter
        self._heads, self._groups, self._n, _ = grouped.shape
        self._query = self._padded(grouped)
        self._key, self._value = (self._padded(one[:, None]) for one in (key, value))

    def scores(self) -> Tensor:
        """[kv heads, groups, N, longest], unmasked."""
        return self._packed(require("torch").bmm(self._query, self._key.transpose(1, 2)))

    def mix(self, weights: Tensor) -> Tensor:
        """Weights [kv heads, groups, N, longest] times own values -> [kv heads, groups, N, d]."""
        return self._packed(require("torch").bmm(self._padded(weights), self._value))

    def _padded(self, x: Tensor) -> Tensor:
        shape = (x.shape[0], x.shape[1], self.texts, self.longest, x.shape[3])
        gathered = x.index_select(2, self._rows).view(shape).transpose(1, 2)
        return gathered.reshape(-1, x.shape[1] * self.longest, x.shape[3])

    def _packed(self, x: Tensor) -> Tensor:
        shape = (self._heads, self.texts, self._groups, self.longest, -1)
        flat = x.view(shape).transpose(1, 2).reshape(self._heads, self._groups, -1, x.shape[2])
        return flat.index_select(2, self._back)
