"""Matrix products on the CPU through oneDNN; knows nothing of language models.

torch sends fp32 products on x86 to MKL, which on processors that are not Intel's reaches less than
half of what oneDNN's generated kernels do (2 cores of an AMD Zen 5: 186 against 420 GFLOP/s). The
operator used is the one behind torch's own compiler. Where it is missing, where gradients are
wanted, or on another device, torch's ordinary product is used.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from zhiyin.extras import require

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["has_onednn", "product", "speed_up"]


@functools.cache
def has_onednn() -> bool:
    """Whether oneDNN's fused linear operator is there, works, and is the faster one.

    It is on processors with AVX-512; on others it and MKL are about even (2 cores of an AMD Zen 3: 119
    against 131 GFLOP/s). This is decided by kind, not by a stopwatch, so that a machine always gives the
    same numbers.
    """
    torch = require("torch")
    try:
        if not torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
            return False
        ones = torch.ones(2, 3)
        made = torch.ops.mkldnn._linear_pointwise(ones, ones, None, "none", [], "")
        return bool(torch.backends.mkldnn.is_available() and torch.equal(made, torch.full((2, 2), 3.0)))
    except (AttributeError, RuntimeError):
        return False


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias``; x [..., k], weight [m, k] -> [..., m].

    Examples
    --------
    >>> import torch
    >>> product(torch.ones(1, 2), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 7.]])
    """
    torch = require("torch")
    result: Tensor
    if torch.is_grad_enabled() or x.device.type != "cpu" or not has_onednn():
        result = torch.nn.functional.linear(x, weight, bias)
    else:  # this operator has no derivative
        result = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return result


def speed_up(model: Any, *, bfloat16: bool = False) -> Any:
    """Make every ``nn.Linear`` of a model use ``product``; returns the same model.

    Parameters
    ----------
    model : nn.Module
        A model in float32, on the CPU.
    bfloat16 : bool
        Also keep the weights of these layers in bfloat16 and multiply in it. Everything between
        them (embeddings, norms, attention, the sum of the residuals, the output head) stays
        float32, so that differences between two logits are not rounded away.
    """
    torch = require("torch")
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    for module in model.modules():
        if type(module) is not torch.nn.Linear:
            continue
        if bfloat16 and module is not head:
            module.to(torch.bfloat16)
        # The class changes, not the object: names, state dict, hooks and isinstance stay true.
        module.__class__ = _linear_class()
    return model


@functools.cache
def _linear_class() -> Any:
    torch = require("torch")

    class OneDnnLinear(torch.nn.Linear):  # type: ignore[name-defined, misc]
        """``nn.Linear`` by ``product``, in the dtype of its weights."""

        def forward(self, x: Tensor) -> Tensor:
            if x.dtype == self.weight.dtype:
                return product(x, self.weight, self.bias)
            return product(x.to(self.weight.dtype), self.weight, self.bias).to(x.dtype)

    return OneDnnLinear
