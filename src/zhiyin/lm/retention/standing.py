"""Where tuned models stand between recommending and writing, and which to take; knows numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zhiyin.errors import InputError
from zhiyin.evaluate.front import pareto_front
from zhiyin.lm.retention.exam import Retention
from zhiyin.types import BoolArray

__all__ = ["Standing", "chosen", "on_front"]

KEPT = 0.97


@dataclass(frozen=True)
class Standing:
    """A model: how well it recommends, what it has kept.

    ``name``: how it was tuned; ``scale``: how much of the adapter, 0 is the base model; ``quality``: larger
    is better, such as AUC on validation; ``interval``: its 95 % interval, where there is one.
    """

    name: str
    scale: float
    quality: float
    retention: Retention
    interval: tuple[float, float] | None = None

    @property
    def label(self) -> str:
        """Name and scale, where it is scaled."""
        return self.name if self.scale in (0.0, 1.0) else f"{self.name} × {self.scale:g}"


def on_front(standings: Sequence[Standing]) -> BoolArray:
    """Those that none beats in quality and in KL to the base model, bool [n]."""
    return pareto_front([[one.quality, -one.retention.kl] for one in standings])


def chosen(standings: Sequence[Standing], *, most_kl: float | None = None, kept: float = KEPT) -> Standing:
    """The one of the front that forgets least and keeps the gain.

    The gain is that of the best one allowed above the first, which is the base model; where nothing allowed
    gains, it is the base model that is taken.

    Parameters
    ----------
    standings : sequence of Standing
        The base model first.
    most_kl : float or None
        Largest KL to the base model that is allowed, nats a token; None: any.
    kept : float
        Share of the gain that must be kept, in (0, 1].

    Raises
    ------
    InputError
        When there are no standings, or the first is not the base model.

    Examples
    --------
    >>> made = [Standing("tuned", scale, quality, Retention(20.0, kl))
    ...         for scale, quality, kl in ((0.0, 0.60, 0.0), (0.5, 0.699, 0.004), (1.0, 0.70, 0.02))]
    >>> chosen(made).scale, chosen(made, kept=1.0).scale, chosen(made, most_kl=0.001).scale
    (0.5, 1.0, 0.0)
    """
    if not standings or standings[0].scale != 0.0:
        raise InputError("The base model is missing", expected="it first, at scale 0", received="another")
    base, *others = standings
    allowed = [one for one in others if most_kl is None or one.retention.kl <= most_kl]
    best = max((one.quality for one in allowed), default=base.quality)
    if best <= base.quality:
        return base
    least = base.quality + kept * (best - base.quality)
    return min((one for one in allowed if one.quality >= least), key=lambda one: one.retention.kl)
