"""Histories as a data set of torch."""

import numpy as np
import pytest
from torch.utils.data import DataLoader

from zhiyin.errors import InputError
from zhiyin.testing.data import small_dataset


def test_a_loader_gives_all_histories_padded():
    dataset = small_dataset()
    tensors = dataset.to_torch()
    histories = dataset.histories(dataset.active_users)
    assert len(tensors) == len(histories) == len(list(tensors))
    seen = {}
    for batch in DataLoader(tensors, batch_size=7, shuffle=True, collate_fn=tensors.collate):
        for row, user in enumerate(batch["users"].tolist()):
            size = int(batch["lengths"][row])
            assert not batch["items"][row, size:].any() and not batch["values"][row, size:].any()
            seen[user] = (batch["items"][row, :size].numpy(), batch["times"][row, :size].numpy())
    for at, user in enumerate(dataset.active_users.tolist()):
        part = histories.slice(at)
        np.testing.assert_array_equal(seen[user][0], histories.items[part])
        np.testing.assert_array_equal(seen[user][1], histories.times[part])


def test_some_users_and_wrong_rows():
    dataset = small_dataset()
    tensors = dataset.to_torch(dataset.active_users[[3, 1]])
    assert tensors.users.tolist() == dataset.active_users[[3, 1]].tolist()
    with pytest.raises(IndexError):
        tensors[2]
    with pytest.raises(InputError, match="without rows"):
        tensors.collate([])
