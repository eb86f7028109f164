"""The output head of a causal model, applied where a score needs it and nowhere else.

Two logits need two rows of its weights. Log-probabilities need all of them, and are taken block by
block over positions and vocabulary, so that the logits of one block stay in the processor's cache
and memory stays bounded whatever the number of positions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zhiyin.extras import require
from zhiyin.lm.linear import product
from zhiyin.types import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Head"]

ROWS, COLUMNS = 512, 4096
"""Block of positions by words (8 MB of logits)."""


class Head:
    """Scores of last hidden states [N, width] under a model's head.

    Parameters
    ----------
    model
        A causal model of transformers whose head is in float32. A cap on the logits (Gemma 2's
        ``final_logit_softcapping``) is honoured.
    """

    def __init__(self, model: Any) -> None:
        self._layer = model.get_output_embeddings()
        self._softcap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)

    @property
    def words(self) -> int:
        """Size of the vocabulary."""
        return len(self._layer.weight)

    def logits(self, hidden: Tensor, words: list[int]) -> FloatArray:
        """Logits of the given words, float64 [N, words]."""
        rows, bias = self._layer.weight[words].double(), getattr(self._layer, "bias", None)
        logits = hidden.double() @ rows.T
        if bias is not None:
            logits += bias[words].double()
        capped: FloatArray = self._capped(logits).numpy()
        return capped

    def log_probabilities(self, hidden: Tensor, words: npt.NDArray[np.int64]) -> FloatArray:
        """Log p(word) of one word a position, float64 [N], nats."""
        parts = [
            self._block(hidden[first : first + ROWS].float(), words[first : first + ROWS])
            for first in range(0, len(words), ROWS)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _block(self, hidden: Tensor, words: npt.NDArray[np.int64]) -> FloatArray:
        torch = require("torch")
        targets, weight = torch.from_numpy(words), self._layer.weight
        bias = getattr(self._layer, "bias", None)
        logits, sums = torch.zeros(len(hidden), dtype=torch.float64), []
        for low in range(0, len(weight), COLUMNS):
            part = slice(low, low + COLUMNS)
            block = self._capped(product(hidden, weight[part], None if bias is None else bias[part]))
            here = ((targets >= low) & (targets < low + COLUMNS)).nonzero()[:, 0]
            logits[here] = block[here, targets[here] - low].double()
            # log sum exp = x - log softmax(x) for any x, and log_softmax runs in one fused pass.
            sums.append((block[:, 0] - torch.log_softmax(block, -1)[:, 0]).double())
        # The blocks are joined in float64: in float32 this sum alone costs 1e-5 a token.
        found: FloatArray = (logits - torch.logsumexp(torch.stack(sums), 0)).numpy()
        return found

    def _capped(self, logits: Tensor) -> Tensor:
        return logits if self._softcap is None else (logits / self._softcap).tanh() * self._softcap
