"""A model's attention exchanged for a function of ours, for as long as a block lasts; knows only tensors.

The function is registered with transformers' ``AttentionInterface``, so one implementation serves every
model that uses it (Llama, Qwen, Gemma, GPT-2, …). No mask is built: who sees whom is decided inside.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from zhiyin.extras import require
from zhiyin.lm.read import quiet_transformers

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Attending", "UnsupportedAttentionError", "exchanged_attention"]

NAME = "zhiyin_packed"


class UnsupportedAttentionError(RuntimeError):
    """The model asks for a kind of attention that the exchanged one does not have."""


class Attending(Protocol):
    """Who sees whom, and how it is worked out."""

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
        """Query [heads, N, d]; key and value [kv heads, N, d] -> [N, heads, d]."""
        ...


_active: ContextVar[tuple[Attending, set[int]] | None] = ContextVar("zhiyin_attending", default=None)


@contextlib.contextmanager
def exchanged_attention(model: Any, attending: Attending, *, layers: int | None = None) -> Iterator[None]:
    """Inside the block the model attends as ``attending`` says; the caller holds the model's lock.

    Parameters
    ----------
    model : nn.Module
        A causal model of transformers.
    attending : Attending
    layers : int or None
        How many layers must have run at the end; None: all.

    Raises
    ------
    UnsupportedAttentionError
        When the model has no exchangeable attention, or some layer did not use it.
    """
    _register()
    before = model.config._attn_implementation
    with quiet_transformers():  # it warns about models that have no exchangeable attention
        model.set_attn_implementation(NAME)
    seen: set[int] = set()
    token = _active.set((attending, seen))
    try:
        yield
    finally:
        _active.reset(token)
        with quiet_transformers():
            model.set_attn_implementation(before)
    if len(seen) != (model.config.get_text_config().num_hidden_layers if layers is None else layers):
        raise UnsupportedAttentionError(f"{type(model).__name__} used packed attention in {len(seen)} layers")


@functools.cache
def _register() -> None:
    require("transformers").AttentionInterface.register(NAME, _attend)
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
    active = _active.get()
    unknown = [name for name in ("s_aux", "position_bias") if other.get(name) is not None]
    if active is None or unknown or query.shape[0] != 1:
        raise UnsupportedAttentionError(f"packed attention does not know {unknown or 'this call'}")
    attending, seen = active
    layer = int(module.layer_idx)
    seen.add(layer)
    made = attending.attend(
        layer,
        query[0],
        key[0],
        value[0],
        scaling=query.shape[-1] ** -0.5 if scaling is None else scaling,
        window=sliding_window,
        softcap=softcap,
    )
    return made[None], None
