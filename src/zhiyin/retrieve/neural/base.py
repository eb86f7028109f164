"""What all neural retrievers share: how they are fitted, judged, continued and kept; knows no network."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import nn

from zhiyin import __version__
from zhiyin.caches import content_key
from zhiyin.data import Catalogue, Dataset, held_out_task
from zhiyin.draws import generator
from zhiyin.evaluate import ranking
from zhiyin.lm import cache_folder
from zhiyin.logs import get_logger
from zhiyin.nesting import under
from zhiyin.retrieve.base import ScoringRetriever
from zhiyin.retrieve.forgetting import ForgettingConfig, ForgettingRetriever
from zhiyin.retrieve.neural.export import Exported
from zhiyin.retrieve.neural.training import Course, Lesson, TrainingConfig, train
from zhiyin.types import Array, IntArray

__all__ = ["FadingNetwork", "FadingNetworkConfig", "NeuralRetriever", "tensors_under", "weights_drawn"]

log = get_logger("retrieve")
K = 10
JUDGED_USERS = 3000


class NeuralRetriever(ScoringRetriever):
    """Base of networks: ``model_`` is made, trained until validation gets no better, and settled.

    Fitted without validation it trains for as many epochs as were best when there was one, else for
    ``epochs``. A long training that is stopped goes on where it was when the same is fitted again.
    ``course_`` tells losses, qualities and seconds by epoch, of the last fit.
    """

    Config: ClassVar[type[TrainingConfig]] = TrainingConfig
    config: TrainingConfig
    saved_numbers: ClassVar[tuple[str, ...]] = ("cut_", "epochs_")
    model_: nn.Module

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self.epochs_: float = 0
        self.course_ = Course()

    @abstractmethod
    def _prepare(self, known: Dataset) -> None:
        """Make a fresh ``model_``; random numbers of torch are seeded."""

    @abstractmethod
    def _lesson(self, known: Dataset) -> Lesson[Any]:
        """What is trained; without a judge."""

    @abstractmethod
    def exported(self) -> Exported:
        """What an ONNX file is made of."""

    @abstractmethod
    def _settle(self) -> None:
        """Work out what answers are made of, from the weights as they are."""

    def _learn(self, train: Dataset) -> None:
        self._train(train, None)

    def _choose(self, train: Dataset, valid: Dataset) -> None:
        self._train(train, valid)

    def _train(self, known: Dataset, valid: Dataset | None) -> None:
        own, name = self.config, type(self).__name__
        with weights_drawn(own.seed):
            self._prepare(known)
        epochs = None if valid is not None else int(self.epochs_) or own.epochs
        later = None if valid is None else valid.fingerprint
        told = own.model_dump(mode="json"), self._started_from()
        key = content_key(__version__, name, *told, known.fingerprint, later, epochs)
        self.course_ = train(
            self._lesson(known),
            own,
            judge=None if valid is None else self._judge(known, valid),
            name=name.removesuffix("Retriever"),
            epochs=epochs,
            file=cache_folder() / "training" / f"{key}.safetensors",
        )
        self.epochs_ = self.course_.epochs
        self._settle()

    def _started_from(self) -> str:
        """Digest of what training starts from beside the data and the config."""
        return ""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        with torch.random.fork_rng(devices=[]):
            return super().load(folder)

    def with_catalogue(self, catalogue: Catalogue, changed: IntArray) -> Self:
        """A snapshot for a catalogue that has grown or whose texts have changed."""
        with torch.random.fork_rng(devices=[]):
            return super().with_catalogue(catalogue, changed)

    def _judge(self, known: Dataset, valid: Dataset) -> Callable[[], float] | None:
        """NDCG@10 on validation, of the weights as they are; None: validation tells nothing."""
        task = held_out_task(known, valid).sample(JUDGED_USERS, seed=0)
        if not len(task.relevant.items):
            log.warning(
                "nobody took anything new in validation: all epochs are made", epochs=self.config.epochs
            )
            return None

        def judge() -> float:
            self._settle()
            values = ranking.ndcg(self.retrieve(task.queries, K).items, task.relevant, K)
            told = values[~np.isnan(values)]
            return float(told.mean()) if len(told) else 0.0

        return judge

    def _weights(self) -> dict[str, Array]:
        """The weights of the model as arrays, each under "model."."""
        return {f"model.{name}": value.numpy() for name, value in self.model_.state_dict().items()}


class FadingNetworkConfig(TrainingConfig, ForgettingConfig):
    """Of the training, and ``half_life``."""


class FadingNetwork(NeuralRetriever, ForgettingRetriever):
    """Base of networks whose question is a sum over the history: the half-life is chosen in the end."""

    Config: ClassVar[type[FadingNetworkConfig]] = FadingNetworkConfig
    config: FadingNetworkConfig
    saved_numbers: ClassVar[tuple[str, ...]] = ("cut_", "epochs_", "half_life_", "memory_")

    def fit(self, train: Dataset, valid: Dataset | None = None) -> Self:
        """Train on ``train`` until ``valid`` gets no better, then choose on it how fast histories fade.

        Returns
        -------
        Self
            This component, fitted.
        """
        chooses = valid is not None and self.config.half_life is None
        if chooses:
            self.half_life_ = np.inf  # while it trains
        ScoringRetriever.fit(self, train, valid)
        if valid is not None and chooses:
            self._choose_half_life(self._task(train, valid))
        return self


@contextlib.contextmanager
def weights_drawn(seed: int) -> Iterator[None]:
    """Inside the block torch draws fresh weights by the seed; afterwards goes on as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator(seed, 0, stream="weights").integers(2**31)))
        yield


def tensors_under(state: Mapping[str, Array], prefix: str) -> dict[str, torch.Tensor]:
    """What lies under a prefix, as tensors of their own."""
    return {name: torch.from_numpy(one.copy()) for name, one in under(prefix, state).items()}
