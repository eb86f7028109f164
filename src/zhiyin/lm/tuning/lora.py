"""Low-rank adapters: W + (alpha / rank) B A, of which A and B learn (Hu et al. 2021, section 4)."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from zhiyin.extras import require
from zhiyin.lm.tuning.adapter import AdapterConfig, AdapterTuner

__all__ = ["LoRAConfig", "LoRATuner"]


class LoRAConfig(AdapterConfig):
    """``rank`` of the adapters, ``alpha`` (their weight is alpha / rank), ``dropout`` of what goes in."""

    rank: int = Field(default=16, ge=1, le=1024)
    alpha: float = Field(default=32.0, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)


class LoRATuner(AdapterTuner):
    """LoRA."""

    name = "lora"
    Config: ClassVar[type[LoRAConfig]] = LoRAConfig
    config: LoRAConfig
    rate = 5e-4
    decomposed: ClassVar[bool] = False

    def _peft(self, targets: list[str], layers: list[int] | None) -> Any:
        return require("peft").LoraConfig(
            r=self.config.rank,
            lora_alpha=self.config.alpha,
            lora_dropout=self.config.dropout,
            target_modules=targets,
            layers_to_transform=layers,
            use_dora=self.decomposed,
            task_type="CAUSAL_LM",
        )
