"""The quick start, small: the real data, the real model, a self-contained page."""

import copy
import json
import re

import pytest

from zhiyin.pipeline import Recommender
from zhiyin.pipeline.demo import run_demo
from zhiyin.pipeline.report import write_report

EVIL = "<script>alert('x')</script></script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    lines = []
    folder = tmp_path_factory.mktemp("demo")
    return run_demo(folder, valid_users=4, test_users=5, say=lines.append), folder, lines


def test_every_stage_is_measured_on_the_same_users(demo):
    done, _, lines = demo
    expected = ("random", "popular", "recent-popular",
                    "als", "ease", "bm25", "semantic",
                "language model's order", "retrieved",
                "+ language model", "+ diversify", "+ explore")  # fmt: skip
    assert done.table.names == expected
    assert {len(items) for items in done.lists.values()} == {5}
    assert {one.n for row in done.table.intervals.values() for one in [row["ndcg@10"]]} == {5}
    assert len(lines) == 4 and "264,510 events" in lines[0]


def test_the_language_model_really_ranked(demo):
    done, folder, _ = demo
    learned = done.results["learned"]["language_model"]
    assert set(learned) == {"yes-no", "likelihood"} and sum(one["chosen"] for one in learned.values()) == 1
    for one in learned.values():
        assert 0 <= one["low"] <= one["high"] <= 1 and 0 <= one["weight"] <= 1
    saved = Recommender.load(folder / "recommender")
    assert saved.components.ranker.trials_.keys() == learned.keys()
    assert len(saved.recommend(["17850"]).items[0]) == 10


def test_results_hold_what_the_page_shows(demo):
    done, folder, _ = demo
    assert json.loads((folder / "results.json").read_text("utf-8"))["about"] == done.results["about"]
    assert len(done.results["users"]) == 3
    for user in done.results["users"]:
        assert user["description"]["claims"] and len(user["slate"]) == 10
        assert all(0 < place["marginal"] <= 1 for place in user["slate"])


def test_the_page_needs_nothing_from_outside(demo):
    _, folder, _ = demo
    page = (folder / "report.html").read_text("utf-8")
    body = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", body)
    assert "NDCG@10" in body and body.count('class="card"') >= 7
    for name in ("accuracy", "trade", "exposure"):
        text = re.search(rf'id="data-{name}">(.*?)</script>', page, flags=re.DOTALL).group(1)
        assert json.loads(text)["data"]


def test_nothing_from_outside_becomes_markup(demo, tmp_path):
    done, _, _ = demo
    results = copy.deepcopy(dict(done.results))
    results["users"][0]["slate"][0].update(title=EVIL, reason=EVIL)
    results["users"][0]["description"].update(user=EVIL, text=EVIL)
    results["users"][0]["description"]["evidence"][0].update(name=EVIL, value=EVIL)
    results["notes"] = [EVIL]
    page = write_report(tmp_path / "report.html", results).read_text("utf-8")
    assert "<script>alert" not in page and "<img" not in re.sub(
        r"<script>.*?</script>", "", page, flags=re.DOTALL
    )
    assert page.count("&lt;script&gt;alert") == 7


@pytest.mark.slow
def test_running_again_gives_the_same(demo, tmp_path):
    done, _, _ = demo
    again = run_demo(tmp_path, valid_users=4, test_users=5)
    assert again.results["table"] == done.results["table"]
    assert again.results["users"] == done.results["users"]
