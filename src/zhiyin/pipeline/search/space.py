"""What is tried of each way to retrieve; knows names and ranges, no data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna import Trial as Asked

__all__ = ["JOINED", "ORDER", "SINGLE", "SPACE", "Range", "defaults", "suggest"]


@dataclass(frozen=True)
class Range:
    """From ``low`` to ``high``, both possible, on a logarithmic scale; ``default`` is tried first."""

    low: float
    high: float
    default: float
    whole: bool = False

    def ask(self, trial: Asked, name: str) -> float:
        """A value of the trial."""
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=True)
        return trial.suggest_float(name, self.low, self.high, log=True)


SPACE: Mapping[str, Mapping[str, Range]] = {
    "popular": {},
    "recent-popular": {"days": Range(1, 365, 30)},
    "user-knn": {"neighbours": Range(10, 500, 100, whole=True), "shrinkage": Range(0.1, 100, 1)},
    "item-knn": {"neighbours": Range(5, 500, 20, whole=True), "shrinkage": Range(0.1, 100, 1)},
    "transitions": {"window": Range(1, 50, 10, whole=True), "fading": Range(0.1, 2, 0.5)},
    "als": {
        "factors": Range(16, 256, 128, whole=True),
        "regularisation": Range(0.1, 100, 10),
        "confidence": Range(0.5, 40, 5),
    },
    "bpr": {"factors": Range(16, 256, 128, whole=True), "regularisation": Range(1e-3, 0.3, 0.03)},
    "ease": {"regularisation": Range(10, 3000, 300)},
    "linear-towers": {"negatives": Range(0.005, 0.5, 0.2), "regularisation": Range(0.01, 10, 0.1)},
    "matrix-factorization": {"factors": Range(4, 64, 16, whole=True)},
    "bm25": {"k1": Range(0.1, 3, 1.2)},
    "semantic": {},
    "vectors": {},
    "graph": {},
    "recommender-model": {"dropout": Range(0.05, 0.6, 0.2)},
    "ncf": {"dropout": Range(0.05, 0.6, 0.2)},
    "lightgcn": {"layers": Range(1, 4, 2, whole=True), "scale": Range(5, 40, 12)},
    "two-tower": {"dropout": Range(0.05, 0.6, 0.4), "scale": Range(5, 40, 12)},
    "sasrec": {"dropout": Range(0.1, 0.6, 0.4), "scale": Range(5, 40, 20)},
}
SINGLE: tuple[str, ...] = tuple(SPACE)
JOINED: tuple[str, ...] = ("fusion", "blend")
SLOW: tuple[str, ...] = ("recommender-model", "ncf", "lightgcn", "two-tower", "sasrec")
ORDER: tuple[str, ...] = (*(name for name in SINGLE if name not in SLOW), *JOINED, *SLOW)


def suggest(trial: Asked, method: str) -> dict[str, Any]:
    """Parameters of a method that the trial tries; names are "<method>.<parameter>" in the study."""
    return {name: one.ask(trial, f"{method}.{name}") for name, one in SPACE.get(method, {}).items()}


def defaults(method: str) -> dict[str, Any]:
    """What is tried first of a method, as the study names it."""
    first = {
        f"{method}.{name}": int(one.default) if one.whole else float(one.default)
        for name, one in SPACE.get(method, {}).items()
    }
    return {"method": method, **first}
