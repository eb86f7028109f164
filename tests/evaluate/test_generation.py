"""Metrics of written text: against the libraries' own front doors and by hand."""

import math

import numpy as np
import pytest

from zhiyin.errors import InputError
from zhiyin.evaluate import generation


def test_bleu_is_sacrebleus_with_any_number_of_references():
    sacrebleu = pytest.importorskip("sacrebleu")
    texts = ["a red tea set for two", "wooden toy box"]
    references = [["a red tea set for four", "red tea set"], ["a toy box of wood"]]
    theirs = sacrebleu.corpus_bleu(texts, [[one[0] for one in references], ["red tea set", None]])
    assert generation.bleu(texts, references) == pytest.approx(theirs.score)
    assert generation.bleu(["红色茶具"], [["红色茶具"]], tokenize="zh") == pytest.approx(100)


def test_rouge_takes_the_best_reference_and_reads_chinese():
    pytest.importorskip("rouge_score")
    found = generation.rouge(["red tea set", "复古红色蜡烛台"], [["no", "red tea pot"], ["红色蜡烛台"]])
    assert found["rouge1"][0] == pytest.approx(2 / 3) and found["rouge2"][0] == pytest.approx(1 / 2)
    assert found["rougeL"][1] == pytest.approx(0.8)


def test_self_bleu_falls_with_variety():
    pytest.importorskip("sacrebleu")
    same = generation.self_bleu(["a small red tea set"] * 3)
    varied = generation.self_bleu(["a small red tea set", "wooden box of toys", "paper lamp with stars"])
    assert same == pytest.approx(100) and varied < 10
    assert math.isnan(generation.self_bleu(["one"]))


def test_distinct_and_perplexity():
    assert generation.distinct(["tea tea tea"], 1) == pytest.approx(1 / 3)
    assert generation.distinct(["红色茶具 红色茶具"], 1) == pytest.approx(1 / 2)
    assert math.isnan(generation.distinct(["tea"], 2))
    assert generation.perplexity([np.log([0.5, 0.25]), np.log([0.125])]) == pytest.approx(4)
    assert math.isnan(generation.perplexity([[]]))


@pytest.mark.parametrize(
    "call",
    [
        lambda: generation.bleu(["a"], []),
        lambda: generation.bleu([], []),
        lambda: generation.bleu("a", [["a"]]),
        lambda: generation.rouge(["a"], [[]]),
        lambda: generation.rouge(["a"], ["a"]),
        lambda: generation.distinct(["a"], 0),
        lambda: generation.perplexity([[0.5]]),
    ],
)
def test_refuses_what_cannot_be_compared(call):
    with pytest.raises(InputError):
        call()
