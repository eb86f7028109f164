"""The frozen lower layers: the same numbers as without the shelf, worked out once."""

import numpy as np
import pytest
import torch

from zhiyin.lm.tuning.learner import Learner
from zhiyin.lm.tuning.lower import Lower
from zhiyin.lm.tuning.rows import lay_out, text_row
from zhiyin.registry import resolve

ANSWERS = ("y", "n")


def learner_of(base, first):
    lower = Lower.of(base.model, first, base.name)
    return Learner(base.model, base.tokenizer, answers=ANSWERS, row_tokens=200, lower=lower)


def test_answers_and_derivatives_are_those_of_the_whole_network(family, make_base, tastes):
    base = make_base(family)
    last = base.model.config.get_text_config().num_hidden_layers - 1
    weight = [one for name, one in base.model.named_parameters() if f".{last}." in name and one.ndim == 2][-1]
    found = []
    for first in (0, 1, last):
        learner = learner_of(base, first)
        assert (learner.lower is None) == (first == 0)
        for _ in range(2):  # worked out, then read
            margins = torch.cat([learner.margins(row) for row in lay_out(learner.encode(tastes(3, 0)), 200)])
            (slope,) = torch.autograd.grad(margins.sum(), weight)
            found.append((margins.detach(), slope))
    for margins, slope in found[1:]:
        torch.testing.assert_close(margins, found[0][0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(slope, found[0][1], atol=1e-2, rtol=1e-3)


def test_each_part_is_worked_out_once_whoever_lies_beside_it(make_base, tastes, monkeypatch):
    base, examples = make_base(), tastes(6, 0)
    worked = []
    real = Lower._worked_out
    monkeypatch.setattr(Lower, "_worked_out", lambda self, row: worked.append(row) or real(self, row))
    learner = learner_of(base, 2)
    encoded = learner.encode(examples)
    before = learner.scores(encoded)
    count = len(worked)
    assert count > 1
    learner.row_tokens = 500
    np.testing.assert_allclose(learner.scores(encoded[::-1]), before, atol=1e-5)
    assert len(worked) == count
    other = Learner(
        base.model, base.tokenizer, answers=ANSWERS, row_tokens=200, lower=Lower(base.model, 2, "other")
    )
    other.scores(encoded)
    assert len(worked) == 2 * count  # another model's states are not these


def test_the_network_is_whole_again(make_base, tastes):
    base = make_base()
    layers = list(base.model.model.layers)
    learner = learner_of(base, 2)
    learner.hidden(text_row([np.arange(3, 30)]))
    learner.scores(learner.encode(tastes(1, 0)))
    assert list(base.model.model.layers) == layers


def test_tuning_goes_the_same_way_with_and_without(make_base, tastes, monkeypatch):
    quick = {"answers": ANSWERS, "learning_rate": 3e-3, "row_tokens": 200, "epochs": 2, "first_layer": 1}
    base = make_base()
    kept = resolve("tuner", "lora")(**quick).fit(base, tastes(10, 1), tastes(5, 2))
    monkeypatch.setattr(Lower, "of", lambda *_: None)
    plain = resolve("tuner", "lora")(**quick).fit(base, tastes(10, 1), tastes(5, 2))
    np.testing.assert_allclose(kept.course_.losses, plain.course_.losses, rtol=1e-4)


@pytest.mark.parametrize("first", [1, 2])
def test_scaled_models_share_the_lower_layers(first, make_base, tastes):
    base, asked = make_base(), tastes(3, 4)
    tuner = resolve("tuner", "lora")(
        answers=ANSWERS, learning_rate=3e-3, row_tokens=200, epochs=1, first_layer=first
    ).fit(base, tastes(10, 1))
    half = np.concatenate(tuner.scores(asked, scale=0.5))
    model = tuner.language_model(0.5)
    plain = Learner(model.model, model.tokenizer, answers=ANSWERS, row_tokens=200)
    np.testing.assert_allclose(half, plain.scores(plain.encode(asked)), atol=1e-4)
