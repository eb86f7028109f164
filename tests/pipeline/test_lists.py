"""Lists of other systems: what is wrong stops, what is odd is told, what is right counts."""

import numpy as np
import polars as pl
import pytest

import zhiyin as zy
from zhiyin.errors import DataError, InputError
from zhiyin.pipeline import read_lists
from zhiyin.testing import small_dataset, small_split

SPLIT = small_split()
TASK = SPLIT.task("test")
CATALOGUE = SPLIT.test.catalogue
USERS = [user for user in TASK.queries.users for _ in range(3)]
ITEMS = [item for _ in TASK.queries.users for item in CATALOGUE.ids[:3]]
GOOD = pl.DataFrame({"user_id": USERS, "item_id": ITEMS, "rank": [1, 2, 3] * len(TASK.queries)})


def read(tmp_path, frame, k=3):
    frame.write_parquet(tmp_path / "lists.parquet")
    return read_lists(tmp_path / "lists.parquet", TASK, CATALOGUE, k, name="theirs")


def test_rank_score_and_order_say_the_same(tmp_path):
    expected = np.tile(np.arange(3, dtype=np.int32), (len(TASK.queries), 1))
    shuffled = GOOD.sample(fraction=1.0, shuffle=True, seed=1)
    by_score = shuffled.with_columns(score=-pl.col("rank")).drop("rank")
    as_text = shuffled.with_columns(pl.col("rank").cast(pl.String))
    for frame in (GOOD, GOOD.drop("rank"), shuffled, by_score, as_text):
        found = read(tmp_path, frame)
        np.testing.assert_array_equal(found.items, expected)
        assert all("seen" in note for note in found.notes)


def test_ten_comes_after_nine_though_ranks_are_text(tmp_path):
    user = TASK.queries.users[0]
    frame = pl.DataFrame(
        {"user_id": [user] * 12, "item_id": CATALOGUE.ids[:12], "rank": [str(n) for n in range(1, 13)]}
    )
    assert read(tmp_path, frame, k=12).items[0].tolist() == list(range(12))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (pl.col("rank").cast(pl.Float64).replace(2.0, float("nan")), "no rank"),
        (pl.col("rank").replace(2, None), "no rank"),
        (pl.col("rank").replace(2, 1), "twice"),
        (pl.lit("best").alias("rank"), "no rank"),
        (pl.lit([1]).alias("rank"), "no number"),
        (pl.lit(1.0).alias("item_id"), "no certain spelling"),
        (pl.lit(["a"]).alias("item_id"), "no certain spelling"),
        (pl.lit(None, pl.String).alias("item_id"), "no item_id"),
        (pl.col("item_id") + "x", "none of the catalogue's items"),
        (pl.col("user_id") + "x", "none of the test users"),
    ],
)
def test_what_cannot_be_measured_stops(tmp_path, change, word):
    with pytest.raises(DataError) as caught:
        read(tmp_path, GOOD.with_columns(change))
    assert word in caught.value.message and caught.value.received


def test_scores_that_are_no_numbers_stop(tmp_path):
    frame = GOOD.drop("rank").with_columns(
        score=pl.when(pl.int_range(pl.len()) == 4).then(float("nan")).otherwise(1.0)
    )
    with pytest.raises(DataError, match="1 rows have no score") as caught:
        read(tmp_path, frame)
    assert caught.value.received == "rows 5"


def test_what_is_odd_is_told(tmp_path):
    user, other = TASK.queries.users[:2]
    history = TASK.queries.histories
    seen = CATALOGUE.ids[history.items[history.slice(0)][0]]
    frame = pl.DataFrame(
        {
            "user_id": [user, user, user, other, other],
            "item_id": [seen, "unheard of", CATALOGUE.ids[5], CATALOGUE.ids[7], CATALOGUE.ids[7]],
            "rank": [1, 2, 3, 1, 2],
            "score": [1.0, 2.0, 0.5, 1.0, 1.0],
        }
    )
    found = read(tmp_path, frame)
    told = "\n".join(found.notes)
    for words in (
        f"theirs: {len(TASK.queries) - 2} of {len(TASK.queries)} test users have no list",
        "1 lists are shorter than 3",
        "1 of 5 places hold items that the catalogue does not know",
        "1 lists hold an item twice",
        "places hold items that the user has seen",
        "rank and score disagree in 1 places",
    ):
        assert words in told
    assert found.items[0].tolist()[1:] == [-1, 5]


def test_a_recommender_of_another_catalogue_order_is_measured_by_ids():
    data = small_dataset()
    backwards = zy.Dataset.from_frames(
        data.events.select(
            pl.Series("user_id", [data.user_ids[user] for user in data.events["user"]]),
            pl.Series("item_id", [data.catalogue.ids[item] for item in data.events["item"]]),
            "timestamp",
        ),
        data.catalogue.frame.reverse(),
    )
    made = [
        zy.Recommender.from_recipe(
            "retail",
            {
                "stages.retrieve": {"method": "popular"},
                "stages.rank.method": "none",
                "stages.diversify.method": "none",
                "stages.explore": {"method": "greedy"},
            },
        ).fit(zy.split_by_time(one, valid=0.2, test=0.2).train)
        for one in (data, backwards)
    ]
    split = zy.split_by_time(data, valid=0.2, test=0.2)
    table = zy.compare({"same": made[0], "backwards": made[1]}, split, k=5)
    same, other = (table.intervals[name]["ndcg@5"].mean for name in ("same", "backwards"))
    assert same > 0 and other == pytest.approx(same, abs=0.02)  # ties among equally popular items differ
    with pytest.raises(InputError, match="cannot be measured"):
        zy.compare({"what": 42}, split)
    with pytest.raises(InputError, match="not among the lists") as caught:
        zy.compare({}, split, baseline="recent_popular")
    assert "recent-popular" in caught.value.hint
