"""How far two models' next words are apart on given texts; knows no tuning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zhiyin.extras import require
from zhiyin.types import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Tokens", "compare", "next_words", "read"]

Tokens = npt.NDArray[np.int64]

BLOCK = 64  # positions whose logits are held at a time: 12 MB for a vocabulary of 49,152


def read(network: Any, tokens: Tokens) -> Tensor:
    """Last hidden states of a text, [N, width]."""
    ids = require("torch").from_numpy(tokens)[None]
    made = network.base_model(input_ids=ids, use_cache=False)
    hidden: Tensor = made.last_hidden_state[0]
    return hidden


def next_words(network: Any, hidden: Tensor) -> Tensor:
    """Log-probabilities of the next word, nats, [N, vocabulary], float32; with derivatives."""
    head = network.get_output_embeddings()
    logits = require("torch").nn.functional.linear(hidden.float(), head.weight, getattr(head, "bias", None))
    cap = getattr(network.config.get_text_config(), "final_logit_softcapping", None)
    if cap is not None:
        logits = cap * (logits / cap).tanh()
    made: Tensor = logits.log_softmax(-1)
    return made


def compare(
    base: Any, before: Tensor, tuned: Any, after: Tensor, tokens: Tokens
) -> tuple[FloatArray, FloatArray]:
    """Two models on one text, nats; no derivatives.

    Parameters
    ----------
    base, tuned : causal models of transformers
    before, after : [N, width]
        Their last hidden states.
    tokens : int64 [N]

    Returns
    -------
    kl, log_probabilities
        KL(base || tuned) of the next word after each token, float64 [N]; ln p(token) under ``tuned`` of each
        token but the first, float64 [N - 1].
    """
    torch = require("torch")
    kl, found = [], []
    following = np.append(tokens[1:], tokens[-1])
    with torch.no_grad():
        for at in range(0, len(tokens), BLOCK):
            part = slice(at, at + BLOCK)
            one, other = next_words(base, before[part]), next_words(tuned, after[part])
            kl.append((one.exp() * (one - other)).sum(1, dtype=torch.float64).numpy())
            found.append(other[torch.arange(len(other)), torch.from_numpy(following[part])].double().numpy())
    return np.concatenate(kl), np.concatenate(found)[:-1]
