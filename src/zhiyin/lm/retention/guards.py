"""Penalties that keep a tuned model near what it was, on its own texts and in its weights.

``kl``: mean over positions of KL(base || tuned), where base is the same weights without the adapter (Li &
Hoiem 2017, "Learning without forgetting"; here on texts that the base model wrote, with words struck out of
half of them). ``replay``: mean negative log-likelihood of what it wrote in the other half. ``l2_sp``: half
the squared distance to the starting weights (Li et al. 2018, "Explicit inductive bias for transfer learning
with convolutional networks"). ``ewc``: the same, weighted by the diagonal of the Fisher information
(Kirkpatrick et al. 2017, "Overcoming catastrophic forgetting").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from zhiyin import __version__
from zhiyin.caches import ArrayCache, content_key
from zhiyin.draws import generator
from zhiyin.errors import InputError
from zhiyin.lm.causal import CausalLanguageModel
from zhiyin.lm.find import cache_folder
from zhiyin.lm.retention.divergence import Tokens, compare, next_words, read
from zhiyin.lm.retention.fisher import fisher_information
from zhiyin.lm.retention.texts import OwnText, own_texts, with_blanks
from zhiyin.lm.tuning.config import GuardConfig
from zhiyin.lm.tuning.learner import Learner
from zhiyin.lm.tuning.lower import MOST_BYTES
from zhiyin.lm.tuning.rows import text_row
from zhiyin.lm.tuning.training import Guarding

if TYPE_CHECKING:
    from zhiyin.lm.tuning.tuner import Tuner

__all__ = ["guards"]

OWN_TEXTS, HELD_OUT = 128, 32
FISHER_TEXTS = 24


def guards(
    tuner: Tuner, *, texts: Sequence[str] | None = None, held_out: Sequence[str] | None = None
) -> tuple[list[Guarding], Callable[[], float] | None]:
    """What guards a tuner as its config says, and what tells how much it has forgotten.

    Parameters
    ----------
    tuner : Tuner
        Attached, not yet trained.
    texts, held_out : sequences of str or None
        To guard on, and to measure on; None: what the base model writes itself.

    Returns
    -------
    guards, forget
        ``forget()`` is KL(base || tuned) per token on the held-out texts; None where nothing needs texts.

    Raises
    ------
    InputError
        When there are no texts.
    """
    config, base, learner = tuner.config.guard, tuner.base_, tuner.learner_
    if base is None or learner is None:
        raise InputError("The tuner is not attached", hint="Give guards to its fit.")
    made: list[Guarding] = []
    if config.l2_sp > 0:
        made.append(_Distance(tuner, config.l2_sp, None))
    if not config.reads:
        return made, None
    told = _Shown.of(
        base,
        learner,
        own_texts(base, count=HELD_OUT, language=config.language, held_out=True)
        if held_out is None
        else _others(held_out),
    )
    if config.kl > 0 or config.replay > 0 or config.ewc > 0:
        shown = _Shown.of(base, learner, _own(base, config.language) if texts is None else _others(texts))
        if config.kl > 0 or config.replay > 0:
            made.append(_Writing(base.model, learner, shown, config, tuner.config.seed))
        if config.ewc > 0:
            some = slice(0, FISHER_TEXTS)
            information = fisher_information(base.model, learner, shown.tokens[some], shown.firsts[some])
            made.append(_Distance(tuner, config.ewc, information))
    return made, lambda: _forgotten(base.model, learner, told)


def _own(base: CausalLanguageModel, language: str) -> list[OwnText]:
    return with_blanks(own_texts(base, count=OWN_TEXTS, language=language))


def _others(texts: Sequence[str]) -> list[OwnText]:
    return [OwnText("", one) for one in texts]


@dataclass(frozen=True, eq=False)
class _Shown:
    """Texts in tokens, the first of each that was written, and the base model's last hidden states."""

    tokens: list[Tokens]
    firsts: list[int]
    hidden: list[Tensor]

    @classmethod
    def of(cls, base: CausalLanguageModel, learner: Learner, texts: Sequence[OwnText]) -> _Shown:
        def read_in(text: str) -> list[int]:
            found: list[int] = learner.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
            return found

        rows = [(read_in(one.whole), len(read_in(one.opening)) if one.opening else 0) for one in texts]
        rows = [row for row in rows if len(row[0]) > 1]
        tokens = [np.array(row[: learner.longest], dtype=np.int64) for row, _ in rows]
        if not tokens:
            raise InputError("There are no texts to guard on", expected="two tokens or more", received="none")
        cache = ArrayCache(cache_folder() / "activations", max_bytes=MOST_BYTES)
        versions = (__version__, torch.__version__, base.name)
        with torch.no_grad(), base.lock:
            keys = [content_key("last", *versions, one.tolist()) for one in tokens]
            hidden = [_last(base, one, cache, key) for one, key in zip(tokens, keys, strict=True)]
            return cls(tokens, [first for _, first in rows], hidden)


def _last(base: CausalLanguageModel, tokens: Tokens, cache: ArrayCache, key: str) -> Tensor:
    """Last hidden states of a text, kept on disk: every strength of a guard and every seed reads them."""
    found = cache.get(key)
    if found is None:
        found = read(base.model, tokens).numpy()
        cache.put(key, found)
    return torch.from_numpy(found)


def _forgotten(base: Any, learner: Learner, told: _Shown) -> float:
    learning = learner.network.training
    learner.network.eval()
    found = []
    with torch.no_grad():
        for tokens, before in zip(told.tokens, told.hidden, strict=True):
            after = learner.hidden(text_row([tokens]))
            found.append(compare(base, before, learner.network, after, tokens)[0])
    learner.network.train(learning)
    return float(np.concatenate(found).mean())


class _Writing:
    """KL and replay, on some of the texts each step."""

    def __init__(self, base: Any, learner: Learner, shown: _Shown, config: GuardConfig, seed: int) -> None:
        self._base, self._learner, self._shown = base, learner, shown
        self._config, self._seed = config, seed

    def backward(self, step: int) -> None:
        """Add the gradient of the weighted penalty."""
        chosen = self._chosen(step)
        tokens = [self._shown.tokens[place] for place in chosen]
        hidden = self._learner.hidden(text_row(tokens))
        found = next_words(self._learner.network, hidden)
        loss = found.new_zeros(())
        if self._config.kl > 0:
            with torch.no_grad():
                before = next_words(self._base, torch.cat([self._shown.hidden[place] for place in chosen]))
            loss = loss + self._config.kl * (before.exp() * (before - found)).sum(1).mean()
        if self._config.replay > 0:
            starts = np.cumsum([0, *(len(one) for one in tokens[:-1])])
            firsts = [max(self._shown.firsts[place], 1) for place in chosen]
            own = zip(starts, firsts, tokens, strict=True)
            told = np.concatenate([start + np.arange(first, len(one)) for start, first, one in own])
            words = torch.from_numpy(np.concatenate(tokens)[told])
            loss = loss - self._config.replay * found[told - 1, words].sum() / max(len(told), 1)
        loss.backward()  # type: ignore[no-untyped-call]

    def _chosen(self, step: int) -> list[int]:
        order = generator(self._seed, step, stream="guard").permutation(len(self._shown.tokens))
        sizes = np.cumsum([len(self._shown.tokens[place]) for place in order])
        count = int(np.searchsorted(sizes, self._config.tokens)) + 1
        return [int(place) for place in order[:count]]


class _Distance:
    """Half the squared distance of the weights to where they started, weighted or not."""

    def __init__(self, tuner: Tuner, strength: float, weights: dict[str, Tensor] | None) -> None:
        self._tuner, self._strength, self._weights = tuner, strength, weights

    def backward(self, step: int) -> None:
        """Add the gradient of the weighted penalty."""
        for name, delta in self._tuner.deltas():
            squares = delta.square()
            if self._weights is not None:
                squares = squares * self._weights[name]
            (self._strength / 2 * squares.sum()).backward()  # type: ignore[no-untyped-call]
