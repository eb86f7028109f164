"""Histories as tensors, for people with models of their own; the one place of this room that needs torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from zhiyin.errors import InputError
from zhiyin.extras import require
from zhiyin.types import IntArray, Ragged

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["HistoryTensors"]


@dataclass(frozen=True, eq=False)
class HistoryTensors:
    """One entry a user, as a data set of torch: give it to a ``DataLoader`` with ``collate_fn=data.collate``.

    ``users`` int64 [U]: indices of the users. The columns hold all histories end to end, oldest event first:
    ``offsets`` int64 [U + 1]; ``items`` int64 [N]; ``times`` float64 [N], seconds; ``values`` float32 [N],
    the strength of an event; ``events`` int64 [N], the code of its type.
    """

    users: Tensor
    offsets: Tensor
    items: Tensor
    times: Tensor
    values: Tensor
    events: Tensor

    @classmethod
    def of(cls, histories: Ragged, users: IntArray) -> HistoryTensors:
        """Copy histories into tensors.

        Raises
        ------
        MissingExtraError
            When torch is not installed.
        """
        tensor = require("torch").from_numpy
        return cls(
            tensor(users.astype(np.int64)),
            tensor(np.array(histories.offsets)),
            tensor(histories.items.astype(np.int64)),
            tensor(np.array(histories.times)),
            tensor(np.array(histories.values)),
            tensor(histories.events.astype(np.int64)),
        )

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, row: int) -> dict[str, Tensor]:
        """User, items, times, values and events of a row."""
        if not 0 <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")  # what a loop over a sequence ends with
        part = slice(int(self.offsets[row]), int(self.offsets[row + 1]))
        columns = {name: getattr(self, name)[part] for name in ("items", "times", "values", "events")}
        return {"users": self.users[row], **columns}

    @staticmethod
    def collate(entries: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Rows of a batch, padded on the right with 0 to the longest, and ``lengths`` int64 [B].

        Raises
        ------
        InputError
            When there are no rows.
        """
        if not entries:
            raise InputError("A batch without rows", expected="at least one", received="0")
        torch = require("torch")
        pad = torch.nn.utils.rnn.pad_sequence
        columns = [name for name in entries[0] if name != "users"]
        padded = {name: pad([one[name] for one in entries], batch_first=True) for name in columns}
        lengths = torch.tensor([len(one["items"]) for one in entries])
        return {"users": torch.stack([one["users"] for one in entries]), "lengths": lengths, **padded}
