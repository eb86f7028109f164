"""The measures of retention, against ordinary passes."""

import numpy as np
import pytest
import torch

from zhiyin.errors import InputError
from zhiyin.lm.retention.exam import Exam, Examiner, Question, _repetition
from zhiyin.lm.tuning.twin import changed

TEXTS = ["the old harbour had not seen a ship in many years " * 3, "when the train came", "x"]


@pytest.fixture(scope="module")
def base(make_base):
    return make_base()


@pytest.fixture(scope="module")
def other(base):
    torch.manual_seed(0)
    name = "model.layers.1.mlp.up_proj.weight"
    weight = dict(base.model.named_parameters())[name].detach()
    return changed(base, [(name, weight + 0.05 * torch.randn(weight.shape))], scale=1.0, label="moved")


def test_divergence_and_perplexity_are_those_of_ordinary_passes(base, other):
    kl, logs = [], []
    for text in TEXTS[:2]:
        ids = torch.tensor([base.tokenizer(text, add_special_tokens=False)["input_ids"][:100]])
        with torch.no_grad():
            one, two = (
                torch.log_softmax(m.model(input_ids=ids).logits[0].double(), -1) for m in (base, other)
            )
        kl.append((one.exp() * (one - two)).sum(1))
        logs.append(two[torch.arange(ids.shape[1] - 1), ids[0, 1:]])
    found = Examiner(base, Exam(TEXTS, tokens=100)).examine(other)
    assert found.kl == pytest.approx(float(torch.cat(kl).mean()), rel=1e-4) and found.kl > 1e-4
    assert found.perplexity == pytest.approx(float(torch.cat(logs).mean().neg().exp()), rel=1e-4)


def test_marks_of_a_corpus_are_left_out(base, other):
    text = "the old <unk> had not seen a ship in <unk> years"
    ids = torch.tensor([base.tokenizer(text, add_special_tokens=False)["input_ids"]])
    with torch.no_grad():
        logs = torch.log_softmax(other.model(input_ids=ids).logits[0].double(), -1)
    logs = logs[torch.arange(ids.shape[1] - 1), ids[0, 1:]].numpy()
    marked = np.zeros(len(text), dtype=bool)
    for start in (7, 36):
        assert text[start : start + 6] == " <unk>"
        marked[start : start + 6] = True
    assert len(logs) == len(text) - 1  # this tokenizer reads letter by letter
    found = Examiner(base, Exam([text], marks=(" <unk>",))).examine(other)
    assert found.perplexity == pytest.approx(np.exp(-logs.mean()), rel=1e-4)
    assert found.perplexity_unmarked == pytest.approx(np.exp(-logs[~marked[1:]].mean()), rel=1e-4)
    assert Examiner(base, Exam([text])).examine(other).perplexity_unmarked is None


def test_a_model_beside_itself(base):
    questions = {"easy": [Question("a b", ("c", "dd"), 0), Question("a b", ("c", "dd"), 1)]}
    found = Examiner(base, Exam(TEXTS, questions, ["say a", "say b"], written=5)).examine(base)
    assert found.kl == pytest.approx(0.0, abs=1e-9)
    assert found.accuracy == {"easy": 0.5}  # one of two that contradict one another
    assert found.bleu == pytest.approx(100.0) and found.tokens_per_second > 0


def test_what_is_written_is_measured(base, monkeypatch):
    written = [base.tokenizer(one)["input_ids"] for one in ("a b a b a", "c d")]  # the first does not end
    monkeypatch.setattr(Examiner, "_write", lambda self, model: (written, 0.5))
    found = Examiner(base, Exam(TEXTS, prompts=["say a", "say b"], written=9)).examine(base)
    assert found.distinct_2 == pytest.approx(3 / 5)  # "a b" and "b a" twice, "c d"
    assert found.repetition == pytest.approx((3 / 5 + 0) / 2)
    assert found.stopped == 0.5 and found.tokens_per_second == pytest.approx(24.0)


def test_repetition():
    assert _repetition("a b c d".split()) == 0.0
    assert _repetition("a a a a".split()) == 0.75
    assert _repetition([]) == 0.0


def test_nothing_to_examine_on(base):
    with pytest.raises(InputError, match="no text"):
        Examiner(base, Exam(["x"]))
