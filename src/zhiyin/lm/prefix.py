"""What a causal model computed for a prefix, kept and reused; knows tokens and tensors only.

Keys, values and last hidden states at a position depend on the tokens up to it alone. So whatever
part a new prefix shares with a kept one is cut out and only the rest is computed: a returning user
costs the new events, a new user of the same prompt costs what follows the shared instructions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zhiyin.caches import MemoryCache, content_key
from zhiyin.extras import require
from zhiyin.lm.attention import Layer

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PrefixCache", "PrefixState", "extend"]

MIN_SHARED = 8
"""Fewer shared tokens than this are not worth a second, smaller forward pass."""


@dataclass(frozen=True, eq=False)
class PrefixState:
    """``tokens`` int64 [P]; keys and values of each layer [kv heads, P, d]; ``hidden`` [P, width]."""

    tokens: npt.NDArray[np.int64]
    layers: tuple[Layer, ...]
    hidden: Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return int(self.hidden.nbytes + sum(key.nbytes + value.nbytes for key, value in self.layers))

    def cut(self, length: int) -> PrefixState:
        """The state of the first ``length`` tokens (views, no copies)."""
        layers = tuple((key[:, :length], value[:, :length]) for key, value in self.layers)
        return PrefixState(self.tokens[:length], layers, self.hidden[:length])


def extend(model: Any, state: PrefixState | None, tokens: npt.NDArray[np.int64]) -> PrefixState:
    """The state of ``state``'s tokens followed by ``tokens`` (at least one)."""
    torch, cache_utils = require("torch"), require("transformers.cache_utils")
    start = 0 if state is None else len(state)
    # A plain cache keeps every position, also in layers with a sliding window, so it can be cut.
    cache = cache_utils.DynamicCache()
    if state is not None:
        for index, (key, value) in enumerate(state.layers):
            cache.update(key[None], value[None], index)
    made = model.base_model(
        input_ids=torch.from_numpy(tokens)[None],
        position_ids=torch.arange(start, start + len(tokens))[None],
        past_key_values=cache,
        use_cache=True,
    )
    layers = tuple((layer.keys[0].contiguous(), layer.values[0].contiguous()) for layer in cache.layers)
    hidden = made.last_hidden_state[0]
    if state is None:
        return PrefixState(tokens, layers, hidden)
    return PrefixState(np.concatenate([state.tokens, tokens]), layers, torch.cat([state.hidden, hidden]))


class PrefixCache:
    """States of recent prefixes of one model, bounded in bytes; the caller holds the model's lock.

    Parameters
    ----------
    model : nn.Module
        A causal model of transformers.
    name : str
        What tells this model from others.
    capacity : int
        Bytes; 0 keeps nothing.
    """

    def __init__(self, model: Any, *, name: str, capacity: int) -> None:
        self._model, self._name = model, name
        self._states: MemoryCache[PrefixState] = MemoryCache(capacity, lambda state: state.nbytes)
        self._tokens: dict[str, npt.NDArray[np.int64]] = {}
        self.computed = 0
        """Tokens that went through the model so far; the rest was reused."""

    def __len__(self) -> int:
        return len(self._states)

    def get(self, tokens: npt.NDArray[np.int64]) -> PrefixState:
        """The state of ``tokens`` (at least one), from the kept state that shares most with it."""
        kept, shared = self._closest(tokens)
        if kept is not None and shared == len(tokens):
            return kept.cut(shared)
        start = kept.cut(shared) if kept is not None and shared >= MIN_SHARED else None
        rest = tokens if start is None else tokens[shared:]
        self.computed += len(rest)
        state = extend(self._model, start, rest)
        key = content_key(self._name, tokens.tolist())
        self._states.put(key, state)
        self._tokens[key] = tokens
        return state

    def clear(self) -> None:
        """Forget everything."""
        self._states = MemoryCache(self._states.capacity, lambda state: state.nbytes)
        self._tokens = {}
        self.computed = 0

    def _closest(self, tokens: npt.NDArray[np.int64]) -> tuple[PrefixState | None, int]:
        order = sorted(self._tokens, key=lambda key: _shared(self._tokens[key], tokens), reverse=True)
        for key in order:
            shared = _shared(self._tokens[key], tokens)
            if shared < min(MIN_SHARED, len(tokens)):
                break
            state = self._states.get(key)
            if state is not None:
                return state, shared
            del self._tokens[key]  # evicted
        return None, 0


def _shared(a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]) -> int:
    n = min(len(a), len(b))
    different = np.flatnonzero(a[:n] != b[:n])
    return int(different[0]) if len(different) else n
