"""A causal model that learns: rows in, margins of yes over no out, with derivatives; knows no loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zhiyin.errors import ModelError
from zhiyin.lm.exchange import UnsupportedAttentionError, exchanged_attention
from zhiyin.lm.texts import single_tokens
from zhiyin.lm.tuning.examples import PackedExample, TokenExample, encode
from zhiyin.lm.tuning.lower import Lower
from zhiyin.lm.tuning.rows import Row, lay_out, text_row
from zhiyin.types import FloatArray

__all__ = ["Learner"]


class Learner:
    """What is trained, and how it answers.

    Parameters
    ----------
    network : nn.Module
        The causal model of transformers itself, adapters inside its layers.
    tokenizer
        Of transformers.
    answers : (str, str)
        Yes and no, one token each.
    row_tokens : int
        Tokens of a forward pass.
    lower : Lower or None
        The layers that do not learn.

    Raises
    ------
    InputError
        When an answer is not one token.
    """

    def __init__(
        self,
        network: Any,
        tokenizer: Any,
        *,
        answers: tuple[str, str],
        row_tokens: int,
        lower: Lower | None = None,
    ) -> None:
        self.network, self.tokenizer, self.row_tokens = network, tokenizer, row_tokens
        self.lower = lower
        config = network.config.get_text_config()
        self.longest: int | None = getattr(config, "max_position_embeddings", None)
        self._softcap = getattr(config, "final_logit_softcapping", None)
        self._answers = single_tokens(tokenizer, answers)

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """Parameters that learn, by name."""
        return {name: one for name, one in self.network.named_parameters() if one.requires_grad}

    def encode(self, examples: Sequence[PackedExample]) -> list[TokenExample]:
        """Tokenise.

        Raises
        ------
        InputError
            When an example is longer than the model can see.
        """
        return encode(self.tokenizer, examples, longest=self.longest)

    def check(self) -> None:
        """See whether the network can read a row at all.

        Raises
        ------
        ModelError
            When its attention cannot be exchanged.
        """
        try:
            with torch.no_grad():
                self.hidden(text_row([np.zeros(2, np.int64)]))
        except UnsupportedAttentionError as error:
            raise ModelError(
                "The model cannot be tuned on packed examples",
                expected="attention by transformers' AttentionInterface, as in Llama, Qwen, Gemma, GPT-2",
                received=str(error),
                hint="Choose a model of another family.",
            ) from error

    def hidden(self, row: Row) -> Tensor:
        """Last hidden states, [N, width]."""
        if self.lower is not None:
            return self.lower.hidden(row)
        with exchanged_attention(self.network, row):
            made = self.network.base_model(
                input_ids=row.tokens[None], position_ids=row.positions[None], use_cache=False
            )
        hidden: Tensor = made.last_hidden_state[0]
        return hidden

    def margins(self, row: Row) -> Tensor:
        """Logit of yes minus logit of no at the end of each branch, float32 [B]."""
        head = self.network.get_output_embeddings()
        hidden = self.hidden(row)[row.last].float()
        logits = nn.functional.linear(hidden, *_rows(head, self._answers))
        if self._softcap is not None:
            logits = self._softcap * torch.tanh(logits / self._softcap)
        return logits[:, 0] - logits[:, 1]

    def scores(self, examples: Iterable[TokenExample]) -> FloatArray:
        """Margins of the branches in the order of their places, float64; without derivatives.

        The network is in evaluation mode meanwhile.
        """
        known = list(examples)
        places = np.sort(np.concatenate([one.places for one in known])) if known else np.zeros(0, np.int64)
        found = np.zeros(len(places))
        learning = self.network.training
        self.network.eval()
        with torch.no_grad():
            for row in lay_out(known, self.row_tokens):
                found[np.searchsorted(places, row.places)] = self.margins(row).double().numpy()
        self.network.train(learning)
        return found


def _rows(head: Any, words: list[int]) -> tuple[Tensor, Tensor | None]:
    chosen = torch.tensor(words)
    bias = getattr(head, "bias", None)
    return head.weight[chosen], None if bias is None else bias[chosen]
