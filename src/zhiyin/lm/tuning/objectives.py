"""What training makes small, of the margins of yes over no; knows no model.

Each gives the losses of those answers that have one; training takes their mean.
"""

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
    """Cross-entropy of each yes among itself and the noes of its group, nats, [yeses with a no beside them].

    The softmax over one positive and the group's negatives (sampled softmax, Jean et al. 2015); a label
    above one half counts as yes.

    Examples
    --------
    >>> margins, groups = torch.tensor([1.0, 1.0, 9.0]), torch.tensor([0, 0, 1])
    >>> ranking(margins, torch.tensor([1.0, 0.0, 1.0]), groups).tolist()
    [0.6931471824645996]
    """
    positive = labels > 0.5
    rivals = (groups[:, None] == groups[None]) & ~positive[None]
    asked = positive & rivals.any(1)
    masked = torch.where(rivals[asked], margins[None], torch.full_like(margins, float("-inf"))[None])
    both = torch.cat([margins[asked, None], masked], 1)
    return torch.logsumexp(both, 1) - margins[asked]


OBJECTIVES: dict[Objective, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "yes-no": yes_no,
    "ranking": ranking,
}
