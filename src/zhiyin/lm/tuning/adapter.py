"""Ways of tuning that add a few weights beside the model's own, by peft; knows no single one."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from zhiyin.errors import ConfigError, NotFittedError
from zhiyin.extras import require
from zhiyin.lm.tuning.config import TuningConfig
from zhiyin.lm.tuning.merged import fold
from zhiyin.lm.tuning.tuner import Tuner
from zhiyin.lm.tuning.twin import twin

__all__ = ["AdapterConfig", "AdapterTuner"]


class AdapterConfig(TuningConfig):
    """Where adapters sit.

    ``targets``: last names of the linear layers; empty: all but the head. ``first_layer``: the lowest layer
    that has any, counted from 0; what lies below is never differentiated, and worked out once for each text:
    its states are kept on disk (2 KB a token for 576 numbers).
    """

    targets: tuple[str, ...] = ()
    first_layer: int = Field(default=0, ge=0)


class AdapterTuner(Tuner):
    """Base of the ways that peft knows. Learned: ``peft_``, the network with its adapter."""

    config: AdapterConfig
    peft_: Any = None

    @abstractmethod
    def _peft(self, targets: list[str], layers: list[int] | None) -> Any:
        """The config of peft."""

    def _attach(self, network: Any) -> Any:
        layers = network.config.get_text_config().num_hidden_layers
        first = self.config.first_layer
        if first >= layers:
            raise ConfigError("There is no such layer", expected=f"0 to {layers - 1}", received=str(first))
        targets = self._targets(network)
        made = twin(network)
        config = self._peft(targets, list(range(first, layers)) if first else None)
        return self._hold(lambda: require("peft").get_peft_model(made, config))

    def _read(self, network: Any, folder: Path) -> Any:
        return self._hold(lambda: require("peft").PeftModel.from_pretrained(twin(network), str(folder)))

    def _frozen(self) -> int:
        return self.config.first_layer

    def _hold(self, make: Callable[[], Any]) -> Any:
        with warnings.catch_warnings():  # peft asks transformers by old names
            warnings.simplefilter("ignore", FutureWarning)
            warnings.filterwarnings("ignore", "fan_in_fan_out is set", UserWarning)
            self.peft_ = make().eval()
        fold(self.peft_)
        return self.peft_.base_model.model

    def _targets(self, network: Any) -> list[str]:
        head = network.get_output_embeddings()
        linear = {
            name.rpartition(".")[2]
            for name, one in network.named_modules()
            if isinstance(one, torch.nn.Linear | require("transformers.pytorch_utils").Conv1D)
            and one is not head
        }
        unknown = set(self.config.targets) - linear
        if unknown:
            raise ConfigError(
                "The model has no such layers",
                expected=", ".join(sorted(linear)),
                received=", ".join(unknown),
            )
        return sorted(self.config.targets or linear)

    def weights(self) -> Iterator[tuple[str, Tensor]]:
        """The weights under the adapter, merged, by the base model's names."""
        with torch.no_grad():
            for (name, delta), (_, layer) in zip(self.deltas(), self._layers(), strict=True):
                yield name, layer.get_base_layer().weight + delta

    def deltas(self) -> Iterator[tuple[str, Tensor]]:
        """The products of the adapter's matrices, by the base model's names."""
        for name, layer in self._layers():
            (active,) = layer.active_adapters
            yield f"{name}.weight", layer.get_delta_weight(active)

    def _layers(self) -> Iterator[tuple[str, Any]]:
        if self.peft_ is None:
            raise NotFittedError(type(self).__name__)
        kind = require("peft").tuners.tuners_utils.BaseTunerLayer
        for name, module in self.peft_.base_model.model.named_modules():
            if isinstance(module, kind):
                yield name, module

    def _write(self, folder: Path) -> None:
        config = self.peft_.peft_config["default"]
        config.target_modules = sorted(config.target_modules)  # as a set it is written otherwise each time
        if self.base_ is not None:
            where = str(self.base_.model.name_or_path)
            config.base_model_name_or_path = str(Path(where).resolve()) if Path(where).is_dir() else where
        self.peft_.save_pretrained(str(folder), save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)  # a form that nobody filled in
