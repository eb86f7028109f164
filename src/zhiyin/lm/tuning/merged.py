"""LoRA's product with the adapter folded into the weights, forwards and backwards; knows peft's layers.

peft computes W x + s B (A x): two thin products and two sums beside each full one. Here W + s B A is made
once a step and serves all rows of the step. With x [N, in] and the gradient g [N, out] of the result,

    y = x (W + s B A)^T,   dx = g (W + s B A),   dB = s g^T (x A^T),   dA = s (g B)^T x

so a thin product is left only where the adapter itself learns. The results are peft's up to rounding.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn

from zhiyin.extras import require
from zhiyin.lm.linear import has_onednn, product

__all__ = ["fold"]


class _Folded(torch.autograd.Function):
    """The product above; ``weight`` is the sum, ``turned`` its transpose or None."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        first: Tensor,
        second: Tensor,
        weight: Tensor,
        turned: Tensor | None,
        bias: Tensor | None,
        scaling: float,
    ) -> Tensor:
        ctx.save_for_backward(x, first, second, weight, turned)
        ctx.scaling = scaling
        return product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, first, second, weight, turned = ctx.saved_tensors
        g = gradients[0].reshape(-1, weight.shape[0])
        flat = x.reshape(-1, weight.shape[1])
        thin = g @ second
        d_first = (thin.T @ flat).mul_(ctx.scaling)
        d_second = (g.T @ (flat @ first.T)).mul_(ctx.scaling)
        dx = None
        if ctx.needs_input_grad[0]:
            dx = (g @ weight if turned is None else product(g, turned)).view(x.shape)
        return dx, d_first, d_second, None, None, None, None


def fold(module: nn.Module) -> int:
    """Let the plain LoRA layers inside a module compute this way; how many there are.

    Layers with dropout, DoRA, a bias of their own or several adapters are left as they are.
    """
    layers = [one for one in module.modules() if _is_plain(one)]
    for one in layers:
        one.__class__ = _folded_class()
    return len(layers)


def _is_plain(module: Any) -> bool:
    lora = require("peft").tuners.lora
    if type(module) is not lora.Linear or len(module.lora_A) != 1:
        return False
    (name,) = module.lora_A
    base = module.get_base_layer()
    return (
        not module.lora_variant
        and not module.lora_bias[name]
        and not module.fan_in_fan_out
        and isinstance(module.lora_dropout[name], nn.Identity)
        and isinstance(base, nn.Linear)
        and not base.weight.requires_grad
    )


@functools.cache
def _folded_class() -> Any:
    linear = require("peft").tuners.lora.Linear

    class FoldedLinear(linear):  # type: ignore[misc, valid-type]
        """peft's LoRA layer, by one product."""

        def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            if self.disable_adapters or self.merged or args or kwargs or len(self.active_adapters) != 1:
                made: Tensor = super().forward(x, *args, **kwargs)
                return made
            (name,) = self.active_adapters
            first, second = self.lora_A[name].weight, self.lora_B[name].weight
            weight, turned = self._sum(first, second, self.scaling[name])
            return _Folded.apply(  # type: ignore[no-any-return, no-untyped-call]
                x, first, second, weight, turned, self.base_layer.bias, self.scaling[name]
            )

        def _sum(self, first: Tensor, second: Tensor, scaling: float) -> tuple[Tensor, Tensor | None]:
            # Compared by value: fused optimisers change weights without counting up their versions.
            kept = self.__dict__.get("_folded")
            if kept is None or not _same(kept[0], (first, second)) or kept[1] != scaling:
                with torch.no_grad():
                    weight = torch.addmm(self.base_layer.weight, second, first, alpha=scaling)
                    turned = weight.T.contiguous() if has_onednn() else None
                    kept = ((first.clone(), second.clone()), scaling, weight, turned)
                self.__dict__["_folded"] = kept
            return kept[2], kept[3]

    return FoldedLinear


def _same(before: tuple[Tensor, Tensor], now: tuple[Tensor, Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(before, now, strict=True))
