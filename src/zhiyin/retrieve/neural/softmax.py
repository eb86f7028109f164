"""Softmax cross-entropy over all items, or over a sample with correction, in one fused step.

Of each chunk of rows logits, probabilities and both gradients are made in one buffer, so that no [N, items]
matrix is kept, and nothing is computed again on the way back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["Sample", "low_precision", "sample_items", "softmax_loss"]

BUFFER = 1 << 21  # numbers of a chunk's logits, so that they stay in the processor's cache
FEWEST = 32  # rows of a chunk
SAFE = 60.0  # logits of this size need no shift before the exponential


def low_precision(wanted: str) -> bool:
    """Whether to multiply in bfloat16: as is wanted, or with "auto" where the machine has it in hardware."""
    if wanted == "auto":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return wanted == "bfloat16"


def softmax_loss(
    wanted: Tensor,
    items: Tensor,
    targets: Tensor,
    *,
    weights: Tensor | None = None,
    bias: Tensor | None = None,
    smoothing: float = 0.0,
    low: bool = False,
) -> Tensor:
    """Weighted mean of -log softmax(wanted · items + bias)[target].

    Parameters
    ----------
    wanted : float32 [N, d]
        What is asked for.
    items : float32 [C, d]
        The candidates.
    targets : int64 [N]
        Rows of ``items``.
    weights : float32 [N] or None
        Of the rows; None: equal.
    bias : float32 [C] or None
        Added to the logit of a candidate wherever it is not the target: minus the logarithm of its
        probability to be sampled makes the sum over a sample an estimate of that over all items.
    smoothing : float
        Share of the target's mass that is spread over all candidates, in [0, 1).
    low : bool
        Multiply in bfloat16.

    Returns
    -------
    Tensor
        The loss, a number in nats; differentiable once in ``wanted`` and ``items``.
    """
    n = len(targets)
    share = torch.full((n,), 1.0 / max(n, 1)) if weights is None else weights / weights.sum()
    loss: Tensor = _Softmax.apply(wanted, items, targets, share, bias, smoothing, low)  # type: ignore[no-untyped-call]
    return loss


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        wanted: Tensor,
        items: Tensor,
        targets: Tensor,
        share: Tensor,
        bias: Tensor | None,
        smoothing: float,
        low: bool,
    ) -> Tensor:
        kind = torch.bfloat16 if low else torch.float32
        table = items.to(kind)
        to_wanted, to_items = torch.empty_like(wanted), torch.zeros_like(items)
        total = wanted.new_zeros(())
        rows = max(FEWEST, BUFFER // max(len(items), 1))
        shift = _largest(wanted, items, bias) > SAFE
        for start in range(0, len(targets), rows):
            part = slice(start, start + rows)
            left, mine = wanted[part].to(kind), share[part, None]
            z = (left @ table.t()).float()
            own = targets[part, None]
            if bias is not None:
                z += bias
                z.scatter_add_(1, own, -bias[own])
            if shift:
                z -= z.amax(1, keepdim=True)
            of_own = z.gather(1, own)
            of_all = z.mean(1, keepdim=True) if smoothing else of_own
            z.exp_()
            sums = z.sum(1, keepdim=True)
            losses = sums.log() - (1 - smoothing) * of_own - smoothing * of_all
            total += (losses * mine).sum()
            z *= mine / sums  # from here on the gradient
            if smoothing:
                z -= mine * (smoothing / len(items))
            z.scatter_add_(1, own, -(1 - smoothing) * mine)
            slopes = z.to(kind)
            to_wanted[part] = slopes @ table
            if low:
                to_items += slopes.t() @ left
            else:
                to_items.addmm_(slopes.t(), left)
        ctx.save_for_backward(to_wanted, to_items)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        to_wanted, to_items = ctx.saved_tensors
        return to_wanted * grads[0], to_items * grads[0], None, None, None, None, None


def _largest(wanted: Tensor, items: Tensor, bias: Tensor | None) -> float:
    """A bound of all logits."""
    if not len(wanted) or not len(items):
        return 0.0
    product = float(wanted.norm(dim=1).max() * items.norm(dim=1).max())
    return product + (0.0 if bias is None else float(bias.abs().max()))


@dataclass(frozen=True, eq=False)
class Sample:
    """Candidates of a step: ``items`` int64 [C] ascending; ``targets`` [N] as rows of these; ``bias`` [C]."""

    items: Tensor
    targets: Tensor
    bias: Tensor


def sample_items(targets: Tensor, shares: Tensor, uniform: int, n_items: int, seed: int) -> Sample:
    """The targets of the batch and ``uniform`` more items, each with -log(its chance to be there).

    The targets of others are negatives of mixed origin (Yang et al. 2020, "Mixed negative sampling for
    learning two-tower neural networks in recommendations"); the correction is that of Yi et al. 2019,
    "Sampling-bias-corrected neural modeling for large corpus item recommendations", with the chance to be in
    the set instead of the expected count, because an item stands in it once.

    Parameters
    ----------
    targets : int64 [N]
    shares : float64 [n_items]
        Of each item among all targets, sum 1.
    uniform : int
        Further items, drawn uniformly with replacement.
    n_items : int
    seed : int
    """
    source = torch.Generator().manual_seed(seed)
    drawn = torch.randint(n_items, (uniform,), generator=source)
    items, places = torch.unique(torch.cat([targets, drawn]), return_inverse=True)
    missed = len(targets) * torch.log1p(-shares[items].clamp(max=1 - 1e-12))
    missed += uniform * torch.log1p(torch.tensor(-1.0 / max(n_items, 2), dtype=torch.float64))
    chance = (-torch.expm1(missed)).clamp(min=1e-12)
    return Sample(items, places[: len(targets)], -chance.log().float())
