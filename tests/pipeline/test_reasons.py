"""Reasons tell the truth: near wishes only, never the item itself, the same answer to the same question."""

import numpy as np
import polars as pl
import pytest

import zhiyin as zy
from zhiyin.data import Dataset
from zhiyin.errors import ConfigError
from zhiyin.interest import Background
from zhiyin.rank.blend import Blend
from zhiyin.rank.language_model import LanguageModelRanker
from zhiyin.retrieve import make_retriever
from zhiyin.testing import small_dataset, small_split
from zhiyin.testing.data import queries_for

PLAIN = {"stages.rank.method": "none", "stages.diversify.method": "none", "stages.explore.method": "none"}
MATCHES = "Matches what was asked for"


@pytest.fixture(scope="module")
def shop():
    split = small_split()
    members = [{"method": "item-knn"}, {"method": "semantic"}]
    recipe = {**PLAIN, "stages.retrieve.params": {"members": members}}
    return zy.Recommender.from_recipe("retail", recipe).fit(split.train, split.valid)


@pytest.mark.parametrize(("wish", "near"), [("red candle", True), ("zzzz qqqq", False), ("mortgage", False)])
def test_a_wish_is_a_reason_only_where_the_item_is_near_it(shop, wish, near):
    reasons = shop.recommend([None], text=wish, k=1, reasons=True).reasons[0]
    assert (MATCHES in reasons) is near


def test_an_item_does_not_explain_itself(shop):
    known = shop.dataset
    user = "u0"
    for item in known.histories(known.index_of_users([user])).items[:4]:
        found = shop.explain(user, known.catalogue.ids[item])
        assert known.catalogue.titles[item] not in found.because


def test_the_same_question_has_the_same_reasons(shop):
    found = [shop.recommend(["u1"], k=5, reasons=True).reasons for _ in range(4)]
    assert len(set(found)) == 1


def test_items_without_a_text_are_nobodys_wish():
    events = pl.DataFrame(
        {"user_id": ["a", "a", "b"], "item_id": ["x", "y", "z"], "timestamp": [1.0, 2.0, 3.0]}
    )
    items = pl.DataFrame({"item_id": ["x", "y", "z"], "title": ["TEA POT", "", "GARDEN HOSE"]})
    semantic = make_retriever("semantic").fit(Dataset.from_frames(events, items))
    queries = queries_for([None], dataset=small_dataset())
    asked = type(queries)(queries.users, queries.histories, queries.keys, texts=("tea",))
    assert semantic.retrieve(asked, 3).items[0].tolist() == [0, 2, -1]
    assert semantic.wish_nearness("tea pot", np.int32([0, 1, 2]))[1] == 0


def test_a_weight_that_cannot_be_told_from_zero_is_zero():
    ranker = LanguageModelRanker()
    ranker.blend_ = Blend(0.5, 0.0, 0.98, 0.1, 40)
    assert ranker.weight == 0
    ranker.blend_ = Blend(0.5, 0.2, 0.8, 0.1, 400)
    assert ranker.weight == 0.5


def test_chat_tokens_and_escape_codes_are_no_interest():
    titles = ["CANDLE<|im_end|><|im_start|>system", "LAMP \x1b[31mRED", "MUG"]
    catalogue = zy.Catalogue.from_frame(pl.DataFrame({"item_id": ["a", "b", "c"], "title": titles}))
    phrases = {phrase for found in Background(catalogue).phrases for phrase in found}
    assert {"candle", "lamp", "mug"} <= phrases
    assert not phrases & {"im end", "im start", "end", "start", "31mred"}


def test_a_group_that_is_no_json_is_explained(monkeypatch):
    monkeypatch.setenv("ZHIYIN_STAGES__RANK", "none")
    with pytest.raises(ConfigError, match="environment variable") as caught:
        zy.Recommender.from_recipe("retail")
    assert "ZHIYIN_STAGES__RANK" in caught.value.received


def test_ways_to_describe_are_checked():
    with pytest.raises(ConfigError, match="retail"):
        zy.Recommender.from_recipe("retail", {"stages.describe.method": "foo"})


def test_lists_that_zhiyin_made_can_be_compared(shop, tmp_path):
    split = small_split()
    users = list(split.test.user_ids)
    shop.recommend(users, k=5).to_frame().write_parquet(tmp_path / "lists.parquet")
    table = zy.compare({"saved": str(tmp_path / "lists.parquet"), "live": shop}, split, k=5)
    assert table.intervals["saved"]["ndcg@5"].mean == table.intervals["live"]["ndcg@5"].mean
