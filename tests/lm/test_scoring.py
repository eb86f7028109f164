"""Packed scoring equals separate passes, in every family, with every kind of prefix reuse."""

import numpy as np
import pytest
import structlog

from zhiyin.errors import InputError
from zhiyin.lm import head, scoring
from zhiyin.lm.scoring import Scorer


def texts(rng, n, *, low=1, high=15, words=300):
    return [rng.integers(3, words, int(size)) for size in rng.integers(low, high, n)]


def test_log_likelihood_equals_separate_passes(family, make_model, reference):
    rng = np.random.default_rng(1)
    model = make_model(family)
    prefix, continuations = rng.integers(3, 300, 40), texts(rng, 60)
    expected = reference.log_likelihood(model, prefix, continuations)
    scorer = Scorer(model, name=family)
    assert scorer.packs
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(scorer.log_likelihood(prefix, continuations), expected, atol=1e-3)


def test_answer_logits_equal_separate_passes(family, make_model, reference):
    rng = np.random.default_rng(2)
    model = make_model(family)
    prefix, suffixes = rng.integers(3, 300, 40), [*texts(rng, 30), np.zeros(0, np.int64)]
    expected = reference.logits(model, prefix, suffixes, (7, 299))
    found = Scorer(model, name=family).answer_logits(prefix, suffixes, (7, 299))
    assert found.dtype == np.float64 and found.shape == (31, 2)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_prefix_is_reused_and_extended(family, make_model, reference):
    rng = np.random.default_rng(3)
    model = make_model(family)
    scorer = Scorer(model, name=family)
    history, continuations = rng.integers(3, 300, 60), texts(rng, 10)
    scorer.log_likelihood(history[:40], continuations)
    assert scorer.prefixes.computed == 40
    again = scorer.log_likelihood(history[:40], continuations)
    assert scorer.prefixes.computed == 40
    extended = scorer.log_likelihood(history, continuations)
    assert scorer.prefixes.computed == 60
    shorter = scorer.log_likelihood(history[:25], continuations)
    assert scorer.prefixes.computed == 60
    branch = np.concatenate([history[:30], history[5:15]])
    branched = scorer.log_likelihood(branch, continuations)
    assert scorer.prefixes.computed == 70
    for prefix, found in (
        (history[:40], again),
        (history, extended),
        (history[:25], shorter),
        (branch, branched),
    ):
        np.testing.assert_allclose(found, reference.log_likelihood(model, prefix, continuations), atol=1e-3)


def test_common_beginning_of_the_continuations_is_computed_once(family, make_model, reference):
    rng = np.random.default_rng(4)
    model = make_model(family)
    prefix, lead = rng.integers(3, 300, 20), rng.integers(3, 300, 6)
    continuations = [np.concatenate([lead, one]) for one in texts(rng, 12)] + [lead]
    scorer = Scorer(model, name=family)
    found = scorer.log_likelihood(prefix, continuations)
    assert scorer.prefixes.computed == 25
    np.testing.assert_allclose(found, reference.log_likelihood(model, prefix, continuations), atol=1e-3)
    equal = scorer.answer_logits(prefix, [lead, lead, lead], (5, 6))
    np.testing.assert_allclose(equal, reference.logits(model, prefix, [lead] * 3, (5, 6)), atol=1e-3)


def test_chunks_do_not_change_scores(monkeypatch, make_model):
    rng = np.random.default_rng(5)
    model = make_model("qwen3")
    prefix, continuations = rng.integers(3, 300, 30), texts(rng, 25)
    whole = Scorer(model, name="a").log_likelihood(prefix, continuations)
    monkeypatch.setattr(scoring, "CHUNK_TOKENS", 20)
    monkeypatch.setattr(head, "ROWS", 7)
    monkeypatch.setattr(head, "COLUMNS", 64)
    parts = Scorer(model, name="a").log_likelihood(prefix, continuations)
    np.testing.assert_allclose(parts, whole, atol=1e-4)
    monkeypatch.setattr(scoring, "CHUNK_SCORES", 6 * 40)
    np.testing.assert_allclose(
        Scorer(model, name="a").log_likelihood(prefix, continuations), whole, atol=1e-4
    )


def test_token_log_probabilities(family, make_model, reference):
    rng = np.random.default_rng(6)
    model = make_model(family)
    batch = [rng.integers(3, 300, size) for size in (5, 1, 30, 0, 2)]
    found = Scorer(model, name=family).token_log_probabilities(batch)
    assert [len(one) for one in found] == [4, 0, 29, 0, 1]
    for one, row in zip(batch, found, strict=True):
        if len(one) > 1:
            expected = reference.log_likelihood(model, one[:1], [one[1:]])
            np.testing.assert_allclose(row.sum(), expected[0], atol=1e-3)


def test_other_models_are_scored_one_by_one(make_model, reference):
    rng = np.random.default_rng(7)
    model = make_model("bloom")
    scorer = Scorer(model, name="bloom")
    prefix, continuations = rng.integers(3, 300, 12), [*texts(rng, 5), np.zeros(0, np.int64)]
    with structlog.testing.capture_logs() as logs:
        assert not scorer.packs
    assert [one["event"] for one in logs] == ["scoring one text at a time"]
    expected = reference.log_likelihood(model, prefix, continuations)
    np.testing.assert_allclose(scorer.log_likelihood(prefix, continuations), expected, atol=1e-5)
    logits = scorer.answer_logits(prefix, continuations, (4, 5))
    np.testing.assert_allclose(logits, reference.logits(model, prefix, continuations, (4, 5)), atol=1e-5)
    assert [len(one) for one in scorer.token_log_probabilities([prefix, prefix[:1]])] == [11, 0]


def test_wrong_packed_scores_are_noticed(monkeypatch, make_model):
    model = make_model("llama")
    scorer = Scorer(model, name="llama")
    monkeypatch.setattr(scorer, "_log_likelihood", lambda prefix, texts: np.full(len(texts), -3.0))
    assert not scorer.packs


def test_models_whose_rope_grows_are_scored_one_by_one(make_model):
    model = make_model("llama")
    model.config.rope_parameters = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}
    assert not Scorer(model, name="llama").packs


def test_cache_of_prefixes_is_bounded(make_model):
    rng = np.random.default_rng(8)
    model = make_model("llama")
    scorer = Scorer(model, name="llama", prefix_cache_bytes=100_000)
    for _ in range(20):
        scorer.log_likelihood(rng.integers(3, 300, 50), texts(rng, 2))
    assert 0 < scorer.prefixes._states.size <= 100_000
    assert len(scorer.prefixes) < 20


def test_nothing_to_score_and_bad_input(make_model):
    scorer = Scorer(make_model("llama"), name="llama")
    prefix = np.arange(3, 20)
    assert scorer.log_likelihood(prefix, []).shape == (0,)
    assert scorer.answer_logits(prefix, [], (3, 4)).shape == (0, 2)
    assert scorer.token_log_probabilities([]) == []
    np.testing.assert_array_equal(scorer.log_likelihood(prefix, [np.zeros(0, np.int64)]), [0.0])
    with pytest.raises(InputError, match="no tokens"):
        scorer.log_likelihood(prefix[:0], [prefix])
    with pytest.raises(InputError, match="too long"):
        scorer.log_likelihood(np.full(250, 5), [np.full(7, 5)])
    scorer.token_log_probabilities([np.full(256, 5)])
