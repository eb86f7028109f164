"""What is taken of several strengths, and the page that shows them."""

import json
from dataclasses import replace

import pytest

from zhiyin.errors import InputError
from zhiyin.lm.retention.exam import Retention
from zhiyin.lm.retention.report import retention_dict, write_retention_report
from zhiyin.lm.retention.standing import Standing, chosen, on_front


def standing(name, scale, quality, kl, perplexity=20.0, **more):
    return Standing(name, scale, quality, Retention(perplexity, kl, **more))


BASE = standing("base", 0.0, 0.60, 0.0)


def test_the_least_forgetful_that_keeps_the_gain_is_taken():
    half, whole = standing("lora", 0.5, 0.698, 0.004), standing("lora", 1.0, 0.70, 0.02)
    assert chosen([BASE, half, whole]) is half
    assert chosen([BASE, half, whole], kept=0.99) is whole
    assert chosen([BASE, half, whole], most_kl=0.01, kept=1.0) is half
    assert chosen([BASE, half, whole], most_kl=0.001) is BASE
    worse = standing("lora", 1.0, 0.55, 0.02)
    assert chosen([BASE, worse]) is BASE
    with pytest.raises(InputError, match="base model"):
        chosen([whole])


def test_the_front_is_of_those_that_none_beats():
    found = on_front([BASE, standing("a", 1.0, 0.7, 0.02), standing("b", 1.0, 0.65, 0.03)])
    assert found.tolist() == [True, True, False]


def test_the_report_tells_everything_and_believes_no_name(tmp_path):
    more = {"accuracy": {"copa": 0.5}, "distinct_2": 0.7, "stopped": 0.1, "bleu": 40.0, "rouge_l": 0.5}
    evil = "<script>alert(1)</script>"
    rows = [
        standing("base", 0.0, 0.6, 0.0, 20.0, **more, perplexity_unmarked=10.0),
        standing(evil, 0.5, 0.7, 0.01, 21.0, **more, perplexity_unmarked=9.9),
    ]
    rows[1] = replace(rows[1], interval=(0.65, 0.75))
    report = retention_dict(rows, quality="AUC", used=rows[1], about={"data": evil})
    write_retention_report(tmp_path, report)
    told = json.loads((tmp_path / "retention.json").read_text("utf-8"))
    assert told == json.loads(json.dumps(report))
    assert [one["used"] for one in told["standings"]] == [False, True]
    assert told["standings"][1]["perplexity_change"] == pytest.approx(0.05)
    assert told["standings"][1]["label"] == f"{evil} × 0.5" and told["standings"][1]["front"]
    page = (tmp_path / "retention.html").read_text("utf-8")
    assert evil not in page and "copa" in page and "repetition" not in page
    assert "+5.00%" in page and "-1.00%" in page
    with pytest.raises(InputError):
        retention_dict([], quality="AUC")
