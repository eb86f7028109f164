"""How much of a tuned adapter to use: recommendation on validation against what the model has kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from zhiyin.evaluate.pointwise import evaluate_predictions
from zhiyin.lm.causal import CausalLanguageModel
from zhiyin.lm.retention.exam import Exam, Examiner
from zhiyin.lm.retention.standing import Standing
from zhiyin.lm.retention.texts import own_texts
from zhiyin.lm.tuning import PackedExample
from zhiyin.logs import progress
from zhiyin.text import messages

if TYPE_CHECKING:
    from zhiyin.lm.tuning.tuner import Tuner

__all__ = ["DESCRIBED", "product_exam", "standings"]

TEXTS, SEED = 32, 1
DESCRIBED = 16


def product_exam(
    model: CausalLanguageModel,
    titles: Sequence[str],
    *,
    language: str = "en",
) -> Exam:
    """An exam that needs no data set.

    Parameters
    ----------
    model : CausalLanguageModel
        The base model.
    titles : sequence of str
        Items that nothing was learned of; the first 16 are described.
    language : {"en", "zh"}

    Returns
    -------
    Exam
        Its texts are 32 that the base model writes itself, others than guards see.
    """
    asked = [
        model.chat_prompt(messages("describe_item", language, title=title)) for title in titles[:DESCRIBED]
    ]
    texts = own_texts(model, count=TEXTS, language=language, held_out=True, seed=SEED)
    return Exam([one.whole for one in texts], prompts=asked, language=language)


def standings(
    tuner: Tuner,
    valid: Sequence[PackedExample],
    examiner: Examiner,
    scales: Sequence[float] = (1.0,),
) -> list[Standing]:
    """The base model, and the tuned one at each scale.

    Parameters
    ----------
    tuner : Tuner
        Fitted.
    valid : sequence of PackedExample
        With both answers; their AUC is the quality.
    examiner : Examiner
        Of the base model.
    scales : sequence of float
        In (0, 1].

    Raises
    ------
    NotFittedError, InputError
    """
    labels = np.array([label for one in valid for label in one.labels]) > 0.5
    priors = np.array([prior for one in valid for prior in one.priors or (0.0,) * len(one.labels)])
    users = np.unique([one.group for one in valid for _ in one.labels], return_inverse=True)[1]
    scores, kept = {}, {}
    for scale in progress((0.0, *sorted(set(scales))), "measuring retention"):
        scores[str(scale)] = np.concatenate(tuner.scores(valid, scale=scale)) + priors
        kept[scale] = examiner.examine(tuner.language_model(scale))
    found = evaluate_predictions(scores, users, labels.astype(int), baseline="0.0").intervals
    return [
        Standing("base" if scale == 0.0 else tuner.name, scale, auc.mean, one, (auc.low, auc.high))
        for scale, one in kept.items()
        for auc in (found[str(scale)]["auc"],)
    ]
