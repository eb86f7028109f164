"""What training makes small, of the margins of yes over no; knows no model."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from zhiyin.lm.tuning.config import Objective

__all__ = ["OBJECTIVES", "ranking", "yes_no"]


def yes_no(margins: Tensor, labels: Tensor, groups: Tensor) -> Tensor:
    """Cross-entropy of each answer, nats, [B].

    Examples
    --------
    >>> yes_no(torch.zeros(2), torch.tensor([1.0, 0.0]), torch.zeros(2)).tolist()
    [0.6931471824645996, 0.6931471824645996]
    """
    return binary_cross_entropy_with_logits(margins, labels, reduction="none")


def ranking(margins: Tensor, labels: Tensor, groups: Tensor) -> Tensor:
    """Cross-entropy of each yes among itself and the noes of its group, nats, [B]; 0 for the noes.

    The softmax over one positive and the group's negatives (sampled softmax, Jean et al. 2015); a label
    above one half counts as yes.

    Examples
    --------
    >>> margins, groups = torch.tensor([1.0, 1.0, 9.0]), torch.tensor([0, 0, 1])
    >>> ranking(margins, torch.tensor([1.0, 0.0, 1.0]), groups).tolist()
    [0.6931471824645996, 0.0, 0.0]
    """
    positive = labels > 0.5
    rivals = (groups[:, None] == groups[None]) & ~positive[None]
    masked = torch.where(rivals, margins[None], torch.full_like(margins, float("-inf"))[None])
    both = torch.cat([margins[:, None], masked], 1)
    losses = torch.logsumexp(both, 1) - margins
    return torch.where(positive, losses, torch.zeros_like(losses))


OBJECTIVES: dict[Objective, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "yes-no": yes_no,
    "ranking": ranking,
}
