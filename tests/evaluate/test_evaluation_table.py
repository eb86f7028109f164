"""The comparison of lists: each number equals the metric taken alone; rules are demanded."""

import io
import json

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from zhiyin.errors import InputError
from zhiyin.evaluate import (
    TRIVIAL_RULES,
    Background,
    bootstrap_mean,
    diversity,
    evaluate_lists,
    holm,
    paired_difference,
    ranking,
)
from zhiyin.types import Ragged

K, ITEMS, USERS = 4, 30, 25
NAMES = ("ndcg", "recall", "precision", "hit_rate", "average_precision", "reciprocal_rank")


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(0)
    return Ragged.from_lists([rng.choice(ITEMS, rng.integers(0, 5), replace=False) for _ in range(USERS)])


@pytest.fixture(scope="module")
def lists(truth):
    rng = np.random.default_rng(1)
    found = {
        name: np.argsort(rng.random((USERS, ITEMS)), axis=1)[:, :6].astype(np.int32)
        for name in (*TRIVIAL_RULES, "mine")
    }
    found["oracle"] = np.full((USERS, 6), -1, np.int32)
    for row, items in enumerate(truth.lists()):
        found["oracle"][row, : len(items)] = items
    return found


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(2).normal(size=(ITEMS, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def background(vectors):
    rng = np.random.default_rng(4)
    return Background(
        vectors=vectors,
        clusters=rng.integers(-1, 5, ITEMS),
        popularity=rng.uniform(0.01, 1, ITEMS),
        histories=Ragged.from_lists([rng.integers(0, ITEMS, n % 7) for n in range(USERS)]),
        cold_items=np.arange(ITEMS) % 5 == 0,
        groups={"country": ["uk", "fr"] * 12 + [None]},
    )


@pytest.fixture(scope="module")
def table(lists, truth, background):
    return evaluate_lists(
        lists,
        truth,
        k=K,
        catalogue_size=ITEMS,
        background=background,
        baseline="popular",
        seed=3,
        samples=300,
    )


def test_values_and_intervals_equal_the_metrics_taken_alone(table, lists, truth):
    assert table.names == tuple(lists)
    for list_name, items in lists.items():
        for name in NAMES:
            values = getattr(ranking, name)(items, truth, K)
            np.testing.assert_array_equal(table.values[list_name][f"{name}@{K}"], values)
            alone = bootstrap_mean(values, seed=3, samples=300)
            found = table.intervals[list_name][f"{name}@{K}"]
            assert (found.mean, found.low, found.high) == pytest.approx((alone.mean, alone.low, alone.high))
            assert (found.n, found.missing) == (alone.n, alone.missing)
    assert table.users == USERS
    assert table.users_with_truth == np.count_nonzero(truth.lengths)


def test_only_the_first_k_places_count(table, lists, vectors):
    for name, items in lists.items():
        cut = items[:, :K]
        overall = table.overall[name]
        assert overall[f"catalogue_coverage@{K}"] == diversity.catalogue_coverage(cut, ITEMS)
        assert overall[f"exposure_gini@{K}"] == diversity.exposure_gini(cut, ITEMS)
        expected = diversity.intra_list_distance([vectors[row[row >= 0]] for row in cut])
        np.testing.assert_allclose(table.values[name][f"intra_list_distance@{K}"], expected, atol=1e-12)


def test_differences_are_paired_with_the_baseline(table, lists, truth):
    assert set(table.differences) == set(lists) - {"popular"}
    for name, found in table.differences.items():
        assert list(found) == [f"ndcg@{K}", f"recall@{K}"]
        left, right = (ranking.recall(lists[one], truth, K) for one in (name, "popular"))
        alone = paired_difference(left, right, seed=3, samples=300)
        one = found[f"recall@{K}"]
        assert (one.mean, one.low, one.high) == pytest.approx((alone.mean, alone.low, alone.high))
    assert table.differences["oracle"][f"ndcg@{K}"].excludes_zero
    assert table.intervals["oracle"][f"ndcg@{K}"].mean == 1.0


def test_frame(table):
    frame = table.to_frame()
    assert frame.height == 5 * (len(table.values["mine"]) + len(table.overall["mine"]))
    row = frame.row(by_predicate=(pl.col("list") == "oracle") & (pl.col("metric") == f"ndcg@{K}"), named=True)
    difference = table.differences["oracle"][f"ndcg@{K}"]
    assert row["mean"] == 1.0
    assert row["difference"] == difference.mean
    assert row["difference_low"] == difference.low
    assert row["significant"] is True
    assert row["n"] + row["missing"] == USERS
    own = frame.filter(pl.col("list") == "popular")
    assert own["difference"].null_count() == own.height


def test_json_keeps_every_number_and_has_no_nan(table, truth):
    content = json.loads(json.dumps(table.to_dict(), allow_nan=False))
    mine = table.intervals["mine"][f"recall@{K}"]
    assert content["lists"]["mine"][f"recall@{K}"] == {
        "mean": mine.mean,
        "low": mine.low,
        "high": mine.high,
        "n": mine.n,
        "missing": mine.missing,
    }
    assert content["baseline"] == "popular"
    empty = dict.fromkeys(TRIVIAL_RULES, np.full((USERS, 2), -1, np.int32))
    nothing = evaluate_lists(empty, truth, k=2, catalogue_size=ITEMS).to_dict()
    assert json.loads(json.dumps(nothing, allow_nan=False))["lists"]["random"]["exposure_gini@2"] == {
        "mean": None
    }


def rendered(table):
    console = Console(file=io.StringIO(), width=250)
    console.print(table)
    return console.file.getvalue()


def test_rendered_table(table):
    text = rendered(table.render())
    assert all(name in text for name in (*table.names, *(f"{one}@{K}" for one in ("ndcg", "recall"))))
    assert f"{table.users_with_truth} users have truth" in text
    assert f"{table.differences['oracle'][f'ndcg@{K}'].mean:.3f} *" in text
    assert f"relevant_vendi_score@{K}" in text.replace("\n", "")
    short = rendered(table.render(["recall", "exposure_gini"]))
    assert f"recall@{K}" in short
    assert f"ndcg@{K}" not in short
    with pytest.raises(InputError, match="metric"):
        table.render(["no_such"])


def test_every_metric_equals_the_one_taken_alone(table, lists, truth, background):
    cut = {name: items[:, :K] for name, items in lists.items()}
    for name, items in cut.items():
        vectors = [background.vectors[row[row >= 0]] for row in items]
        rows = [row[row >= 0] for row in items]
        truths = [
            {int(item): set(label_of(background, item)) for item in row if label_of(background, item)}
            for row in truth.lists()
        ]
        taken = [[label_of(background, item) for item in row] for row in background.histories.lists()]
        shown = [[label_of(background, item) for item in row] for row in rows]
        cold = truth.keep(background.cold_items[truth.items])
        expected = {
            "relevant_vendi_score": diversity.relevant_vendi_score(vectors, rows, truth),
            "vendi_score": diversity.vendi_score(vectors),
            "effective_interests": diversity.effective_interests(items, background.clusters),
            "semantic_coverage": diversity.semantic_coverage(items, background.clusters),
            "alpha_ndcg": diversity.alpha_ndcg(items, truths, K),
            "calibration_kl": diversity.calibration_kl(taken, shown),
            "novelty": diversity.novelty(items, background.popularity, K),
            "long_tail_share": diversity.long_tail_share(items, background.popularity, K),
            "serendipity": diversity.serendipity(items, truth, cut["popular"], K),
            "recall_cold_items": ranking.recall(items, cold, K),
        }
        for metric, values in expected.items():
            np.testing.assert_allclose(table.values[name][f"{metric}@{K}"], values, atol=1e-9, err_msg=metric)
        found = diversity.mutual_information(shown, taken, correction="permutation")
        assert table.overall[name][f"mutual_information@{K}"] == pytest.approx(found)


def label_of(background, item):
    label = int(background.clusters[item])
    return [] if label < 0 else [label]


def test_differences_are_corrected_for_their_number(table):
    metric = f"ndcg@{K}"
    raw = [one[metric].p for one in table.differences.values()]
    assert [one[metric] for one in table.adjusted.values()] == holm(raw).tolist()
    assert table.significant("oracle", metric) and not table.significant("random", metric)


def test_the_front_is_of_both_goals(table):
    names, area = table.front()
    assert "oracle" in names and area > 0
    assert table.to_dict()["fronts"]["intra_list_distance"] == {"lists": list(names), "hypervolume": area}
    assert table.front("no_such_metric") is None


def test_groups_hold_their_own_users(table, background):
    labels = np.array(background.groups["country"], dtype=object)
    found = table.groups["country"]["mine"][f"ndcg@{K}"]
    assert list(found.groups) == ["fr", "uk"] and found.gap is None
    own = table.values["mine"][f"ndcg@{K}"][labels == "fr"]
    assert found.groups["fr"].mean == pytest.approx(np.nanmean(own))
    content = table.to_dict()["groups"]["country"]["mine"][f"ndcg@{K}"]
    assert content["groups"]["uk"]["n"] == found.groups["uk"].n


def test_without_vectors_and_baseline(lists, truth):
    table = evaluate_lists(lists, truth, k=K, catalogue_size=ITEMS, samples=50)
    assert table.differences == {}
    assert f"intra_list_distance@{K}" not in table.intervals["mine"]
    assert table.to_frame()["significant"].null_count() == table.to_frame().height
    assert f"ndcg@{K}" in rendered(table.render())


def test_no_users():
    nobody = dict.fromkeys(TRIVIAL_RULES, np.empty((0, 3), np.int32))
    table = evaluate_lists(nobody, Ragged.from_lists([]), k=3, catalogue_size=2, baseline="random")
    assert table.intervals["popular"]["ndcg@3"].n == 0
    assert table.users_with_truth == 0


@pytest.mark.parametrize("absent", TRIVIAL_RULES)
def test_demands_the_trivial_rules(lists, truth, absent):
    some = {name: items for name, items in lists.items() if name != absent}
    with pytest.raises(InputError, match="trivial rules") as caught:
        evaluate_lists(some, truth, k=K, catalogue_size=ITEMS)
    assert absent in caught.value.hint


def test_refuses_what_does_not_fit(lists, truth, vectors):
    def run(changed=(), **options):
        given = {"k": K, "catalogue_size": ITEMS, **options}
        return evaluate_lists({**lists, **dict(changed)}, truth, **given)

    with pytest.raises(InputError, match="baseline"):
        run(baseline="nobody")
    with pytest.raises(InputError, match="do not fit"):
        run({"mine": lists["mine"][:-1]})
    with pytest.raises(InputError, match="do not fit"):
        run({"mine": lists["mine"].astype(float)})
    with pytest.raises(InputError, match="outside"):
        run(catalogue_size=ITEMS - 1)
    with pytest.raises(InputError, match="no vector"):
        run(background=Background(vectors=vectors[:-1]))
    with pytest.raises(InputError, match="k is"):
        run(k=0)


def test_a_list_that_equals_the_baseline_hides_no_warning(lists, truth):
    same = {**lists, "copy": lists["popular"]}
    table = evaluate_lists(same, truth, k=K, catalogue_size=ITEMS, baseline="popular", samples=50)
    assert len(table.notes) == 1 and "users have truth" in table.notes[0]
    assert "below 0.000" not in table.notes[0]
