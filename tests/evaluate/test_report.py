"""The report holds every number, escapes what comes from outside, and its figures are JSON."""

import json
import re

import numpy as np
import pytest

from zhiyin.evaluate import TRIVIAL_RULES, Background, evaluate_lists
from zhiyin.evaluate.pointwise import evaluate_predictions
from zhiyin.evaluate.report import write_evaluation_report
from zhiyin.types import Ragged

pytest.importorskip("plotly")
EVIL = "</script><b>mine</b>"


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    lists = {name: rng.integers(0, 50, (60, 10)).astype(np.int32) for name in (*TRIVIAL_RULES, EVIL)}
    truth = Ragged.from_lists([rng.choice(50, 5, replace=False) for _ in range(60)])
    background = Background(
        vectors=rng.normal(size=(50, 8)), groups={"<i>country</i>": ["uk", "<u>fr</u>"] * 30}
    )
    return evaluate_lists(
        lists, truth, k=10, catalogue_size=50, background=background, baseline="popular", samples=100
    )


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(1)
    scores = {"rule": rng.random(200), EVIL: rng.random(200)}
    return evaluate_predictions(
        scores, np.arange(200) % 20, rng.random(200) < 0.5, baseline="rule", samples=50
    )


def figures(page):
    found = re.findall(r'<script type="application/json" id="data-([\w-]+)">(.*?)</script>', page, re.S)
    return {name: json.loads(text) for name, text in found}


def test_a_page_of_lists_and_predictions(table, predictions, tmp_path):
    path = write_evaluation_report(tmp_path / "report.html", table, predictions=predictions, title="A & B")
    page = path.read_text("utf-8")
    assert "A &amp; B" in page and "<b>mine</b>" not in page
    assert f"{table.intervals['popular']['ndcg@10'].mean:.4f}" in page
    assert f"{predictions.intervals['rule']['auc'].mean:.4f}" in page
    found = figures(page)
    assert set(found) == {"accuracy", "trade", "exposure", "groups-0", "calibration"}
    bars = found["accuracy"]["data"][0]
    assert len(bars["y"]) == 4 and EVIL in bars["y"]
    assert len(found["exposure"]["data"]) == 4 and len(found["calibration"]["data"]) == 3
    assert all(note in page for note in table.notes)


def test_each_side_alone(table, predictions, tmp_path):
    lists = write_evaluation_report(tmp_path / "lists.html", table).read_text("utf-8")
    assert "Predictions" not in lists and "calibration" not in figures(lists)
    points = write_evaluation_report(tmp_path / "points.html", predictions=predictions).read_text("utf-8")
    assert set(figures(points)) == {"calibration"}
