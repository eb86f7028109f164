"""All weights learn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from zhiyin.errors import NotFittedError
from zhiyin.lm.read import quiet_transformers, read_model
from zhiyin.lm.tuning.tuner import Tuner
from zhiyin.lm.tuning.twin import twin

__all__ = ["FullTuner"]


class FullTuner(Tuner):
    """Full tuning; its folder is a model folder that ``load_language_model`` reads by itself."""

    name = "full"
    rate = 2e-5

    def _attach(self, network: Any) -> Any:
        return twin(network, apart=True)

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """All weights."""
        for name, one in self._learner().network.named_parameters():
            yield name, one.detach()

    def deltas(self) -> Iterator[tuple[str, Tensor]]:
        """Each weight minus what it was."""
        if self.base_ is None:
            raise NotFittedError("FullTuner")
        start = dict(self.base_.model.named_parameters())
        for name, one in self._learner().network.named_parameters():
            yield name, one - start[name].detach()

    def _read(self, network: Any, folder: Path) -> Any:
        made, _ = read_model(folder)
        return made

    def _write(self, folder: Path) -> None:
        learner = self._learner()
        with quiet_transformers():
            learner.network.save_pretrained(str(folder))
        learner.tokenizer.save_pretrained(str(folder))
