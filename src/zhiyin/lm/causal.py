"""A causal language model of transformers behind the protocol ``zhiyin.types.LanguageModel``.

Texts in, texts and numbers out. Prefix and continuations are tokenised separately and no special
tokens are added. One lock a loaded model; callers in other threads wait.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from zhiyin.errors import InputError
from zhiyin.lm.generation import OpenVinoWriter, TransformersWriter, check_request, open_writer
from zhiyin.lm.linear import speed_up
from zhiyin.lm.scoring import Scorer
from zhiyin.lm.texts import listed, single_tokens
from zhiyin.types import FloatArray, Message

__all__ = ["CausalLanguageModel", "Precision"]

Precision = Literal["float32", "bfloat16"]
ROLES = ("system", "user", "assistant")


class CausalLanguageModel:
    """A loaded model; make one with ``load_language_model``.

    Parameters
    ----------
    model : Any
        A causal model of transformers in float32, in evaluation mode. It is changed in place: its
        linear layers get the faster product, and bfloat16 weights where ``dtype`` says so.
    tokenizer
        Its tokenizer.
    name : str
        Name under which results are kept in caches; must tell these weights from others.
    dtype : {"float32", "bfloat16"}
        Of the weights of the linear layers; all else is float32.
    gguf : Path or None
        The file that openvino-genai may write from.
    prefix_cache_bytes : int
        Bound of the memory for computed prefixes (SmolLM2-135M: 48 kB a token).
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str,
        dtype: Precision = "float32",
        gguf: Path | None = None,
        prefix_cache_bytes: int = 512 << 20,
    ) -> None:
        self._name = name if dtype == "float32" else f"{name}+{dtype}"
        self._tokenizer, self._gguf = tokenizer, gguf
        self._model = speed_up(model, bfloat16=dtype == "bfloat16")
        self._lock = threading.RLock()
        self._writer: OpenVinoWriter | TransformersWriter | None = None
        self._scorer = Scorer(
            self._model,
            name=self._name,
            prefix_cache_bytes=prefix_cache_bytes,
            tolerance=1e-3 if dtype == "float32" else 0.1,
        )

    def __repr__(self) -> str:
        return f"CausalLanguageModel({self._name!r})"

    @property
    def name(self) -> str:
        """Name, digest of the weights, and precision where it is not float32."""
        return self._name

    @property
    def model(self) -> Any:
        """The transformers model itself, for tuning; hold ``lock`` while using it."""
        return self._model

    @property
    def tokenizer(self) -> Any:
        """The transformers tokenizer."""
        return self._tokenizer

    @property
    def lock(self) -> threading.RLock:
        """The lock of this model."""
        return self._lock

    @property
    def writer(self) -> str:
        """What generates: "openvino-genai" or "transformers"; opened on first use."""
        with self._lock:
            return self._open().name

    def forget_prefixes(self) -> None:
        """Free the memory of all kept prefixes."""
        with self._lock:
            self._scorer.prefixes.clear()

    def count_tokens(self, text: str) -> int:
        """Number of tokens, without special ones."""
        return len(self._encode([text])[0])

    def chat_prompt(self, messages: Sequence[Message]) -> str:
        """The messages as the model was taught to read them, open for the assistant's answer.

        A model without a chat template gets "role: content" lines.

        Raises
        ------
        InputError
            For no messages, or a role other than system, user, assistant.
        """
        for message in messages:
            if message["role"] not in ROLES:
                raise InputError(
                    "A message has an unknown role", expected=str(ROLES), received=message["role"]
                )
        if not messages:
            raise InputError("There are no messages", expected="at least one")
        if not self._tokenizer.chat_template:
            lines = [f"{message['role']}: {message['content']}\n" for message in messages]
            return "".join([*lines, "assistant:"])
        try:
            prompt: str = self._tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # templates raise errors of their own: no system role, wrong order
            raise InputError(
                "The model's chat template refuses these messages",
                received=str([message["role"] for message in messages]),
                hint=str(error),
            ) from error
        return prompt

    def generate(
        self, prompts: Sequence[str], *, max_tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> list[str]:
        """What the model writes after each prompt, up to the end of its turn.

        Parameters
        ----------
        prompts : sequence of str
            Finished prompts, see ``chat_prompt``; written in batches.
        max_tokens : int
            Most tokens to add, >= 1.
        temperature : float
            0 takes the likeliest token (a prompt alone gives the same text as in a batch); above 0
            samples from the whole vocabulary.
        seed : int
            Of the samples; the same prompts and seed give the same texts.

        Raises
        ------
        InputError
            For an empty prompt or a number out of range.
        """
        prompts = listed(prompts, "prompts")
        check_request(prompts, max_tokens=max_tokens, temperature=temperature, seed=seed)
        with self._lock:
            writer = self._open()
            return writer.write(list(prompts), max_tokens=max_tokens, temperature=temperature, seed=seed)

    def token_log_probabilities(self, texts: Sequence[str]) -> list[FloatArray]:
        """Log p(token | tokens before it), nats: float64 [tokens - 1] for each text.

        The first token has nothing before it and no entry.
        """
        with self._lock:
            return self._scorer.token_log_probabilities(self._encode(listed(texts, "texts")))

    def log_likelihood(self, prefix: str, continuations: Sequence[str]) -> FloatArray:
        """Log p(continuation | prefix), summed over its tokens, float64 [n], nats.

        All continuations go through the model in one pass that shares the prefix; they equal
        separate passes within 1e-3 in float32. An empty continuation gives 0.

        Parameters
        ----------
        prefix : str
            Not empty. Kept: a later call whose prefix begins with the same tokens computes the rest
            only.
        continuations : sequence of str
            Tokenised apart from the prefix; mind the space they should begin with.

        Raises
        ------
        InputError
            For an empty prefix, or more tokens than the model can see.

        Examples
        --------
        >>> from zhiyin.lm import load_language_model
        >>> model = load_language_model("smollm2-135m")
        >>> paris, cheese = model.log_likelihood("The capital of France is", [" Paris", " cheese"])
        >>> bool(paris > cheese)
        True
        """
        with self._lock:
            head, *rest = self._encode([prefix, *listed(continuations, "continuations")])
            return self._scorer.log_likelihood(head, rest)

    def answer_logits(self, prefix: str, suffixes: Sequence[str], answers: Sequence[str]) -> FloatArray:
        """Logits of each answer after ``prefix`` and each suffix, float64 [n, answers].

        Taken in float32 or better whatever ``dtype`` is, so that their difference keeps its order.

        Parameters
        ----------
        prefix : str
            Not empty; shared and kept as in ``log_likelihood``.
        suffixes : sequence of str
            E.g. one a candidate, ending where the answer begins; may be empty.
        answers : sequence of str
            Two or more, one token each, e.g. (" yes", " no").

        Raises
        ------
        InputError
            For an empty prefix, an answer of several tokens, or more tokens than the model can see.
        """
        with self._lock:
            head, *rest = self._encode([prefix, *suffixes])
            return self._scorer.answer_logits(head, rest, single_tokens(self._tokenizer, answers))

    def _encode(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        if not texts:
            return []
        rows = self._tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return [np.array(row, dtype=np.int64) for row in rows]

    def _open(self) -> OpenVinoWriter | TransformersWriter:
        if self._writer is None:
            self._writer = open_writer(self._model, self._tokenizer, gguf=self._gguf)
        return self._writer
