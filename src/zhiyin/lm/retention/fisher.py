"""Which weights matter to what a model writes: the diagonal of its Fisher information."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zhiyin.lm.retention.divergence import Tokens, next_words
from zhiyin.lm.tuning.learner import Learner
from zhiyin.lm.tuning.twin import twin

__all__ = ["fisher_information"]


def fisher_information(
    base: Any, learner: Learner, texts: Sequence[Tokens], firsts: Sequence[int]
) -> dict[str, Tensor]:
    """The diagonal a token, by the names of the weights.

    The squared gradients of the log-likelihoods of what is written in the texts, summed, over the tokens
    written. Where the base model has sampled them this is an unbiased estimate of the Fisher information
    itself, not of the "empirical" one (Kunstner et al. 2019): the gradients of different tokens of a sample
    have no correlation.

    Parameters
    ----------
    base : causal model of transformers
        Left as it is.
    learner : Learner
        What it is for; weights that no adapter of it touches are left out.
    texts : sequence of int64 [N]
    firsts : sequence of int
        For each text the first token that was written; those before it were given. 0 counts as 1, as nothing
        foretells the first.
    """
    network = twin(base, apart=True)
    wanted = {name.replace(".base_layer", "") for name, _ in learner.network.named_parameters()}
    weights = {name: one for name, one in network.named_parameters() if name in wanted}
    found = {name: torch.zeros_like(one) for name, one in weights.items()}
    count = 0
    for tokens, first in zip(texts, firsts, strict=True):
        told = np.arange(max(first, 1), len(tokens))
        if not len(told):
            continue
        hidden = network.base_model(input_ids=torch.from_numpy(tokens)[None], use_cache=False)
        words = next_words(network, hidden.last_hidden_state[0][:-1])
        words[told - 1, tokens[told]].sum().backward()  # type: ignore[no-untyped-call]
        count += len(told)
        for name, one in weights.items():
            if one.grad is not None:
                found[name] += one.grad.square()
        network.zero_grad(set_to_none=True)
    return {name: one / max(count, 1) for name, one in found.items()}
