"""Many continuations of one prefix, scored in one pass; token ids in, float64 out.

The prefix goes through the model once (``prefix``), the continuations then go through it packed end
to end, without padding, in chunks of a few hundred tokens, each seeing the prefix and itself
(``attention``). So the cost of a candidate is that of its own tokens, whatever the prefix, and does
not grow with their number. The output head is applied only where a score needs it: to two rows of
its weights for ``answer_logits``; block by block over the vocabulary for log-probabilities, so that
memory stays bounded. A model that cannot be packed is scored one text at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zhiyin.errors import InputError
from zhiyin.extras import require
from zhiyin.lm.attention import Packed, pack
from zhiyin.lm.exchange import exchanged_attention
from zhiyin.lm.head import Head
from zhiyin.lm.prefix import PrefixCache, PrefixState
from zhiyin.logs import get_logger
from zhiyin.types import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Scorer"]

CHUNK_TOKENS = 768
"""Tokens of one packed pass: enough rows for full-speed products, few enough to stay in the caches."""

CHUNK_SCORES = 1 << 24
"""Largest number of attention scores of one layer in one pass (64 MB)."""

GROWING_ROPES = ("'dynamic'", "'longrope'")
"""Position codes whose angles depend on the length of the whole text, so nothing can be shared."""

Tokens = npt.NDArray[np.int64]
_log = get_logger(__name__)


@dataclass(frozen=True, eq=False)
class _Pass:
    """One packed pass: which texts, their lengths, and the last hidden states [N, width] of their tokens."""

    texts: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    tokens: Tokens
    hidden: Tensor

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        return np.cumsum(self.lengths) - self.lengths


class Scorer:
    """Scores of one causal model; not locked (the language model that owns it is).

    Parameters
    ----------
    model : nn.Module
        A causal model of transformers, in evaluation mode, on the CPU.
    name : str
        What tells this model from others in the cache of prefixes.
    prefix_cache_bytes : int
        Bound of that cache.
    tolerance : float
        Largest difference between packed and separate passes, per unit of the score, that a small
        trial on first use may show before the packed way is given up.
    """

    def __init__(
        self, model: Any, *, name: str, prefix_cache_bytes: int = 512 << 20, tolerance: float = 1e-3
    ) -> None:
        config: Any = model.config
        self._model, self._tolerance = model, tolerance
        self.prefixes = PrefixCache(model, name=name, capacity=prefix_cache_bytes)
        self._config = config.get_text_config()
        self._longest = getattr(self._config, "max_position_embeddings", None)
        self._head = Head(model)
        self._packs: bool | None = None

    @property
    def packs(self) -> bool:
        """Whether the model can be packed; tried out on first use."""
        if self._packs is None:
            self._packs = self._try()
        return self._packs

    def log_likelihood(self, prefix: Tokens, continuations: Sequence[Tokens]) -> FloatArray:
        """Sum of log p(token | prefix, tokens before it) over each continuation, float64 [n], nats.

        An empty continuation scores 0.
        """
        self._check(prefix, continuations)
        if not self.packs:
            sums = [self._separate(prefix, one).sum() for one in continuations]
            return np.array(sums, dtype=np.float64)
        with require("torch").inference_mode():
            return self._log_likelihood(prefix, continuations)

    def answer_logits(self, prefix: Tokens, suffixes: Sequence[Tokens], answers: Sequence[int]) -> FloatArray:
        """Logits of two tokens after prefix and suffix, float64 [n, 2]."""
        self._check(prefix, suffixes)
        torch = require("torch")
        with torch.inference_mode():
            if not self.packs:
                rows = [self._logits(np.concatenate([prefix, one]))[-1, list(answers)] for one in suffixes]
                return np.array([row.double().numpy() for row in rows]).reshape(-1, 2)
            return self._head.logits(self._last_hidden(prefix, suffixes), list(answers))

    def token_log_probabilities(self, texts: Sequence[Tokens]) -> list[FloatArray]:
        """Log p(token t | tokens before) for t >= 1 of each text; one float64 array a text, nats."""
        self._check_length(max((len(one) for one in texts), default=0))
        results = [np.zeros(0)] * len(texts)
        longer = [index for index, one in enumerate(texts) if len(one) > 1]
        if not self.packs:
            for index in longer:
                results[index] = self._separate(texts[index][:1], texts[index][1:])
            return results
        with require("torch").inference_mode():
            for one in self._passes(None, [texts[index] for index in longer]):
                rows = np.ones(len(one.tokens), bool)
                rows[one.starts] = False
                targets = np.flatnonzero(rows)
                found = self._head.log_probabilities(one.hidden[targets - 1], one.tokens[targets])
                parts = np.split(found, np.cumsum(one.lengths - 1)[:-1])
                for place, part in zip(one.texts, parts, strict=True):
                    results[longer[place]] = part
        return results

    def _log_likelihood(self, prefix: Tokens, continuations: Sequence[Tokens]) -> FloatArray:
        torch = require("torch")
        sums = np.zeros(len(continuations))
        state, rests, lead = self._lead(prefix, continuations)
        if lead:
            tokens = state.tokens[-lead:]
            sums += self._head.log_probabilities(state.hidden[-lead - 1 : -1], tokens).sum()
        for one in self._passes(state, rests):
            before = np.arange(len(one.tokens))
            before[one.starts] = 0  # the first token of a continuation is told by the prefix
            hidden = torch.cat([state.hidden[-1:], one.hidden])[before]
            found = self._head.log_probabilities(hidden, one.tokens)
            sums[one.texts] += np.add.reduceat(found, one.starts)
        return sums

    def _last_hidden(self, prefix: Tokens, suffixes: Sequence[Tokens]) -> Tensor:
        state, rests, _ = self._lead(prefix, suffixes)
        hidden: Tensor = state.hidden[-1].repeat(len(suffixes), 1)
        for one in self._passes(state, rests):
            hidden[one.texts] = one.hidden[one.starts + one.lengths - 1]
        return hidden

    def _lead(self, prefix: Tokens, texts: Sequence[Tokens]) -> tuple[PrefixState, list[Tokens], int]:
        """Move the tokens that all texts begin with into the prefix; each keeps at least one."""
        lead = 0
        if len(texts) > 1:
            shortest = min(len(one) for one in texts)
            heads = np.stack([one[:shortest] for one in texts])
            same = np.append((heads == heads[0]).all(0), False)
            lead = max(min(int(same.argmin()), shortest - 1), 0)
        state = self.prefixes.get(np.concatenate([prefix, texts[0][:lead]]) if lead else prefix)
        return state, [one[lead:] for one in texts], lead

    def _passes(self, state: PrefixState | None, texts: Sequence[Tokens]) -> Iterator[_Pass]:
        torch = require("torch")
        lengths = np.array([len(one) for one in texts], dtype=np.int64)
        start = 0 if state is None else len(state)
        for chunk in self._chunks(lengths, start):
            tokens = np.concatenate([texts[index] for index in chunk])
            packed = pack(
                lengths[chunk].tolist(), prefix=() if state is None else state.layers, prefix_length=start
            )
            yield _Pass(chunk, lengths[chunk], tokens, self._forward(torch.from_numpy(tokens), packed))

    def _forward(self, tokens: Tensor, packed: Packed) -> Tensor:
        with exchanged_attention(self._model, packed):
            made = self._model.base_model(
                input_ids=tokens[None], position_ids=packed.positions[None], use_cache=False
            )
        hidden: Tensor = made.last_hidden_state[0].float()
        return hidden

    def _chunks(self, lengths: npt.NDArray[np.int64], start: int) -> Iterator[npt.NDArray[np.int64]]:
        """Texts of similar length together, at least one a chunk; empty ones are left out."""
        order = np.argsort(lengths, kind="stable")
        chunk: list[int] = []
        tokens = 0
        for index in order[lengths[order] > 0]:
            length = int(lengths[index])
            limit = min(CHUNK_TOKENS, CHUNK_SCORES // (self._config.num_attention_heads * (start + length)))
            if chunk and tokens + length > limit:
                yield np.array(chunk)
                chunk, tokens = [], 0
            chunk.append(int(index))
            tokens += length
        if chunk:
            yield np.array(chunk)

    def _separate(self, prefix: Tokens, text: Tokens) -> FloatArray:
        """The slow way: log p of the tokens of one text, from one ordinary pass."""
        torch = require("torch")
        with torch.inference_mode():
            logits = self._logits(np.concatenate([prefix, text]))[len(prefix) - 1 : -1].double()
            found: FloatArray = torch.log_softmax(logits, -1)[np.arange(len(text)), text].numpy()
        return found

    def _logits(self, tokens: Tokens) -> Tensor:
        made = self._model(input_ids=require("torch").from_numpy(tokens)[None], use_cache=False)
        logits: Tensor = made.logits[0].float()
        return logits

    def _try(self) -> bool:
        """Score a few made-up tokens both ways; give up packing where they differ."""
        kind = type(self._model).__name__
        if any(one in str(getattr(self._config, "rope_parameters", "")) for one in GROWING_ROPES):
            _log.warning("scoring one text at a time", model=kind, reason="growing rope")
            return False
        rng = np.random.default_rng(0)
        words = len(self._model.get_output_embeddings().weight)
        prefix, *texts = (rng.integers(0, words, size) for size in (11, 4, 1, 6))
        try:
            with require("torch").inference_mode():
                packed = self._log_likelihood(prefix, texts)
        except Exception as error:  # how an unforeseen kind of model fails cannot be foreseen either
            _log.warning("scoring one text at a time", model=kind, reason=str(error))
            return False
        finally:
            self.prefixes.clear()
        separate = np.array([self._separate(prefix, one).sum() for one in texts])
        gap = float(np.max(np.abs(packed - separate) / np.maximum(np.abs(separate), 1.0)))
        if not gap <= self._tolerance:
            _log.warning("scoring one text at a time", model=kind, difference=gap)
            return False
        return True

    def _check(self, prefix: Tokens, texts: Sequence[Tokens]) -> None:
        if len(prefix) == 0:
            raise InputError(
                "The prefix has no tokens", expected="at least one token", hint="Start with an instruction."
            )
        self._check_length(len(prefix) + max((len(one) for one in texts), default=0))

    def _check_length(self, total: int) -> None:
        if self._longest is not None and total > self._longest:
            raise InputError(
                "The text is too long for the model",
                expected=f"at most {self._longest} tokens",
                received=str(total),
                hint="Shorten the history or the item texts.",
            )
