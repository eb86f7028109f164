"""Copies of a network that share the weights which stay as they are; knows no training."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from zhiyin.errors import ModelError
from zhiyin.lm.causal import CausalLanguageModel

__all__ = ["changed", "twin"]


def twin(network: Any, *, apart: bool = False) -> Any:
    """A copy of a network: new modules, the same weights; ``apart``: copies of the weights too.

    The weights of the copy ask for derivatives only where ``apart``; shared ones stop asking in both.
    """
    memo: dict[int, Any] = {}
    if not apart:
        memo = {id(one): one for one in (*network.parameters(), *network.buffers())}
    made = copy.deepcopy(network, memo)
    for one in made.parameters():
        one.requires_grad_(apart)
    return made


def changed(
    base: CausalLanguageModel, weights: Iterable[tuple[str, Tensor]], *, scale: float, label: str
) -> CausalLanguageModel:
    """A language model whose named weights are W + scale (W' - W); the others are the base model's own.

    The base model is left as it is.

    Parameters
    ----------
    base : CausalLanguageModel
    weights : pairs of name and tensor
        W' of parameters of ``base.model``.
    scale : float
        0: the base model; 1: the given weights (WiSE-FT, Wortsman et al. 2022).
    label : str
        Added to the base model's name.

    Raises
    ------
    ModelError
        When a weight has another shape or name.
    """
    network = twin(base.model)
    known = dict(base.model.named_parameters())
    places = {id(one): [] for one in known.values()}  # type: ignore[var-annotated]
    for module in network.modules():
        for leaf, one in module._parameters.items():
            if one is not None:
                places[id(one)].append((module, leaf))  # tied weights are told once and lie in several places
    for name, value in weights:
        start = known.get(name)
        if start is None or start.shape != value.shape:
            raise ModelError(
                f"The weight {name!r} does not belong to {base.name}",
                expected="no such weight" if start is None else str(tuple(start.shape)),
                received=str(tuple(value.shape)),
                hint="Use the model that was tuned.",
            )
        with torch.no_grad():
            made = torch.nn.Parameter(torch.lerp(start.detach(), value, scale), requires_grad=False)
        for module, leaf in places[id(start)]:
            module._parameters[leaf] = made
    return CausalLanguageModel(network, base.tokenizer, name=f"{base.name}+{label}")
