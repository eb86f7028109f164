"""The layers below the first that learns: worked out once for each text and kept on disk.

They are frozen, so what they make of a text never changes: later epochs, looks at validation, other strengths
of a guard and other seeds read it. The layers above run with the kept states in the place of the lower
layers' own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zhiyin import __version__
from zhiyin.caches import ArrayCache, content_key
from zhiyin.extras import require
from zhiyin.lm.exchange import exchanged_attention
from zhiyin.lm.find import cache_folder
from zhiyin.lm.tuning.rows import Row
from zhiyin.logs import get_logger

__all__ = ["MOST_BYTES", "Lower"]

log = get_logger("tuning")

MOST_BYTES = 8 << 30


class Lower:
    """What the frozen layers make of rows.

    Parameters
    ----------
    network : nn.Module
        A causal model of transformers.
    first : int
        The first layer that learns, at least 1.
    model : str
        What tells these weights from others.
    """

    def __init__(self, network: Any, first: int, model: str) -> None:
        self.network, self.first = network, first
        self._layers = _layers(network)
        versions = (__version__, require("transformers").__version__, network.config.to_json_string())
        self._key = ("activations", content_key(*versions), model, first)
        self._cache = ArrayCache(cache_folder() / "activations", max_bytes=MOST_BYTES)

    @classmethod
    def of(cls, network: Any, first: int, model: str) -> Lower | None:
        """The lower layers; None where there are none, or they cannot be told from the rest."""
        if first == 0:
            return None
        try:
            return cls(network, first, model)
        except LookupError as error:
            log.warning("the frozen layers are worked out again and again", not_found=str(error))
            return None

    def hidden(self, row: Row) -> Tensor:
        """Last hidden states of the whole network, [N, width]; with derivatives of the upper layers."""
        states = self._states(row)
        replay = _Replay(states[None])
        with self._instead({place: replay for place in range(self.first)}):
            return self._run(row, len(self._layers) - self.first)

    def _states(self, row: Row) -> Tensor:
        """What the lower layers make of a row, [N, width]."""
        keys = [content_key(*self._key, part) for part in row.contents]
        found = [one for key in keys if (one := self._cache.get(key)) is not None]
        if len(found) < len(keys):
            found = np.split(self._worked_out(row).numpy(), np.cumsum(row.sizes)[:-1])
            for key, one in zip(keys, found, strict=True):
                self._cache.put(key, one)
        return torch.from_numpy(np.concatenate(found))

    def _worked_out(self, row: Row) -> Tensor:
        learning = self.network.training
        self.network.eval()
        catch = _Catch()
        upper = {place: catch for place in range(self.first, len(self._layers))}
        with torch.no_grad(), self._instead(upper):
            self._run(row, self.first)
        self.network.train(learning)
        return catch.states[0]

    def _run(self, row: Row, layers: int) -> Tensor:
        with exchanged_attention(self.network, row, layers=layers):
            made = self.network.base_model(
                input_ids=row.tokens[None], position_ids=row.positions[None], use_cache=False
            )
        hidden: Tensor = made.last_hidden_state[0]
        return hidden

    @contextlib.contextmanager
    def _instead(self, others: Mapping[int, nn.Module]) -> Iterator[None]:
        kept = {place: self._layers[place] for place in others}
        try:
            for place, other in others.items():
                self._layers[place] = other
            yield
        finally:
            for place, own in kept.items():
                self._layers[place] = own


class _Replay(nn.Module):
    """A layer that gives what is known already."""

    def __init__(self, states: Tensor) -> None:
        super().__init__()
        self._states = states

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        return self._states


class _Catch(nn.Module):
    """A layer that keeps what comes in, and gives it on."""

    states: Tensor

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> Tensor:
        self.states = hidden_states
        return hidden_states


def _layers(network: Any) -> nn.ModuleList:
    """The list of layers.

    Raises
    ------
    LookupError
        When it cannot be told.
    """
    count = network.config.get_text_config().num_hidden_layers
    found = [
        one for one in network.base_model.children() if isinstance(one, nn.ModuleList) and len(one) == count
    ]
    if len(found) != 1:
        raise LookupError("the layers of the network")
    return found[0]
