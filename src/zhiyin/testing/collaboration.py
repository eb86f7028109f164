"""What collaboration alone says of CoLLM's rows; for benchmarks only."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.special import logit

from zhiyin.draws import generator
from zhiyin.rank.behaviour import BehaviourModel
from zhiyin.rank.feedback import Feedback, features_after, features_within
from zhiyin.testing.realdata import collm_items, collm_movielens
from zhiyin.types import FloatArray, Ragged

__all__ = ["behaviour_logits", "film_years", "rows_of_feedback"]

FOLDS = 5


def rows_of_feedback(rows: pl.DataFrame) -> Feedback:
    """Rows of the data set; ids are whole numbers already."""
    return Feedback(
        rows["user_id"].to_numpy().astype(np.int64),
        rows["item_id"].to_numpy().astype(np.int64),
        rows["timestamp"].to_numpy().astype(np.float64),
        rows["label"].to_numpy().astype(np.float64),
        Ragged.from_lists(rows["history"].fill_null([]).to_list()),
    )


def film_years() -> FloatArray:
    """Year of each film by index, from the end of its title; NaN: none."""
    items = collm_items()
    found = np.full(int(items["item_id"].max()) + 1, np.nan)  # type: ignore[arg-type]
    year = items["title"].str.extract(r"\((\d{4})\)\s*$").cast(pl.Float64)
    found[items["item_id"].to_numpy()] = year.fill_null(np.nan).to_numpy()
    return found


def behaviour_logits(part: str, *, seed: int) -> FloatArray:
    """Log-odds of a like of each row of a part, by a behaviour model that learned from train.

    Rows of train are told by models that learned from other users; the first of them, of which nothing was
    known, by the share of likes.
    """
    log, items = rows_of_feedback(collm_movielens("train")), {"year": film_years()}
    features, known = features_within(log, items)
    labels, times, users = log.labels[known] > 0, log.times[known], log.users[known]
    if part != "train":
        model = BehaviourModel(seed=seed).fit(features, {"like": labels}, times)
        asked = rows_of_feedback(collm_movielens(part))
        return np.asarray(logit(model.predict(features_after(log, asked, items))["like"]))
    found = np.full(len(log), logit(log.labels.mean()))
    folds = generator(seed, 0, stream="folds").integers(FOLDS, size=int(log.users.max()) + 1)[users]
    for fold in range(FOLDS):
        own, others = folds == fold, folds != fold
        model = BehaviourModel(seed=seed).fit(
            _rows(features, others), {"like": labels[others]}, times[others]
        )
        found[known[own]] = logit(model.predict(_rows(features, own))["like"])
    return found


def _rows(features: dict[str, FloatArray], chosen: np.ndarray) -> dict[str, FloatArray]:
    return {name: values[chosen] for name, values in features.items()}
