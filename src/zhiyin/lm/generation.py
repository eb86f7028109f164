"""Writing text: openvino-genai straight from a GGUF file where it can, else transformers.

Both take finished prompts (see ``chat_prompt``), return only what was added, and stop at the end of
the turn. At temperature 0 they take the likeliest token; above it they sample, and the same prompts
with the same seed give the same texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from zhiyin.errors import InputError
from zhiyin.extras import available, require
from zhiyin.lm.read import quiet_transformers
from zhiyin.logs import get_logger

__all__ = ["OpenVinoWriter", "TransformersWriter", "check_request", "open_writer"]

BATCH = 16

EXACT = {
    "INFERENCE_PRECISION_HINT": "f32",
    "KV_CACHE_PRECISION": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
}
"""OpenVINO's own settings round activations and cached keys to 8 or 16 bits, in groups that depend on
the batch, and a prompt then reads otherwise alone than among others (3 of 6 did). These do not; they
cost a third of the speed."""

_log = get_logger(__name__)


def check_request(prompts: Sequence[str], *, max_tokens: int, temperature: float, seed: int) -> None:
    """Refuse what no writer can do.

    Raises
    ------
    InputError
        For an empty prompt, ``max_tokens`` below 1, a negative temperature or seed.
    """
    for index, prompt in enumerate(prompts):
        if not prompt:
            raise InputError(f"Prompt {index} is empty", expected="at least one character")
    if max_tokens < 1:
        raise InputError("max_tokens is out of range", expected=">= 1", received=str(max_tokens))
    if not 0.0 <= temperature < float("inf"):
        raise InputError("temperature is out of range", expected=">= 0", received=str(temperature))
    if not 0 <= seed < 2**63:
        raise InputError("seed is out of range", expected="0 to 2**63 - 1", received=str(seed))


def open_writer(model: Any, tokenizer: Any, *, gguf: Path | None) -> OpenVinoWriter | TransformersWriter:
    """The fastest writer for a model: OpenVINO when there is a GGUF file that it can read."""
    if gguf is not None and available("openvino_genai"):
        try:
            return OpenVinoWriter(gguf)
        except Exception as error:  # its errors are those of a C++ parser: IndexError, RuntimeError, …
            _log.warning("openvino-genai cannot read the file; transformers writes", reason=repr(error)[:200])
    return TransformersWriter(model, tokenizer)


class OpenVinoWriter:
    """Generation by openvino-genai from the quantised weights of a GGUF file."""

    name = "openvino-genai"

    def __init__(self, gguf: Path) -> None:
        self._library = require("openvino_genai")
        self._pipeline = self._library.LLMPipeline(str(gguf), "CPU", **EXACT)

    def write(self, prompts: Sequence[str], *, max_tokens: int, temperature: float, seed: int) -> list[str]:
        """What follows each prompt."""
        config = self._pipeline.get_generation_config()
        config.max_new_tokens = max_tokens
        config.apply_chat_template = False
        config.do_sample = temperature > 0
        if temperature > 0:
            config.temperature, config.rng_seed = temperature, seed
        texts: list[str] = []
        for first in range(0, len(prompts), BATCH):
            texts += self._pipeline.generate(list(prompts[first : first + BATCH]), config).texts
        return texts


class TransformersWriter:
    """Generation by transformers from the float weights."""

    name = "transformers"

    def __init__(self, model: Any, tokenizer: Any, *, batch: int = BATCH) -> None:
        self._model, self._tokenizer, self._together = model, tokenizer, batch

    def write(self, prompts: Sequence[str], *, max_tokens: int, temperature: float, seed: int) -> list[str]:
        """What follows each prompt."""
        made = self.tokens(prompts, max_tokens=max_tokens, temperature=temperature, seed=seed)
        return [self._tokenizer.decode(one, skip_special_tokens=True) for one in made]

    def tokens(
        self, prompts: Sequence[str], *, max_tokens: int, temperature: float, seed: int
    ) -> list[list[int]]:
        """The tokens that follow each prompt, without the one that ends it: fewer than asked, it ended."""
        torch = require("torch")
        made: list[list[int]] = []
        # The seed holds for this block alone: torch's own random state is put back afterwards.
        with torch.random.fork_rng(devices=[]), torch.inference_mode(), quiet_transformers():
            torch.manual_seed(seed)
            for first in range(0, len(prompts), self._together):
                made += self._batch(prompts[first : first + self._together], max_tokens, temperature)
        return made

    def _batch(self, prompts: Sequence[str], max_tokens: int, temperature: float) -> list[list[int]]:
        torch = require("torch")
        encoded = [
            self._tokenizer(one, add_special_tokens=False, verbose=False)["input_ids"] for one in prompts
        ]
        longest = max(len(one) for one in encoded)
        stop = self._model.generation_config.eos_token_id
        pad = self._pad(stop)
        # Padded on the left, so that what is added begins at the same column for all.
        ids = torch.tensor([[pad] * (longest - len(one)) + one for one in encoded])
        mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in encoded])
        sampling = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        made = self._model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=max_tokens,
            pad_token_id=pad,
            **(sampling if temperature > 0 else {"do_sample": False}),
        )
        ends = {stop} if isinstance(stop, int) else set(stop or ())
        return [list(takewhile(lambda one: one not in ends, row)) for row in made[:, longest:].tolist()]

    def _pad(self, stop: int | list[int] | None) -> int:
        if self._tokenizer.pad_token_id is not None:
            return int(self._tokenizer.pad_token_id)
        if stop is None:
            return 0
        return stop[0] if isinstance(stop, list) else stop
