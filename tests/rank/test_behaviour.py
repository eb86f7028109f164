"""Behaviours are told from what came before, calibrated, saved without pickle, and used as a ranker."""

import json

import numpy as np
import pytest

from zhiyin.errors import ArtifactError, ConfigError, InputError, LeakError, NotFittedError
from zhiyin.evaluate import leaks, prediction
from zhiyin.rank.behaviour import BehaviourModel
from zhiyin.rank.behaviour_ranker import BehaviourRanker, list_features
from zhiyin.rank.calibration import Isotonic, Sigmoid
from zhiyin.rank.feedback import Feedback, features_after, features_within
from zhiyin.testing.data import queries_for
from zhiyin.types import Candidates, Ragged, RankingExamples

USERS, ITEMS, ROWS = 40, 60, 2400


def feedback(seed=0, rows=ROWS):
    """Rows of users who differ in how easily they are pleased, and of items that differ in quality."""
    rng = np.random.default_rng(seed)
    users, items = rng.integers(USERS, size=rows), rng.integers(ITEMS, size=rows)
    pleased, quality = np.random.default_rng(99).normal(size=(2, max(USERS, ITEMS)))
    times = np.sort(rng.integers(0, rows // 2, size=rows)).astype(float)  # some share a moment
    chance = 1 / (1 + np.exp(-pleased[users] - quality[items]))
    labels = (rng.random(rows) < chance).astype(float)
    histories = [[int(i) for i in items[:row][users[:row] == users[row]][-20:]] for row in range(rows)]
    return Feedback(users, items, times, labels, Ragged.from_lists(histories))


def made(log):
    return lambda labels: features_within(
        Feedback(log.users, log.items, log.times, labels, log.histories), {"year": np.arange(ITEMS) * 1.0}
    )


def test_features_know_only_what_came_before():
    log = feedback()
    leaks.check_features(made(log), log.times, log.labels)


@pytest.mark.parametrize(
    "planted",
    [
        lambda log, labels: np.bincount(log.items, weights=labels)[log.items],
        lambda log, labels: labels,
        lambda log, labels: np.cumsum(labels),
        lambda log, labels: np.append(labels[1:], 0.0),
    ],
    ids=["mean of all time", "the label", "up to and with itself", "the next one"],
)
def test_a_planted_leak_is_caught_and_named(planted):
    log = feedback()

    def leaky(labels):
        features, rows = made(log)(labels)
        return {**features, "planted": planted(log, labels)[rows]}, rows

    with pytest.raises(LeakError, match="planted"):
        leaks.check_features(leaky, log.times, log.labels)


def test_counts_and_means_are_those_of_a_slow_loop():
    log = feedback(rows=300)
    features, rows = features_within(log, {})
    for place, row in enumerate(rows):
        before = log.times < log.times[row]
        own = before & (log.users == log.users[row])
        centre = (log.labels[before].sum() + 1) / (before.sum() + 2)
        assert features["user count"][place] == pytest.approx(np.log1p(own.sum()))
        mean = (log.labels[own].sum() + 5 * centre) / (own.sum() + 5)
        assert features["user mean"][place] == pytest.approx(mean)


def test_later_rows_are_asked_with_the_whole_log_and_labels_are_not_read():
    log = feedback()
    old, new = log.take(log.times < 1000), log.take(log.times >= 1000)
    one = features_after(old, new, {})
    other = features_after(old, Feedback(new.users, new.items, new.times, 1 - new.labels, new.histories), {})
    assert all(np.array_equal(one[name], other[name]) for name in one)
    with pytest.raises(InputError, match="not later"):
        features_after(log, new, {})


def test_everything_at_one_moment_is_refused():
    log = feedback(rows=50)
    still = Feedback(log.users, log.items, np.zeros(50), log.labels, log.histories)
    with pytest.raises(InputError, match="one moment"):
        features_within(still, {})


@pytest.fixture(scope="module")
def learned():
    log = feedback(seed=1, rows=4000)
    old, new = log.take(log.times < 1600), log.take(log.times >= 1600)
    features, rows = features_within(old, {})
    labels = {"like": old.labels[rows] > 0, "never": np.zeros(len(rows), bool)}
    return BehaviourModel(least=20).fit(features, labels, old.times[rows]), features_after(old, new, {}), new


def test_it_stands_above_the_means_and_is_calibrated(learned):
    model, features, new = learned
    chance = model.predict(features)["like"]
    assert ((chance > 0) & (chance < 1)).all()
    assert prediction.auc(new.labels, chance) > prediction.auc(new.labels, features["item mean"]) + 0.04
    assert prediction.auc(new.labels, chance) > 0.72
    assert prediction.calibration_error(new.labels, chance) < 0.13


def test_a_behaviour_that_is_never_seen_has_a_small_constant_chance(learned):
    model, features, _ = learned
    chance = model.predict(features)["never"]
    assert (chance == chance[0]).all() and 0 < chance[0] < 0.001


def test_it_is_a_reward_model_for_every_action(learned):
    model, features, _ = learned
    few = {name: values[:12].reshape(3, 4) for name, values in features.items()}
    paid = BehaviourModel(least=20, rewards={"like": 2.0})
    paid.features_, paid.parts_ = model.features_, model.parts_
    assert paid(few).shape == (3, 4)
    np.testing.assert_allclose(paid(few), 2 * model.predict(few)["like"])


def test_it_is_saved_as_json_and_says_the_same(learned, tmp_path):
    model, features, _ = learned
    model.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["behaviour.json"]
    json.loads((tmp_path / "behaviour.json").read_text())
    again = BehaviourModel.load(tmp_path).predict(features)
    np.testing.assert_array_equal(again["like"], model.predict(features)["like"])


def test_missing_features_are_unknown_and_wrong_ones_are_refused(learned):
    model, features, _ = learned
    less = {name: values for name, values in features.items() if name != "history"}
    assert np.isfinite(model.predict(less)["like"]).all()
    with pytest.raises(InputError, match="nothing to learn"):
        BehaviourModel().fit({"a": np.zeros(3)}, {"like": np.zeros(4, bool)})
    with pytest.raises(NotFittedError):
        BehaviourModel().predict(features)
    with pytest.raises(ConfigError):
        BehaviourRanker(model={"no_such": 1})


def test_isotonic_keeps_the_order_and_the_mean():
    rng = np.random.default_rng(3)
    scores = rng.normal(size=3000)
    labels = rng.random(3000) < 1 / (1 + np.exp(-2 * scores))
    found = Isotonic.fit(scores, labels)
    chances = found(np.sort(scores))
    assert (np.diff(chances) >= 0).all()
    assert abs(chances.mean() - labels.mean()) < 0.01
    assert np.abs(found(np.array([-1.0, 0.0, 1.0])) - [0.12, 0.5, 0.88]).max() < 0.06


def examples(users=120, n=10, seed=0, signal=3.0):
    """Candidates of which the price decides, and their order does not."""
    rng = np.random.default_rng(seed)
    items = np.stack([rng.permutation(24)[:n] for _ in range(users)]).astype(np.int32)
    scores = np.tile(np.linspace(1, 0.1, n).astype(np.float32), (users, 1))
    prices = np.linspace(1.0, 20.0, 26)
    logits = signal * np.log(prices)[items] + rng.gumbel(size=items.shape)
    labels = logits == logits.max(axis=1, keepdims=True)
    viewed = labels | (rng.random(labels.shape) < 0.3)
    queries = queries_for([f"u{user % 60}" for user in range(users)])
    told = {"view": viewed, "buy": labels}
    return RankingExamples(queries, Candidates(items, scores), labels, ("",) * 26, prices, told)


def test_a_ranker_finds_what_decides_and_gives_noise_no_weight():
    good = examples()
    ranker = BehaviourRanker(model={"least": 20}).fit(good)
    assert ranker.weight > 0.5
    ranked = ranker.rank(good.queries, good.candidates)
    prices = good.prices[ranked.items]
    assert prices[:, 0].mean() > prices[:, -1].mean() + 5
    noise = examples(signal=0.0)
    assert BehaviourRanker(model={"least": 20}).fit(noise).weight == 0.0


def test_rewards_by_event_type_name_their_probabilities():
    both = examples()
    ranker = BehaviourRanker(rewards={"view": 0.1, "buy": 1.0}, model={"least": 20}).fit(both)
    found = ranker.rank(both.queries, both.candidates).features
    assert {"rank.behaviour.view", "rank.behaviour.buy"} <= set(found)
    assert np.nanmean(found["rank.behaviour.view"]) > np.nanmean(found["rank.behaviour.buy"])


def test_features_of_a_list_take_every_retrieval_score():
    one = examples(users=3)
    told = Candidates(one.candidates.items, one.candidates.scores, {"retrieve.ease": one.candidates.scores})
    found = list_features(one.queries, told, one.prices)
    assert {"retrieve.ease", "score", "place", "history", "waited", "price", "price apart"} == set(found)
    assert all(values.shape == (3, 10) for values in found.values())


@pytest.mark.parametrize("labels", [[np.nan, 1.0] * 20, [-1, 1] * 20, ["yes", "no"] * 20])
def test_labels_are_yes_or_no(labels):
    with pytest.raises(InputError, match="yes or no"):
        BehaviourModel().fit({"x": np.zeros(40)}, {"click": np.array(labels)})


@pytest.mark.parametrize("times", [np.zeros(3), np.full(40, np.nan)])
def test_times_are_those_of_the_examples(times):
    with pytest.raises(InputError, match="times"):
        BehaviourModel().fit({"x": np.zeros(40)}, {"click": np.arange(40) % 2 == 0}, times)


def test_a_damaged_model_is_refused_before_it_is_read(learned, tmp_path):
    model, *_ = learned
    model.save(tmp_path)
    file = tmp_path / "behaviour.json"
    facts = json.loads(file.read_text())
    name = next(iter(facts["parts"]))
    facts["parts"][name]["trees"] = facts["parts"][name]["trees"][:300]
    for damaged in (facts, [], None, {}):
        file.write_text(json.dumps(damaged))
        with pytest.raises(ArtifactError, match="damaged"):
            BehaviourModel.load(tmp_path)


def test_few_examples_of_noise_are_calibrated_to_their_share():
    rng = np.random.default_rng(0)
    tops = []
    for _ in range(20):
        labels = rng.random(1200) < 0.05
        tops.append(Sigmoid.fit(rng.normal(size=1200), labels)(np.array([2.5]))[0])
    assert np.mean(tops) < 0.08
    assert Sigmoid.fit(np.arange(9.0), np.arange(9) < 4).slope == 0.0  # never less likely where scores rise
    for labels in (np.ones(3, dtype=bool), np.zeros(3, dtype=bool)):
        assert 0 < Sigmoid.fit(np.zeros(3), labels)(np.zeros(1))[0] < 1


def test_a_sigmoid_finds_the_chances_that_made_the_labels():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=20_000)
    found = Sigmoid.fit(scores, rng.random(20_000) < 1 / (1 + np.exp(1 - 2 * scores)))
    assert found.slope == pytest.approx(2.0, abs=0.1) and found.constant == pytest.approx(-1.0, abs=0.1)
