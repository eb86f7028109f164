"""Prediction metrics against scikit-learn and against their definitions."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from zhiyin.errors import InputError
from zhiyin.evaluate import prediction

examples = st.lists(
    st.tuples(st.sampled_from("abc"), st.booleans(), st.sampled_from([0.0, 0.2, 0.2, 0.5, 0.7, 1.0])),
    min_size=1,
    max_size=25,
)


def plain_auc(labels, scores):
    ahead = [
        (good > bad) + 0.5 * (good == bad)
        for good, bad in itertools.product(
            [score for label, score in zip(labels, scores, strict=True) if label],
            [score for label, score in zip(labels, scores, strict=True) if not label],
        )
    ]
    return np.mean(ahead) if ahead else np.nan


@settings(deadline=None, max_examples=200)
@given(rows=examples)
def test_areas_are_the_share_of_ordered_pairs(rows):
    users, labels, scores = (list(column) for column in zip(*rows, strict=True))
    assert prediction.auc(labels, scores) == pytest.approx(plain_auc(labels, scores), nan_ok=True)
    expected = []
    for user in sorted(set(users)):
        own = [row for row in rows if row[0] == user]
        expected.append(plain_auc([row[1] for row in own], [row[2] for row in own]))
    expected = [one for one in expected if not np.isnan(one)]
    np.testing.assert_allclose(prediction.user_auc(users, labels, scores), expected, rtol=1e-12)


@settings(deadline=None, max_examples=100)
@given(rows=examples)
def test_agrees_with_scikit_learn(rows):
    labels, scores = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    called = scores >= 0.5
    assert prediction.accuracy(labels, scores) == pytest.approx(metrics.accuracy_score(labels, called))
    for name, theirs in (
        ("precision", metrics.precision_score),
        ("recall", metrics.recall_score),
        ("f1", metrics.f1_score),
    ):
        expected = theirs(labels, called, zero_division=np.nan)
        found = getattr(prediction, name)(labels, scores)
        assert found == pytest.approx(expected, nan_ok=True)
    clipped = np.clip(scores, 1e-15, 1 - 1e-15)
    assert prediction.log_loss(labels, scores) == pytest.approx(
        metrics.log_loss(labels, clipped, labels=[False, True])
    )


def test_errors_of_ratings_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    labels, scores = rng.normal(3, 1, 500), rng.normal(3, 1, 500)
    assert prediction.mae(labels, scores) == pytest.approx(metrics.mean_absolute_error(labels, scores))
    assert prediction.mse(labels, scores) == pytest.approx(metrics.mean_squared_error(labels, scores))
    assert prediction.rmse(labels, scores) == pytest.approx(metrics.root_mean_squared_error(labels, scores))


def test_calibration_error_weighs_bins_by_their_examples():
    rng = np.random.default_rng(1)
    scores = rng.random(20_000)
    assert prediction.calibration_error(rng.random(20_000) < scores, scores) < 0.02
    labels = np.ones(4)
    assert prediction.calibration_error(labels, [0.05, 0.05, 0.95, 0.95]) == pytest.approx(0.5)
    assert prediction.calibration_error([1, 0], [1.0, 0.0]) == 0.0


@pytest.mark.parametrize(
    ("labels", "scores"),
    [([], []), ([1, 0], [0.5]), ([2, 0], [0.1, 0.2]), ([1, 0], [np.nan, 0.2]), ([[1]], [[0.2]])],
)
def test_refuses_what_is_no_prediction(labels, scores):
    with pytest.raises(InputError):
        prediction.auc(labels, scores)


def test_refuses_scores_that_are_no_probabilities():
    with pytest.raises(InputError, match="probabilities"):
        prediction.log_loss([1, 0], [3.0, -1.0])
