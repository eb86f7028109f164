"""What all ways of tuning share: they are attached, trained, scored and kept; knows no way."""

from __future__ import annotations

import contextlib
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from zhiyin import __version__
from zhiyin.caches import content_key
from zhiyin.checkpoint import Checkpoint
from zhiyin.config import parse
from zhiyin.draws import generator
from zhiyin.errors import ArtifactError, InputError, ModelError, NotFittedError, ZhiyinError
from zhiyin.lm.causal import CausalLanguageModel
from zhiyin.lm.find import cache_folder
from zhiyin.lm.retention.guards import guards
from zhiyin.lm.tuning.config import TuningConfig
from zhiyin.lm.tuning.examples import PackedExample, TokenExample
from zhiyin.lm.tuning.keeping import check_whole, keep, told
from zhiyin.lm.tuning.learner import Learner
from zhiyin.lm.tuning.lower import Lower
from zhiyin.lm.tuning.training import Course, Lesson, train
from zhiyin.lm.tuning.twin import changed
from zhiyin.types import FloatArray

__all__ = ["Tuner"]


class Tuner(ABC):
    """Base of the ways to tune a causal model; one file each.

    Learned: ``learner_``, ``course_``, ``base_`` (the model it started from), ``data_`` (digest of what it
    learned from), ``beyond_`` (whether its margins count beyond the base model's own, as those that were
    learned beside priors do: so nothing that was known is lost at the start).
    """

    name: ClassVar[str]
    Config: ClassVar[type[TuningConfig]] = TuningConfig
    rate: ClassVar[float]
    config: TuningConfig

    def __init__(self, **params: Any) -> None:
        config = parse(self.Config, params, where=f"The tuner {type(self).__name__}")
        known = config.learning_rate or self.rate
        self.config = config.model_copy(update={"learning_rate": known})
        self.learner_: Learner | None = None
        self.base_: CausalLanguageModel | None = None
        self.course_ = Course()
        self.data_ = ""
        self.beyond_ = False
        self._checkpoint = Checkpoint(None)

    @abstractmethod
    def _attach(self, network: Any) -> Any:
        """The network that learns, made from a loaded one, which is left as it is."""

    @abstractmethod
    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """The weights that differ from the base model's, whole, by its names."""

    @abstractmethod
    def deltas(self) -> Iterator[tuple[str, Tensor]]:
        """What was added to each weight so far, with derivatives."""

    @abstractmethod
    def _write(self, folder: Path) -> None:
        """Write the weights where other tools find them."""

    @abstractmethod
    def _read(self, network: Any, folder: Path) -> Any:
        """The tuned network, from a loaded one and what was written."""

    def fit(
        self,
        model: CausalLanguageModel,
        train_on: Sequence[PackedExample],
        valid: Sequence[PackedExample] = (),
        *,
        texts: Sequence[str] | None = None,
        held_out: Sequence[str] | None = None,
    ) -> Self:
        """Tune on examples; stop when validation gets no better.

        A run that was killed goes on where it was when it is called again with the same config and examples,
        until ``save`` has kept what came out.

        Parameters
        ----------
        model : CausalLanguageModel
            In float32; it is left as it is.
        train_on, valid : sequence of PackedExample
        texts, held_out : sequences of str or None
            What the guard keeps it writing, and what its forgetting is measured on; None: texts that the
            model writes itself (``zhiyin.lm.retention.texts``). Read where the config has a guard.

        Raises
        ------
        InputError
            For a model in bfloat16, no examples, or one that is too long.
        """
        if model.name.endswith("+bfloat16"):
            raise InputError(
                "The model is in bfloat16", expected="float32", hint="Load it with dtype='float32'."
            )
        self.data_ = content_key("examples", *(asdict(one) for one in (*train_on, *valid)))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(generator(self.config.seed, 0, stream="weights").integers(2**31)))
            with model.lock:
                network = self._attach(model.model)
        self._take(network, model)
        self._learner().check()
        self.beyond_ = any(one.priors for one in (*train_on, *valid))
        encoded = self._learner().encode([*train_on, *valid])
        if self.beyond_:
            encoded = _beyond(encoded, self._learner().scores(encoded))
        made, forget = guards(self, texts=texts, held_out=held_out)
        settings = self.config.model_dump(mode="json", exclude={"track"})
        shown = None if texts is None else list(texts), None if held_out is None else list(held_out)
        key = content_key(
            "tuning", __version__, self.name, settings, model.name, self.data_, len(train_on), *shown
        )
        self._checkpoint = Checkpoint(cache_folder() / "training" / f"{key}.safetensors")
        self.course_ = train(
            self._learner(),
            Lesson(encoded[: len(train_on)], encoded[len(train_on) :], made, forget),
            self.config,
            rate=self.config.learning_rate or self.rate,
            name=f"{self.name}-{key[:8]}",
            checkpoint=self._checkpoint,
        )
        return self

    def scores(self, examples: Sequence[PackedExample], *, scale: float = 1.0) -> list[FloatArray]:
        """Logit of yes minus logit of no of each branch, one float64 [branches] an example.

        Where the model was tuned beside priors (``beyond_``), above the base model's own.

        ``scale`` in [0, 1]: how much of the adapter; 0 is the base model.

        Raises
        ------
        NotFittedError, InputError
        """
        found = self._margins(examples, scale)
        if not self.beyond_:
            return found
        if scale == 0.0:
            return [np.zeros_like(one) for one in found]
        return [one - own for one, own in zip(found, self._margins(examples, 0.0), strict=True)]

    def _margins(self, examples: Sequence[PackedExample], scale: float) -> list[FloatArray]:
        learner = self._learner()
        lock: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
        if scale != 1.0 and self.base_ is not None:
            model = self.language_model(scale)
            learner, lock = self._reading(model.model, self.base_), model.lock
        encoded = learner.encode(examples)
        if not encoded:
            return []
        with lock:
            flat = learner.scores(encoded)
        return np.split(flat, np.cumsum([len(one.branches) for one in examples])[:-1])

    def language_model(self, scale: float = 1.0) -> CausalLanguageModel:
        """The tuned model, its adapter scaled; what it scores and writes is at full speed.

        Parameters
        ----------
        scale : float
            In [0, 1]: 0 is the base model, bit for bit.

        Raises
        ------
        NotFittedError, InputError
        """
        if not 0.0 <= scale <= 1.0:
            raise InputError("The scale is out of range", expected="[0, 1]", received=str(scale))
        self._learner()
        if self.base_ is None:
            raise NotFittedError(type(self).__name__)
        if scale == 0.0:
            return self.base_
        found = dict(self.weights())
        label = f"{self.name}-{_digest(found)[:8]}@{scale:g}"
        with self.base_.lock:
            return changed(self.base_, found.items(), scale=scale, label=label)

    def save(self, folder: Path, *, about: Mapping[str, Any] | None = None) -> None:
        """Write the adapter (peft's format; full: a model folder) and tuning.json, whole or not at all.

        Parameters
        ----------
        folder : path
            What was there is replaced.
        about : Mapping or None
            More to keep in tuning.json.

        Raises
        ------
        NotFittedError, ArtifactError
        """
        self._learner()
        if self.base_ is None:
            raise NotFittedError(type(self).__name__)
        rate = self.config.learning_rate or self.rate
        content = {
            "method": self.name,
            "base": self.base_.name,
            "config": {**self.config.model_dump(mode="json"), "learning_rate": rate},
            "data": self.data_,
            "beyond": self.beyond_,
            "zhiyin": __version__,
            "course": asdict(self.course_),
            **(about or {}),
        }
        keep(Path(folder), self._write, content)
        self._checkpoint.remove()

    @classmethod
    def load(cls, model: CausalLanguageModel, folder: Path) -> Self:
        """Read what ``save`` wrote.

        Parameters
        ----------
        model : CausalLanguageModel
            The one it was tuned from.
        folder : path

        Raises
        ------
        ArtifactError, ModelError
            When the folder is damaged or belongs to another model.
        """
        about = told(Path(folder))
        if about["method"] != cls.name or about["base"] != model.name:
            raise ModelError(
                f"{folder} does not belong here",
                expected=f"{cls.name} of {model.name}",
                received=f"{about['method']} of {about['base']}",
                hint="Load it with the model that was tuned.",
            )
        check_whole(Path(folder), about)
        tuner = cls(**about["config"])
        try:
            tuner.data_, tuner.course_ = str(about["data"]), Course.of(about["course"])
            tuner.beyond_ = bool(about["beyond"])
            with model.lock:
                network = tuner._read(model.model, Path(folder))
        except ZhiyinError:
            raise
        except Exception as error:  # peft and safetensors raise many kinds for one cause: it cannot be read
            raise ArtifactError(
                f"{folder} cannot be loaded",
                received=f"{type(error).__name__}: {error}".split("\n")[0][:300],
                hint="Tune again, with the versions that are installed.",
            ) from error
        tuner._take(network, model)
        return tuner

    def _take(self, network: Any, model: CausalLanguageModel) -> None:
        self.base_ = model
        self.learner_ = self._reading(network, model)

    def _reading(self, network: Any, model: CausalLanguageModel) -> Learner:
        return Learner(
            network,
            model.tokenizer,
            answers=self.config.answers,
            row_tokens=self.config.row_tokens,
            lower=Lower.of(network, self._frozen(), model.name),
        )

    def _frozen(self) -> int:
        """How many of the lowest layers are the base model's own."""
        return 0

    def _learner(self) -> Learner:
        if self.learner_ is None:
            raise NotFittedError(type(self).__name__)
        return self.learner_


def _beyond(examples: Sequence[TokenExample], base: FloatArray) -> list[TokenExample]:
    """With priors that take away what the base model says, float64 by place."""
    return [replace(one, priors=one.priors - base[one.places]) for one in examples]


def _digest(weights: Mapping[str, Tensor]) -> str:
    """sha256 of names and values."""
    made = hashlib.sha256()
    for name, value in weights.items():
        made.update(name.encode())
        made.update(value.contiguous().numpy().data)
    return made.hexdigest()
