"""One step of light graph convolution, and its way back, as sparse products; knows no model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import Tensor

__all__ = ["Propagation", "product"]


@dataclass(frozen=True, eq=False)
class Propagation:
    """1 / sqrt(degree of user · degree of item) for each event, float32 [U, I] and its transpose."""

    forth: sparse.csr_array
    back: sparse.csr_array

    @classmethod
    def of(cls, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], shape: tuple[int, int]) -> Self:
        """The graph of events of users (rows, ascending) and items."""
        users = np.maximum(np.bincount(rows, minlength=shape[0]), 1)
        items = np.maximum(np.bincount(columns, minlength=shape[1]), 1)
        weights = (1.0 / np.sqrt(users[rows] * items[columns])).astype(np.float32)
        starts = np.searchsorted(rows, np.arange(shape[0] + 1))
        forth = sparse.csr_array((weights, columns, starts), shape=shape)
        return cls(forth, sparse.csr_array(forth.T.tocsr()))

    def to_users(self, items: Tensor) -> Tensor:
        """float32 [I, d] -> [U, d]."""
        return product(items, self.forth, self.back)

    def to_items(self, users: Tensor) -> Tensor:
        """float32 [U, d] -> [I, d]."""
        return product(users, self.back, self.forth)


def product(dense: Tensor, matrix: sparse.csr_array, transposed: sparse.csr_array) -> Tensor:
    """Matrix @ dense, float32 [n, d]; its gradient is transposed @ gradient, as fast."""
    found: Tensor = _Product.apply(dense, matrix, transposed)  # type: ignore[no-untyped-call]
    return found


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dense: Tensor, one: sparse.csr_array, other: sparse.csr_array) -> Tensor:
        ctx.other = other
        return torch.from_numpy(one @ dense.detach().numpy())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return torch.from_numpy(ctx.other @ grads[0].contiguous().numpy()), None, None
