"""Side-by-side predictions: whole-sample values, paired and clustered intervals, trivial rules."""

import json

import numpy as np
import pytest

from zhiyin.errors import InputError
from zhiyin.evaluate import prediction
from zhiyin.evaluate.pointwise import evaluate_predictions
from zhiyin.evaluate.rules import pointwise_rules, share_of_likes

RNG = np.random.default_rng(0)
USERS = np.repeat([f"u{n}" for n in range(60)], 12)
TASTE = np.repeat(RNG.normal(size=60), 12)
CHANCE = 1 / (1 + np.exp(-TASTE - RNG.normal(size=720)))
LABELS = RNG.random(720) < CHANCE
SYSTEMS = {"rule": 1 / (1 + np.exp(-TASTE)), "oracle": CHANCE, "noise": RNG.normal(size=720)}


@pytest.fixture(scope="module")
def table():
    return evaluate_predictions(SYSTEMS, USERS, LABELS, baseline="rule", samples=300, seed=1)


def test_means_are_those_of_the_whole_sample(table):
    for name, scores in SYSTEMS.items():
        found = table.intervals[name]
        assert found["auc"].mean == pytest.approx(prediction.auc(LABELS, scores))
        assert found["user_auc"].mean == pytest.approx(prediction.user_auc(USERS, LABELS, scores).mean())
        if name == "noise":
            assert "log_loss" not in found
            continue
        assert found["log_loss"].mean == pytest.approx(prediction.log_loss(LABELS, scores))
        assert found["calibration_error"].mean == pytest.approx(prediction.calibration_error(LABELS, scores))
    assert table.users == 60 and 0 < table.users_with_both <= 60


def test_a_resample_is_the_metric_of_the_drawn_users():
    from zhiyin.evaluate.pointwise import _statistics

    _, owner = np.unique(USERS, return_inverse=True)
    counts = np.random.default_rng(2).integers(0, 4, 60).astype(float)
    rows = np.repeat(np.arange(720), counts[owner].astype(int))
    scores = np.round(CHANCE, 1)  # with ties
    found = {name: one(counts[None])[0] for name, one in _statistics(owner, LABELS, scores, 60).items()}
    assert found["auc"] == pytest.approx(prediction.auc(LABELS[rows], scores[rows]))
    assert found["log_loss"] == pytest.approx(prediction.log_loss(LABELS[rows], scores[rows]))
    assert found["calibration_error"] == pytest.approx(
        prediction.calibration_error(LABELS[rows], scores[rows])
    )


def test_intervals_are_clustered_and_differences_paired(table):
    auc = table.intervals["rule"]["auc"]
    alone = evaluate_predictions(SYSTEMS, np.arange(720), LABELS, baseline="rule", samples=300)
    # The rule knows users only: its examples are not independent, and the honest interval is wider.
    assert auc.high - auc.low > 1.15 * (
        alone.intervals["rule"]["auc"].high - alone.intervals["rule"]["auc"].low
    )
    assert table.differences["oracle"]["user_auc"].excludes_zero
    assert table.adjusted["oracle"]["auc"] >= table.differences["oracle"]["auc"].p
    assert table.intervals["rule"]["user_auc"].mean == 0.5
    json.dumps(table.to_dict(), allow_nan=False)


def test_trivial_rules_are_smoothed_means():
    found = pointwise_rules(["a", "a", "b"], [1, 2, 1], [1, 1, 0], ["a", "b", "z"], [1, 9, 2], strength=0.0)
    assert found["user mean"].tolist() == [1.0, 0.0, 2 / 3]
    assert found["item mean"].tolist() == [0.5, 2 / 3, 1.0]
    assert found["user mean + item mean"] == pytest.approx([1.5 - 2 / 3, 0.0, 1.0])
    assert share_of_likes([1, 0], [0, 3]).tolist() == [2 / 3, 0.2]


def test_refuses_what_does_not_fit():
    with pytest.raises(InputError, match="baseline"):
        evaluate_predictions(SYSTEMS, USERS, LABELS, baseline="nobody")
    with pytest.raises(InputError, match="differ in length"):
        evaluate_predictions(SYSTEMS, USERS[:-1], LABELS, baseline="rule")
    with pytest.raises(InputError):
        pointwise_rules([], [], [], ["a"], ["b"])


def test_what_nobody_can_tell_is_null_in_json():
    """No user has both labels: there is no difference within users, nor a p-value."""
    scores = {"base": np.array([0.1, 0.2, -0.3, 0.4]), "tuned": np.array([1.0, 2.0, 3.0, 4.0])}
    table = evaluate_predictions(scores, np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]), baseline="base")
    told = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    assert told["differences"]["tuned"]["user_auc"]["p"] is None
