"""On MovieLens-100K: random and popular lists win the plain measures of diversity, not the gated ones."""

import numpy as np
import pytest

from zhiyin.data import split_users_by_time
from zhiyin.evaluate import evaluate_lists
from zhiyin.pipeline.background import background_of
from zhiyin.pipeline.evaluation import trivial_lists
from zhiyin.retrieve import make_retriever
from zhiyin.testing.realdata import movielens

K = 10
GATED = ("relevant_intra_list_distance", "relevant_vendi_score", "alpha_ndcg")

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def table():
    split = split_users_by_time(movielens(), valid=0.01, test=0.2)
    known, task = split.train.joined(split.valid), split.task("test")
    lists = trivial_lists(known, task, K, seed=7)
    for name in ("item-knn", "als", "ease"):
        lists[name] = make_retriever(name).fit(known).retrieve(task.queries, K).items
    background = background_of(known, task, encoder="minilm-l6", seed=7)
    return evaluate_lists(lists, task.relevant, k=K, catalogue_size=known.n_items, background=background)


def mean(table, name, metric):
    return table.intervals[name][f"{metric}@{K}"].mean


def test_random_lists_win_what_does_not_ask_for_relevance(table):
    for metric in (
        "intra_list_distance",
        "vendi_score",
        "effective_interests",
        "semantic_coverage",
        "novelty",
    ):
        best = max(table.names, key=lambda name: mean(table, name, metric))
        assert best == "random", metric
    assert table.overall["random"][f"catalogue_coverage@{K}"] == max(
        one[f"catalogue_coverage@{K}"] for one in table.overall.values()
    )


@pytest.mark.parametrize("metric", GATED)
def test_they_lose_what_does(table, metric):
    metric = f"{metric}@{K}"
    for learned in ("als", "ease"):
        for rule in ("random", "popular"):
            gain = table.values[learned][metric] - table.values[rule][metric]
            gain = gain[~np.isnan(gain)]
            low = gain.mean() - 2 * gain.std() / np.sqrt(len(gain))
            assert low > 0, (learned, rule, metric)


def test_themes_are_fixed_on_the_catalogue_and_calibration_prefers_the_learned(table):
    assert mean(table, "als", "calibration_kl") < mean(table, "random", "calibration_kl")
    assert (
        table.overall["als"][f"mutual_information@{K}"] > table.overall["random"][f"mutual_information@{K}"]
    )
