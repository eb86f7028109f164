"""How a language model is tuned; knows no torch."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from zhiyin import config

__all__ = ["GuardConfig", "Objective", "TuningConfig"]

Objective = Literal["yes-no", "ranking"]


class GuardConfig(config.Config):
    """What keeps the model writing as it did, each 0: off.

    ``kl``: weight of KL(base || tuned), nats a token, on texts that the base model wrote, with words struck
    out of half of them. ``replay``: weight of the likelihood of the other half. ``l2_sp``: weight of half the
    squared distance of the weights from where they started. ``ewc``: the same, each weight counted by its
    Fisher information on what the model wrote. ``tokens``: tokens of such text in each step. ``language``: of
    what the model writes from. ``most_kl``: largest KL on texts held out of them at which weights are still
    kept; None: any.
    """

    kl: float = Field(default=0.0, ge=0)
    replay: float = Field(default=0.0, ge=0)
    l2_sp: float = Field(default=0.0, ge=0)
    ewc: float = Field(default=0.0, ge=0)
    tokens: int = Field(default=128, ge=8, le=65_536)
    language: Literal["en", "zh"] = "en"
    most_kl: float | None = Field(default=None, gt=0)

    @property
    def reads(self) -> bool:
        """Whether it needs texts."""
        return self.kl > 0 or self.replay > 0 or self.ewc > 0 or self.most_kl is not None


class TuningConfig(config.Config):
    """How long, how fast, towards what.

    ``objective``: "yes-no" is the cross-entropy of each answer, "ranking" that of each yes among the noes of
    its group. ``answers``: one token each. ``batch``: labels a step, at least; a forward pass is never cut.
    ``row_tokens``: tokens of a forward pass, more only where a single history is longer. ``learning_rate``
    None: the method's own. The rate rises over the first ``warm_up`` of all labels and falls along half a
    cosine to 0. ``evaluations``: how often validation is asked in each epoch. ``patience``: evaluations
    without a better AUC after which it stops. ``track``: where the numbers are written as well,
    "tensorboard:folder".
    """

    objective: Objective = "yes-no"
    answers: tuple[str, str] = (" Yes", " No")
    epochs: int = Field(default=3, ge=1, le=1000)
    batch: int = Field(default=64, ge=1, le=65_536)
    row_tokens: int = Field(default=512, ge=16, le=1 << 20)
    learning_rate: float | None = Field(default=None, gt=0)
    warm_up: float = Field(default=0.06, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    clip: float = Field(default=1.0, gt=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    evaluations: int = Field(default=1, ge=1, le=1000)
    patience: int = Field(default=3, ge=1)
    guard: GuardConfig = GuardConfig()
    seed: int = Field(default=7, ge=0, lt=2**31)
    track: str | None = None

    @model_validator(mode="after")
    def _smooth(self) -> Self:
        if self.objective == "ranking" and self.label_smoothing > 0:
            raise ValueError('label_smoothing is for the objective "yes-no" alone')
        return self
