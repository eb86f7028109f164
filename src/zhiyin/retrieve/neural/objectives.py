"""What a sequence model is asked while it learns: the next event, or masked ones; knows no users."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from zhiyin.errors import InputError
from zhiyin.retrieve.neural.model import SequenceModel
from zhiyin.retrieve.neural.networks import Attention
from zhiyin.retrieve.neural.sequences import Batch
from zhiyin.retrieve.neural.softmax import sample_items, softmax_loss
from zhiyin.types import FloatArray

__all__ = ["Candidates", "masked_events", "next_event"]

MASKED = 0.3  # share of events that are hidden


@dataclass(frozen=True, eq=False)
class Candidates:
    """Items that answers are chosen from: those that anybody took; nobody can have refused the others.

    ``among`` int64 [C]: these items; ``place`` int64 [n_items]: where each is among them; ``shares`` float64
    [C]: of each among all events. ``sampled``: how many of them a step draws to stand for all; 0: all.
    """

    among: Tensor
    place: Tensor
    shares: Tensor
    sampled: int = 0

    @classmethod
    def of(cls, counts: FloatArray, sampled: int = 0) -> Candidates:
        """From the number of events of each item, float64 [n_items]."""
        among = torch.from_numpy(np.flatnonzero(counts > 0))
        place = torch.zeros(len(counts), dtype=torch.int64)
        place[among] = torch.arange(len(among))
        return cls(among, place, torch.from_numpy(counts / counts.sum())[among], sampled)


def next_event(
    model: SequenceModel, candidates: Candidates, *, smoothing: float, low: bool
) -> Callable[[Batch], Tensor]:
    """Loss of a batch: at each place the next event, among all items or a sample of them."""
    among, place = candidates.among, candidates.place
    every = len(among) == len(place)

    def all_items(batch: Batch) -> Tensor:
        table = model.items()
        hidden = _asked(model.network(functional.embedding(batch.items, table), batch), batch)
        answers = model.answers(table if every else table.index_select(0, among))
        targets = place[batch.targets]
        return softmax_loss(
            model.asks(hidden), answers, targets, weights=batch.weights, smoothing=smoothing, low=low
        )

    def some_items(batch: Batch) -> Tensor:
        seed = int(torch.randint(2**31, (1,)))
        sample = sample_items(place[batch.targets], candidates.shares, candidates.sampled, len(among), seed)
        rows, at = torch.unique(torch.cat([batch.items.flatten(), among[sample.items]]), return_inverse=True)
        table, size = model.items(rows), batch.items.numel()
        inputs = functional.embedding(at[:size].view(batch.items.shape), table)
        hidden = _asked(model.network(inputs, batch), batch)
        return softmax_loss(
            model.asks(hidden), model.answers(table.index_select(0, at[size:])), sample.targets,
            weights=batch.weights, bias=sample.bias, smoothing=smoothing, low=low,
        )  # fmt: skip

    return some_items if candidates.sampled else all_items


def masked_events(
    model: SequenceModel, candidates: Candidates, *, smoothing: float, low: bool
) -> Callable[[Batch], Tensor]:
    """Loss of a batch: hidden events, from all others before and after (Sun et al. 2019, "BERT4Rec")."""
    place, network = candidates.place, model.network
    if not isinstance(network, Attention):
        raise InputError("Masked events need attention", expected="sasrec", received=type(network).__name__)

    def loss(batch: Batch) -> Tensor:
        hidden_at = (torch.rand(batch.items.shape) < MASKED) & batch.inside
        last = torch.arange(len(batch.lengths)), batch.lengths - 1
        hidden_at[last] |= ~hidden_at.any(dim=1)  # at least one a row
        table = model.items()
        vectors = functional.embedding(batch.items, table)
        vectors = torch.where(hidden_at[:, :, None], torch.zeros(()), vectors)
        found = network(vectors, batch, masked=True)[hidden_at]
        targets = place[batch.items[hidden_at]]
        answers = model.answers(table.index_select(0, candidates.among))
        return softmax_loss(model.asks(found), answers, targets, smoothing=smoothing, low=low)

    return loss


def _asked(hidden: Tensor, batch: Batch) -> Tensor:
    """The places that something is predicted from, float32 [N, d]; their gradient is added row by row."""
    flat = batch.rows * hidden.shape[1] + batch.places
    return hidden.flatten(0, 1).index_select(0, flat)
