"""From events to an adapter that a recommender ranks with."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from structlog.testing import capture_logs

import zhiyin as zy
from zhiyin.config import load_recipe
from zhiyin.data import Dataset, cut_by_time, held_out_task
from zhiyin.errors import ArtifactError, ConfigError, DataError
from zhiyin.lm.retention.exam import Exam, Examiner
from zhiyin.pipeline.building import ranking_examples
from zhiyin.pipeline.tuning import GUARD, tune
from zhiyin.pipeline.tuning_examples import (
    liked_examples,
    listed,
    newcomers,
    ranked_examples,
    tuning_examples,
    worth,
)
from zhiyin.rank.asking import TimelineAsking
from zhiyin.rank.language_model import LanguageModelRanker
from zhiyin.registry import resolve
from zhiyin.testing.models import tiny_language_model
from zhiyin.testing.rankers import small_examples
from zhiyin.types import Candidates

FREE = {"kl": 0.0, "most_kl": None}  # nothing is written to guard on
QUICK = {"epochs": 2, "learning_rate": 3e-3, "batch": 40, "guard": FREE}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_language_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def recipe(model):
    stages = {"stages.retrieve.method": "item-knn", "stages.rank.params.model": str(model)}
    return load_recipe("retail", {**stages, "scenario": "video", "seed": 3})


@pytest.fixture(scope="module")
def ratings():
    """Films beginning with an a are liked, those with a b are not."""
    rng = np.random.default_rng(0)
    rows = [
        (f"u{user}", f"i{item}", float(1000 * at + 10 * user + rng.random()), 5.0 if item % 2 == 0 else 2.0)
        for user in range(30)
        for at, item in enumerate(rng.permutation(40)[:12])
    ]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "value"], orient="row")
    titles = [("a" if item % 2 == 0 else "b") + chr(97 + item // 2) for item in range(40)]
    items = pl.DataFrame({"item_id": [f"i{item}" for item in range(40)], "title": titles})
    return Dataset.from_frames(events, items)


@pytest.fixture(scope="module")
def tuned(recipe, ratings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned") / "likes"
    return folder, tune(recipe, ratings, folder, likes=4.0, params={**QUICK, "epochs": 7})


def test_likes_are_learned(tuned):
    folder, report = tuned
    assert report.looks[-1]["auc"] > max(0.8, report.looks[0]["auc"])
    told = json.loads((folder / "tuning.json").read_text("utf-8"))
    assert told["dataset"] and told["scenario"] == "video" and told["course"]["best"] == report.best_step
    assert told["config"]["learning_rate"] == 3e-3 and told["likes"] == 4.0 and told["people"] == 300


def test_the_newest_events_say_what_came_out(tuned, recipe, ratings):
    """Nothing of them has taught or chosen, and the rule stands beside the model."""
    folder, report = tuned
    told = json.loads((folder / "tuning.json").read_text("utf-8"))
    times = ratings.events["timestamp"].sort()
    assert told["learned_until"] == times[round(0.8 * len(times))]
    assert told["chosen_until"] == times[round(0.9 * len(times))]
    found = report.test["systems"]
    assert list(found) == ["share of likes", "base", "tuned"] and report.test["baseline"] == "base"
    assert found["tuned"]["auc"]["mean"] > max(0.8, found["base"]["auc"]["mean"])
    lessons = tuning_examples(recipe, ratings, valid=0.1, test=0.1, likes=4.0, people=300)
    assert sum(len(one.labels) for one in lessons.test) == report.test["examples"]
    assert sum(len(one.labels) for one in (*lessons.train, *lessons.valid, *lessons.test)) == len(times)


def test_what_is_ranked_is_asked_as_it_was_learned(tuned, model, recipe, ratings, monkeypatch):
    """A rating below the border stands as a no, in as long a history."""
    folder, _ = tuned
    seen = []
    asked = TimelineAsking.scores
    monkeypatch.setattr(
        TimelineAsking,
        "scores",
        lambda self, history, titles, wish, liked=None: (
            seen.append("".join(self.telling.event(*one) for one in zip(history, liked, strict=True)))
            or asked(self, history, titles, wish, liked)
        ),
    )
    known, later = cut_by_time(ratings, 0.3)
    task = held_out_task(known, later)
    items = np.tile(np.arange(5, dtype=np.int32), (len(task.queries), 1))
    candidates = Candidates(items, np.zeros(items.shape, dtype=np.float32))
    ranker = LanguageModelRanker(model=str(model), adapter=str(folder), weight=1.0, scenario="video")
    with capture_logs() as logs:
        ranker.fit(ranking_examples(task, candidates, known))
    assert any("weight is too high" in one["event"] for one in logs)  # it knows later events
    ranker.rank(task.queries, candidates)
    lessons = liked_examples(recipe, known, later, 4.0, people=300)
    past = [one.segments[1 : one.sees[0]] for one in lessons]
    assert {"".join(one) for one in past} <= set(seen) and any(" No." in one for one in seen)
    assert max(text.count(":") for text in seen) > 7


def test_how_much_of_the_adapter_is_chosen_and_shown(recipe, ratings, tmp_path):
    params = {**QUICK, "epochs": 3, "guard": {}}
    new = pl.DataFrame({"item_id": ["i40"], "title": ["nobody has seen this"]})
    dataset = replace(ratings, catalogue=ratings.catalogue.with_items(new))
    report = tune(recipe, dataset, tmp_path / "made", likes=4.0, scales=(0.5, 1.0), params=params)
    told = json.loads((tmp_path / "made" / "tuning.json").read_text("utf-8"))
    shown = json.loads((tmp_path / "made" / "retention.json").read_text("utf-8"))
    assert [told["scale"], report.scale] == 2 * [one["scale"] for one in shown["standings"] if one["used"]]
    assert told["config"]["guard"] | GUARD == told["config"]["guard"]  # also where nobody asks for it
    assert all(look["kl"] is not None for look in report.looks)
    assert [row["scale"] for row in shown["standings"]] == [0.0, 0.5, 1.0]
    assert shown["standings"][0]["retention"]["kl"] == pytest.approx(0.0, abs=1e-6)
    assert shown["standings"][1]["retention"]["kl"] < shown["standings"][2]["retention"]["kl"]
    assert shown["standings"][2]["retention"]["rouge_l"] is not None
    assert all(one["interval"][0] <= one["quality"] <= one["interval"][1] for one in shown["standings"])
    assert "plotly" in (tmp_path / "made" / "retention.html").read_text("utf-8")
    assert zy.load_language_model(
        recipe.stages.rank.params["model"], adapter=tmp_path / "made"
    ).name.endswith(f"@{report.scale:g}")


def test_a_recommender_ranks_with_it_and_takes_it_along(tuned, model, tmp_path):
    folder, _ = tuned
    ranker = LanguageModelRanker(model=str(model), adapter=str(folder), weight=1.0, scenario="video")
    examples = small_examples()
    ranker.fit(examples)
    assert ranker.scoring_ == "timeline"
    found = ranker.rank(examples.queries, examples.candidates)
    ranker.save(tmp_path)
    again = LanguageModelRanker.load(tmp_path)
    assert again._adapter() == tmp_path / "adapter"
    assert np.array_equal(again.rank(examples.queries, examples.candidates).items, found.items)
    plain = LanguageModelRanker(model=str(model), scoring="timeline", weight=1.0, scenario="video").fit(
        examples
    )
    other = plain.rank(examples.queries, examples.candidates)
    name = "rank.language-model"
    assert not np.allclose(found.features[name], other.features[name], equal_nan=True)


def test_an_adapter_for_other_prompts_is_refused(tuned, model):
    folder, _ = tuned
    for wrong in ({"scenario": "retail"}, {"language": "zh", "scenario": "video"}):
        with pytest.raises(ConfigError, match="tuned for another"):
            LanguageModelRanker(model=str(model), adapter=str(folder), **wrong).fit(small_examples())


def test_company_is_told_as_the_adapter_was_tuned(recipe, retail_small, model, tmp_path):
    wise = recipe.changed({"stages.rank.params.company": True})
    tune(wise, retail_small, tmp_path / "made", people=6, params={**QUICK, "epochs": 1})
    assert json.loads((tmp_path / "made" / "tuning.json").read_text("utf-8"))["company"] is True
    examples = small_examples()
    told = replace(examples, others=examples.queries.histories)
    adapter = {"adapter": str(tmp_path / "made"), "model": str(model), "scenario": "video"}
    assert LanguageModelRanker(**adapter).fit(told).company_ is not None
    with pytest.raises(ConfigError, match="another company"):
        LanguageModelRanker(**adapter, company=False).fit(told)


def test_what_retrieval_knows_is_the_prior(recipe, retail_small):
    known, later = cut_by_time(retail_small, 0.2)
    found = listed(recipe, known, later, newest=0.2)
    unit = worth(found)
    assert unit > 0  # retrieval is better than chance
    examples = ranked_examples(recipe, found, unit, people=5)
    assert len(examples) == 5
    for one in examples:
        assert np.mean(one.priors) == pytest.approx(0.0, abs=1e-6)
        assert np.std(one.priors) == pytest.approx(unit, rel=1e-3)
        assert {0.0, 1.0} == set(one.labels) and len(one.branches) <= 20


def test_what_is_described_was_not_learned_of(recipe, ratings):
    lessons = tuning_examples(recipe, ratings, valid=0.1, test=0.1, likes=4.0, people=2)
    new = newcomers(ratings.catalogue.titles, lessons.train)
    told = "".join(text for one in lessons.train for text in (*one.segments, *one.branches))
    assert new and not any(title in told for title in new)
    assert newcomers(new, [*lessons.train, replace(lessons.train[0], branches=(" ".join(new),), sees=(1,),
        labels=(1.0,), priors=())]) == []  # fmt: skip


def test_what_is_taken_next_is_learned_from(recipe, retail_small, tmp_path):
    report = tune(recipe, retail_small, tmp_path / "made", people=20, params={**QUICK, "epochs": 1})
    assert report.train_users <= 20 and report.train_labels > report.train_users
    model = recipe.stages.rank.params["model"]
    tuned = zy.load_language_model(model, adapter=tmp_path / "made")
    assert list(report.test["systems"]) == ["retrieval", "tuned"]
    # Tuned beside what retrieval knows: it ranks by what it says beyond the base model.
    examples = small_examples()
    ranker = LanguageModelRanker(model=model, adapter=str(tmp_path / "made"), scenario="video", weight=1.0)
    found = ranker.fit(examples).rank(examples.queries, examples.candidates)
    newest = examples.queries.histories.items[examples.queries.histories.slice(0)]
    history = [examples.titles[item] for item in newest[-12:]]
    asked = [examples.titles[item] for item in found.items[0]]
    own, base = (
        TimelineAsking(one, "en", "video").scores(history, asked, None)
        for one in (tuned, zy.load_language_model(model))
    )
    np.testing.assert_allclose(found.features["rank.language-model"][0], own - base, atol=1e-4)


@pytest.fixture(scope="module")
def retail_small(retail):
    users = retail.user_ids[:300]
    return retail.where(retail.events["user"].is_in(retail.index_of_users(users)), cut=retail.cut)


def test_nothing_to_learn_is_said(recipe, ratings, tmp_path):
    with pytest.raises(ConfigError, match="retrieves nothing"):
        tune(recipe.changed({"stages.retrieve": {"method": "none"}}), ratings, tmp_path / "x")
    with pytest.raises(ConfigError, match="Did you mean 'lora'"):
        tune(recipe, ratings, tmp_path / "x", method="lorra", likes=4.0)
    with pytest.raises(ConfigError, match="rank"):
        tune(recipe, ratings, tmp_path / "x", likes=4.0, params={"rank": 0})
    with pytest.raises(DataError, match="alike"):
        tune(recipe, ratings, tmp_path / "x", likes=9.0)
    one = ratings.where(pl.col("user") == 0, cut=ratings.cut)
    with pytest.raises(DataError, match="nothing to tune on"):
        tune(recipe, one, tmp_path / "x")
    with pytest.raises(ConfigError, match="scale"):
        tune(recipe, ratings, tmp_path / "x", likes=4.0, scales=(1.5,))
    with pytest.raises(ConfigError, match="nothing to learn from"):
        tune(recipe, ratings, tmp_path / "x", valid=0.45, test=0.1)
    with pytest.raises(ConfigError, match="Company is told of lists"):
        tune(recipe.changed({"stages.rank.params.company": True}), ratings, tmp_path / "x", likes=4.0)
    with pytest.raises(ConfigError, match="guard"):
        tune(recipe, ratings, tmp_path / "x", likes=4.0, params={"guard": 5})
    nameless = Dataset.from_frames(pl.DataFrame({"user_id": ["a"], "item_id": ["b"], "timestamp": [1.0]}))
    with pytest.raises(DataError, match="No item has a title"):
        tune(recipe, nameless, tmp_path / "x")
    assert not (tmp_path / "x").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="something else"):  # before anything else is looked at
        tune(recipe, ratings, tmp_path / "full", method="lorra")


def test_the_command(model, ratings, tmp_path):
    frame = ratings.events.with_columns(
        user_id=pl.lit("u") + pl.col("user").cast(pl.String),
        item_id=pl.lit("i") + pl.col("item").cast(pl.String),
    )
    frame.select("user_id", "item_id", "timestamp", "value").write_csv(tmp_path / "events.csv")
    titles = pl.DataFrame({"item_id": ratings.catalogue.ids, "title": ratings.catalogue.titles})
    titles.write_csv(tmp_path / "items.csv")
    command = [sys.executable, "-m", "zhiyin", "tune", "events.csv", "items.csv", "--likes", "4"]
    command += ["--people", "10", "--set", f"stages.rank.params.model={model}", "--tuner", "epochs=1"]
    command += ["--tuner", "guard.kl=0", "--tuner", "guard.l2_sp=0.1"]
    done = subprocess.run([*command, "--json"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["train_users"] == 10 and (tmp_path / told["folder"] / "adapter_config.json").is_file()


def test_a_short_real_run_learns_and_still_writes(tmp_path):
    """The real model: who likes films about space, told by titles alone."""
    rng = np.random.default_rng(0)
    kinds = (("Voyage to Mars", "Star Fleet", "Moon Base"), ("Baking Bread", "Home Cooking", "Pastry School"))
    titles = [f"{name} {number}" for number in range(4) for kind in kinds for name in kind]
    space = [title.rpartition(" ")[0] in kinds[0] for title in titles]
    rows = [
        (f"u{user}", f"i{item}", float(1000 * user + at), 5.0 if space[item] else 2.0)
        for user in range(16)
        for at, item in enumerate(rng.permutation(24)[:8])
    ]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "value"], orient="row")
    items = pl.DataFrame({"item_id": [f"i{item}" for item in range(24)], "title": titles})
    recipe = load_recipe("retail", {"scenario": "video", "seed": 3})
    params = {"epochs": 4, "first_layer": 22, "batch": 8, "row_tokens": 64, "guard": {**FREE, "l2_sp": 1e-3}}
    dataset = Dataset.from_frames(events, items)
    report = tune(recipe, dataset, tmp_path / "made", likes=4.0, valid=0.2, test=0.2, params=params)
    assert report.looks[-1]["auc"] > max(0.9, report.looks[0]["auc"])
    base = zy.load_language_model("smollm2-135m")
    tuned = zy.load_language_model("smollm2-135m", adapter=tmp_path / "made")
    exam = Exam(["The water of a river runs down to the sea because the land is higher than the sea."] * 2)
    examiner = Examiner(base, exam)
    before, after = examiner.examine(base), examiner.examine(tuned)
    assert before.kl == pytest.approx(0.0, abs=1e-6) and 0 < after.kl < 0.5
    assert after.perplexity < 1.3 * before.perplexity
    loaded = resolve("tuner", "lora").load(base, tmp_path / "made").peft_
    ids = torch.tensor([base.tokenizer("Film by film. Moon Base: Yes. Star Fleet:")["input_ids"]])
    with torch.no_grad(), loaded.disable_adapter():
        off = loaded(input_ids=ids).logits
    with torch.no_grad():
        on, plain = loaded(input_ids=ids).logits, base.model(input_ids=ids).logits
    assert torch.equal(off, plain) and not torch.equal(on, plain)
