"""LoRA with each weight's length learned apart from its direction (Liu et al. 2024, "DoRA", equation 5)."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from zhiyin.lm.tuning.lora import LoRATuner

__all__ = ["DoRATuner"]


class DoRATuner(LoRATuner):
    """DoRA."""

    name = "dora"
    decomposed = True

    def deltas(self) -> Iterator[tuple[str, Tensor]]:
        """W' - W, where W' = m (W + s B A) / |W + s B A|; the length below the line is not differentiated."""
        for name, layer in self._layers():
            (active,) = layer.active_adapters
            start = layer.get_base_layer().weight.detach()
            moved = start + layer.get_delta_weight(active)
            across = 0 if layer.fan_in_fan_out else 1  # GPT-2 keeps its weights the other way round
            length = moved.detach().norm(dim=across, keepdim=True)
            magnitude = layer.lora_magnitude_vector[active].weight.unsqueeze(across)
            yield f"{name}.weight", magnitude * moved / length - start
