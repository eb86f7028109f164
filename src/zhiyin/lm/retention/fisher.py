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


def fisher_information(base: Any, learner: Learner, texts: Sequence[Tokens]) -> dict[str, Tensor]:
    """Mean over texts of the squared gradient of a text's mean log-likelihood, by the names of the weights.

    The texts should be samples of the base model: then this is the Fisher information itself, not the
    "empirical" one (Kunstner et al. 2019).

    Parameters
    ----------
    base : causal model of transformers
        Left as it is.
    learner : Learner
        What it is for; weights that no adapter of it touches are left out.
    texts : sequence of int64 [N]
    """
    network = twin(base, apart=True)
    wanted = {name.replace(".base_layer", "") for name, _ in learner.network.named_parameters()}
    weights = {name: one for name, one in network.named_parameters() if name in wanted}
    found = {name: torch.zeros_like(one) for name, one in weights.items()}
    for tokens in texts:
        if len(tokens) < 2:
            continue
        hidden = network.base_model(input_ids=torch.from_numpy(tokens)[None], use_cache=False)
        words = next_words(network, hidden.last_hidden_state[0][:-1])
        words[np.arange(len(tokens) - 1), tokens[1:]].mean().backward()  # type: ignore[no-untyped-call]
        for name, one in weights.items():
            if one.grad is not None:
                found[name] += one.grad.square() / len(texts)
        network.zero_grad(set_to_none=True)
    return found
