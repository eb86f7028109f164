"""Attention for many texts packed end to end behind one shared prefix; knows only tensors.

The packed texts are one row of N tokens, so that every layer but attention sees no padding. In
attention a token sees the keys of the prefix and those of its own text up to itself:

    softmax([q K_prefix', q K_own']) [V_prefix; V_own]

with one softmax over both parts in float32. The prefix part is one product for each key-value head,
over all texts and over all query heads that share it (grouped queries are stacked as rows, keys are
never repeated); the own part is gathered to [texts, longest] and scattered back. The function is
registered with transformers' ``AttentionInterface``, so one implementation serves every model that
uses it (Llama, Qwen, Gemma, GPT-2, …). The scheme is that of shared-prefix attention (Juravsky et
al. 2024, "Hydragen", section 3) with the sums taken over both parts at once.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zhiyin.extras import require
from zhiyin.lm.linear import product
from zhiyin.lm.read import quiet_transformers

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Packed", "UnsupportedAttentionError", "packed_attention", "pack"]

NAME = "zhiyin_packed"

Layer = tuple["Tensor", "Tensor"]
"""Keys and values of one layer of the prefix, each [key-value heads, P, d]."""


class UnsupportedAttentionError(RuntimeError):
    """The model asks for a kind of attention that the packed one does not have."""


@dataclass(eq=False)
class Packed:
    """One packed row: ``prefix`` (a layer each), and where the tokens of each text lie.

    ``gather`` int64 [c, longest]: the row of each text's tokens, the last one repeated; ``scatter``
    int64 [N]: the place of each row in ``gather``, flat; ``positions`` int64 [N]; ``seen`` collects
    the layers that ran.
    """

    prefix: Sequence[Layer]
    prefix_length: int
    gather: Tensor
    scatter: Tensor
    positions: Tensor
    seen: set[int] = field(default_factory=set)
    _masks: dict[tuple[str, int | None], Tensor] = field(default_factory=dict)

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


_active: ContextVar[Packed | None] = ContextVar("zhiyin_packed", default=None)


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


@contextlib.contextmanager
def packed_attention(model: Any, packed: Packed) -> Iterator[None]:
    """Inside the block the model attends as ``packed`` says; the caller holds the model's lock.

    Raises
    ------
    UnsupportedAttentionError
        When the model has no exchangeable attention, or some layer did not use it.
    """
    _register()
    before = model.config._attn_implementation
    with quiet_transformers():  # it warns about models that have no exchangeable attention
        model.set_attn_implementation(NAME)
    token = _active.set(packed)
    try:
        yield
    finally:
        _active.reset(token)
        with quiet_transformers():
            model.set_attn_implementation(before)
    if len(packed.seen) != model.config.get_text_config().num_hidden_layers:
        raise UnsupportedAttentionError(
            f"{type(model).__name__} used packed attention in {len(packed.seen)} layers"
        )


@functools.cache
def _register() -> None:
    transformers = require("transformers")
    transformers.AttentionInterface.register(NAME, _attend)
    # No mask is built: who sees whom is decided inside the attention.
    require("transformers.masking_utils").AttentionMaskInterface.register(NAME, lambda *_, **__: None)


def _attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **other: Any,
) -> tuple[Tensor, None]:
    """The function transformers calls: query [1, heads, N, d]; key, value [1, kv heads, N, d]."""
    torch = require("torch")
    packed = _active.get()
    unknown = [name for name in ("s_aux", "position_bias") if other.get(name) is not None]
    if packed is None or unknown or query.shape[0] != 1:
        raise UnsupportedAttentionError(f"packed attention does not know {unknown or 'this call'}")
    layer = int(module.layer_idx)
    packed.seen.add(layer)
    (heads, n, width), groups = query.shape[1:], query.shape[1] // key.shape[1]
    grouped = (query[0] * (width**-0.5 if scaling is None else scaling)).view(-1, groups, n, width)
    own = _Own(packed, grouped, key[0], value[0])
    near = _capped(own.scores(), softcap).masked_fill_(packed.later(sliding_window), float("-inf"))
    if not packed.prefix_length:
        return _restored(own.mix(torch.softmax(near, -1)), heads), None
    keys, values = packed.prefix[layer]
    gone = packed.gone(sliding_window)
    far = value.new_empty(len(grouped), groups, n, value.shape[-1])
    for head in range(len(grouped)):  # one at a time: its scores then fit the processor's caches
        seen = _capped(product(grouped[head].reshape(groups * n, width), keys[head]), softcap)
        scores = torch.cat([seen.view(groups, n, -1), near[head]], -1)
        if gone is not None:
            scores[..., : packed.prefix_length].masked_fill_(gone, float("-inf"))
        weights = torch.softmax(scores, -1)
        near[head] = weights[..., packed.prefix_length :]
        rows = weights[..., : packed.prefix_length].reshape(groups * n, -1)
        far[head] = product(rows, values[head].T.contiguous()).view(groups, n, -1)
    return _restored(own.mix(near).add_(far), heads), None


def _capped(scores: Tensor, cap: float | None) -> Tensor:
    return scores if cap is None else scores.div_(cap).tanh_().mul_(cap)


def _restored(mixed: Tensor, heads: int) -> Tensor:
    """[kv heads, groups, N, d] -> [1, N, heads, d]."""
    return mixed.reshape(heads, *mixed.shape[2:]).transpose(0, 1)[None]


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
