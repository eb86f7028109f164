"""A training that can go on later: weights, moments and numbers in one safetensors file; knows no network."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from zhiyin.artifacts import replaced
from zhiyin.logs import get_logger
from zhiyin.nesting import behind, under

__all__ = ["Checkpoint", "Kept"]

log = get_logger("training")
ABANDONED_SECONDS = 30 * 86_400.0
NOW, BEST, MOMENT = "now.", "best.", "moment."


@dataclass(frozen=True)
class Kept:
    """What a checkpoint holds beside the optimisers' moments: weights as they were, the best, and numbers."""

    now: Mapping[str, Tensor]
    best: dict[str, Tensor]
    numbers: dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """One file, or none: then nothing is kept."""

    file: Path | None

    def write(
        self,
        now: Mapping[str, Tensor],
        best: Mapping[str, Tensor],
        optimisers: Sequence[torch.optim.Optimizer],
        numbers: Mapping[str, Any],
    ) -> None:
        """Keep everything, whole or not at all; what nobody went on with for a month goes."""
        if self.file is None:
            return
        state = {**behind(NOW, now), **behind(BEST, best)}
        for at, optimiser in enumerate(optimisers):
            for number, moments in optimiser.state_dict()["state"].items():
                state |= {f"{MOMENT}{at}.{number}.{name}": torch.as_tensor(v) for name, v in moments.items()}
        for old in self.file.parent.glob("*.safetensors"):
            if time.time() - old.stat().st_mtime > ABANDONED_SECONDS:
                old.unlink(missing_ok=True)
        told = {name: value.detach().contiguous() for name, value in state.items()}
        metadata = {"numbers": json.dumps(dict(numbers))}
        metadata["digest"] = _digest(told, metadata["numbers"])
        with replaced(self.file) as draft:
            save_file(told, draft, metadata=metadata)

    def read(self, now: Mapping[str, Tensor], optimisers: Sequence[torch.optim.Optimizer]) -> Kept | None:
        """Set the optimisers' moments and give the rest; None where there is nothing to go on from.

        ``now``: the weights as they are, whose names and shapes must be those of the kept ones.
        """
        if self.file is None or not self.file.is_file():
            return None
        try:
            with safe_open(self.file, "pt") as opened:
                state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
                metadata = opened.metadata()
            if metadata["digest"] != _digest(state, metadata["numbers"]):
                raise ValueError("its content is not what was written")
            numbers: dict[str, Any] = json.loads(metadata["numbers"])
            if _shapes(under(NOW, state)) != _shapes(now):
                raise ValueError("it is of another network")
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            log.warning("a checkpoint that cannot be read is left", file=str(self.file), reason=str(error))
            return None
        for at, optimiser in enumerate(optimisers):
            moments: dict[int, dict[str, Any]] = {}
            for name, value in under(f"{MOMENT}{at}.", state).items():
                number, _, what = name.partition(".")
                moments.setdefault(int(number), {})[what] = value
            for entry in moments.values():
                if isinstance(optimiser, torch.optim.SparseAdam):
                    entry["step"] = int(entry["step"])
            optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
        return Kept(under(NOW, state), under(BEST, state), numbers)

    def remove(self) -> None:
        """Forget what was kept."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items()}


def _digest(state: Mapping[str, Tensor], numbers: str) -> str:
    digest = hashlib.sha256(numbers.encode())
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(np.atleast_1d(state[name].contiguous().numpy()).data)
    return digest.hexdigest()
