"""What a tuned model is worth on events that nothing has looked at; knows examples, no users' data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from zhiyin.evaluate.pointwise import PredictionTable, evaluate_predictions
from zhiyin.lm.tuning import PackedExample
from zhiyin.logs import get_logger
from zhiyin.rank.timeline import Telling, shares_told

if TYPE_CHECKING:
    from zhiyin.lm.tuning.tuner import Tuner

__all__ = ["verdict"]

log = get_logger("tuning")


def verdict(
    tuner: Tuner, examples: Sequence[PackedExample], scale: float, telling: Telling
) -> PredictionTable | None:
    """AUC, within-user AUC and more of base and tuned model, beside what is known without either.

    Parameters
    ----------
    tuner : Tuner
        Fitted.
    examples : sequence of PackedExample
        Of users that are told apart by ``group``.
    scale : float
        How much of the adapter.
    telling : Telling
        How the examples are written.

    Returns
    -------
    PredictionTable or None
        Where there were priors "retrieval", which is what they say, and "tuned", which is added to it; else
        "base", "tuned" and "share of likes", the rule of those that an example tells of. None where the
        answers are all alike.
    """
    labels = np.array([label for one in examples for label in one.labels]) > 0.5
    if not 0 < labels.sum() < len(labels):
        log.warning("the newest events tell nothing of what came out", answers=len(labels))
        return None
    users = np.unique([one.group for one in examples for _ in one.labels], return_inverse=True)[1]
    tuned = np.concatenate(tuner.scores(examples, scale=scale))
    if tuner.beyond_:
        priors = np.array([prior for one in examples for prior in one.priors or (0.0,) * len(one.labels)])
        scores = {"retrieval": priors, "tuned": priors + tuned}
        return evaluate_predictions(scores, users, labels.astype(int), baseline="retrieval")
    base = np.concatenate(tuner.scores(examples, scale=0.0))
    scores = {"share of likes": shares_told(telling, examples), "base": base, "tuned": tuned}
    return evaluate_predictions(scores, users, labels.astype(int), baseline="base")
