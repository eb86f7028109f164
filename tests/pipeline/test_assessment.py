"""An assessment says what is there, what misleads, and what would not pay."""

import json

import numpy as np
import polars as pl
import pytest

import zhiyin as zy
from zhiyin.pipeline.assessment import assess, write_assessment


@pytest.fixture(scope="module")
def found():
    return assess(zy.load_bundled("online-retail"))


def test_the_shop_is_seen_as_it_is(found):
    facts, texts = found.facts, found.texts
    assert (facts.events, facts.users, facts.items) == (264_510, 4_074, 3_145)
    assert facts.sessions == 16_111 and facts.tied_share > 0.9 and not facts.rated
    assert texts.main_language == "en" and texts.telling and texts.priced_share == 1.0
    assert sum(month[0] for month in facts.monthly) == facts.events
    assert sum(month[2] for month in facts.monthly) == facts.items
    assert found.drift.strong
    assert found.probe.split == "time" and found.probe.best_rule == "recent-popular"
    assert found.probe.ndcg["recent-popular"].mean > found.probe.ndcg["popular"].mean
    assert 0 < found.probe.detectable < 0.03
    assert [risk.name for risk in found.risks] == ["tied times"]
    verdicts = {method.name: method.verdict for method in found.methods}
    assert verdicts["sequential (next item)"] == "weak" and verdicts["rating prediction"] == "no"
    assert found.language_model.verdict == "no" and found.recipe.settings["stages.rank.method"] == "none"


def test_it_can_be_read_by_machines_and_people(found, tmp_path):
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["probe"]["ndcg"]["popular"]["n"] == found.probe.users
    text = found.summary()
    for heading, lines in found.sections():
        assert not lines or (heading in text and lines[0] in text)
    page = write_assessment(tmp_path / "a.html", found, title="<b>shop</b>").read_text("utf-8")
    assert "&lt;b&gt;shop&lt;/b&gt;" in page and "<b>shop</b>" not in page
    assert page.count('type="application/json"') - page.count("script[type=") == 5
    assert found.language_model.why in page


def data_of(n_users=200, n_items=60, n=3_000, **columns):
    draw = np.random.default_rng(0)
    frame = {
        "user_id": [f"u{one}" for one in draw.integers(n_users, size=n)],
        "item_id": [f"i{one}" for one in draw.integers(n_items, size=n)],
        "timestamp": np.sort(draw.uniform(1.6e9, 1.61e9, n)),
    }
    return pl.DataFrame({**frame, **columns})


def test_what_misleads_is_named():
    events = data_of()
    guests = events.with_columns(
        user_id=pl.when(pl.int_range(pl.len()) % 5 == 0).then(pl.lit("guest")).otherwise("user_id")
    )
    items = pl.DataFrame(
        {
            "item_id": [f"i{one}" for one in range(60)],
            "title": ["SAME TITLE FOR ALL"] * 60,
            "avg_rating": [str(one) for one in range(60)],
        }
    )
    newest = pl.int_range(pl.len()) > 2_900
    late = guests.with_columns(item_id=pl.when(newest).then(pl.lit("i59")).otherwise("item_id"))
    late = late.filter((pl.col("item_id") != "i59") | newest)
    risks = {risk.name: risk for risk in assess(zy.Dataset.from_frames(late, items)).risks}
    expected = {"one user is many", "placeholder users", "attributes that know the future"}
    assert expected | {"items from the future", "titles that repeat"} <= set(risks)
    assert "avg_rating" in risks["attributes that know the future"].found
    assert all(risk.remedy for risk in risks.values())


def test_ratings_types_and_new_items_change_the_advice():
    events = data_of(value=np.random.default_rng(1).integers(1, 6, 3_000).astype(float))
    events = events.with_columns(event=pl.Series(np.where(np.arange(3_000) % 10 == 0, "purchase", "view")))
    found = assess(zy.Dataset.from_frames(events))
    assert found.facts.rated and found.recipe.settings["cleaning"] == {"value-range": {"value_from": 4.0}}
    assert any("event_weights" in reason for reason in found.recipe.reasons)
    assert found.language_model.verdict == "no" and "nothing to read" in found.language_model.why
    fresh = [f"i{place // 20}" for place in range(3_000)]  # every week other items: only texts can know them
    items = pl.DataFrame(
        {
            "item_id": [f"i{one}" for one in range(150)],
            "title": [f"red tea mug number {one}" for one in range(150)],
        }
    )
    found = assess(zy.Dataset.from_frames(events.with_columns(item_id=pl.Series(fresh)), items))
    assert found.language_model.verdict == "yes" and found.facts.cold_item_share > 0.9
    assert found.probe.silent and "cannot be said" in found.probe.warning
    verdicts = {method.name: method.verdict for method in found.methods}
    assert verdicts["popular, recent-popular"] == verdicts["EASE"] == "no" != verdicts["semantic, lexical"]
    json.dumps(found.to_dict(), allow_nan=False)


def test_little_data_and_no_times_end_in_words_and_not_in_errors():
    events = pl.DataFrame({"user_id": ["a", "b"], "item_id": ["x", "y"]})
    found = assess(zy.Dataset.from_frames(events))
    assert found.probe is None and found.drift is None
    assert "no times" in [risk.name for risk in found.risks]
    assert {method.verdict for method in found.methods if "collaborative" in method.name} == {"no"}
    json.dumps(found.to_dict())
    two = zy.Dataset.from_frames(events.with_columns(timestamp=pl.Series([1.0, 2.0])))
    assert assess(two).summary()


def test_likes_and_places_are_seen_for_what_they_are():
    events = data_of(value=np.random.default_rng(1).integers(0, 2, 3_000).astype(float))
    found = assess(zy.Dataset.from_frames(events))
    assert found.facts.rated and "cleaning" not in found.recipe.settings
    assert any("0 or less are no sign of interest" in reason for reason in found.recipe.reasons)
    places = events.with_columns(timestamp=pl.int_range(pl.len()).cast(pl.Float64))
    assert "times that are none" in [risk.name for risk in assess(zy.Dataset.from_frames(places)).risks]
    untimed = assess(zy.Dataset.from_frames(events.drop("timestamp")))
    assert "time-range" not in {**untimed.rules, **{k: v for k, v in untimed.would.items() if v}}
