"""Catalogue, Dataset, bundled data: ids stay text, indices fit, nothing is lost."""

from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from zhiyin.data import Catalogue, Dataset, cut_by_time, load_bundled, split_by_time
from zhiyin.errors import ArtifactError, DataError, InputError
from zhiyin.retrieve import make_retriever


def frame(**columns):
    return pl.DataFrame(columns)


def test_bundled_counts_are_those_of_the_source(retail):
    assert (retail.n_events, retail.n_users, retail.n_items) == (264_510, 4_074, 3_145)
    assert retail.report.n_rejected == 0
    assert (np.diff(retail.events["timestamp"].to_numpy()) >= 0).all()
    assert retail.catalogue.titles[retail.catalogue.index_of(["85123A"])[0]].startswith("WHITE HANGING")
    with pytest.raises(InputError, match="online-retail"):
        load_bundled("no such data")


def test_ids_stay_the_strings_of_the_file():
    dataset = Dataset.from_frames(
        frame(user_id=["007", "7"], item_id=["0012", "1e5"]), frame(item_id=["12", "1e5"])
    )
    assert dataset.catalogue.ids == ("12", "1e5", "0012")
    assert dataset.user_ids == ("007", "7")
    assert dataset.catalogue.index_of(["0012", "12", "012"]).tolist() == [2, 0, -1]
    assert dataset.index_of_users(["7", None, "x"]).tolist() == [1, -1, -1]


def test_items_only_in_events_are_kept_and_reported():
    dataset = Dataset.from_frames(
        frame(user_id=["a"], item_id=["new"]), frame(item_id=["old"], title=["OLD"])
    )
    assert dataset.catalogue.ids == ("old", "new") and dataset.catalogue.titles == ("OLD", "")
    assert "1 items of the events are not among the items" in dataset.report.notes[0]


def test_histories_are_ordered_and_unknown_users_are_empty():
    dataset = Dataset.from_frames(
        frame(user_id=["a", "b", "a"], item_id=["x", "y", "z"], timestamp=[3.0, 2.0, 1.0])
    )
    histories = dataset.histories(dataset.index_of_users(["a", "nobody", "b"]))
    ids = [dataset.catalogue.ids_of(row) for row in histories.lists()]
    assert ids == [["z", "x"], [], ["y"]]
    assert histories.times.tolist() == [1.0, 3.0, 2.0]


def test_event_weights_become_strengths():
    dataset = Dataset.from_frames(
        frame(user_id=["a", "a"], item_id=["x", "y"], event=["view", "buy"]),
        event_weights={"view": 0.1, "buy": 1.0},
    )
    assert dataset.histories().values.tolist() == pytest.approx([0.1, 1.0])
    assert dataset.events["value"].to_list() == [1.0, 1.0]
    assert dataset.event_types == ("buy", "view")


def test_empty_and_duplicate_input_is_refused():
    with pytest.raises(DataError, match="no events"):
        Dataset.from_frames(frame(user_id=["a"], item_id=["x"]).head(0))
    with pytest.raises(DataError, match="each item_id once"):
        Catalogue.from_frame(frame(item_id=["x", "x"]))
    with pytest.raises(DataError, match="column item_id"):
        Catalogue.from_frame(frame(title=["x"]))


def test_catalogue_is_append_only_and_versioned():
    first = Catalogue.from_frame(frame(item_id=["a"], title=["A"], brand=["B"]))
    second = first.with_items(frame(item_id=["a", "b"], title=["changed", "B"]))
    assert second.ids == ("a", "b") and second.titles == ("A", "B")
    assert (first.version, second.version) == (0, 1) and first.fingerprint != second.fingerprint
    assert second.with_items(frame(item_id=["b"])) is second
    assert second.attributes == {"brand": ("B", None)}
    with pytest.raises(InputError, match="beyond the catalogue"):
        second.ids_of(np.int32([2]))


def test_save_and_load_keep_everything(tmp_path):
    dataset = Dataset.from_frames(
        frame(user_id=["a", "b"], item_id=["0012", "1e5"], timestamp=[1.0, 2.0]),
        frame(item_id=["0012"], title=["红色蜡烛"], price=[1.5]),
    )
    dataset.save(tmp_path)
    loaded = Dataset.load(tmp_path)
    assert loaded.fingerprint == dataset.fingerprint
    assert loaded.catalogue.titles == dataset.catalogue.titles and loaded.cut == dataset.cut


def test_fingerprint_changes_with_one_event():
    one = Dataset.from_frames(frame(user_id=["a", "b"], item_id=["x", "y"]))
    two = Dataset.from_frames(frame(user_id=["a", "b"], item_id=["x", "x"]))
    assert one.fingerprint != two.fingerprint


def test_files_with_odd_content_end_to_end(tmp_path):
    (tmp_path / "events.csv").write_text(
        "user_id,item_id,timestamp\n1,0012,1600000000\n1,1e5,1600000000000\n2,0012,-5\n2,zz,1600000100\n"
        + "".join(f"{user},0012,16000{user:05d}\n" for user in range(10, 60))
    )
    (tmp_path / "items.csv").write_text(f"item_id,title\n0012,{'A' * 1_000_000}\n1e5,<|im_start|>system\n")
    dataset = Dataset.from_files(tmp_path / "events.csv", tmp_path / "items.csv")
    assert dataset.catalogue.ids == ("0012", "1e5", "zz")
    assert len(dataset.catalogue.titles[0]) == 1_000_000
    assert dataset.report.n_rejected == 1 and dataset.n_events == 53
    assert dataset.events["timestamp"].max() < 1.7e9
    assert "line 4" in dataset.report.summary()


def test_a_loaded_part_answers_as_before(tmp_path):
    dataset = Dataset.from_frames(
        frame(
            user_id=list("aab"), item_id=list("xyz"), timestamp=[1.0, 2.0, 9.5], event=["buy", "view", "add"]
        ),
        frame(item_id=["x"]),
    )
    part, later = cut_by_time(dataset, 0.3)
    part.save(tmp_path)
    loaded = Dataset.load(tmp_path)
    assert loaded.cut == part.cut == 9.5 and loaded.event_types == ("add", "buy", "view")
    assert loaded.histories().events.tolist() == part.histories().events.tolist() == [1, 2]
    assert loaded.catalogue.version == part.catalogue.version
    assert loaded.has_times and loaded.joined(later).fingerprint == dataset.fingerprint
    grown = part.catalogue.with_items(frame(item_id=["new"]))
    replace(part, catalogue=grown).save(tmp_path)
    assert Dataset.load(tmp_path).catalogue.version == grown.version == part.catalogue.version + 1


@pytest.mark.parametrize(
    "content",
    [
        None,
        "{",
        "[]",
        '{"cut": 1.0}',
        '{"cut": 3, "event_types": ["x"], "has_times": true, "catalogue_version": 0}',
    ],
)
def test_a_damaged_dataset_is_named(tmp_path, content):
    Dataset.from_frames(frame(user_id=["a"], item_id=["x"])).save(tmp_path)
    facts = tmp_path / "dataset.json"
    facts.unlink() if content is None else facts.write_text(content)
    with pytest.raises(ArtifactError, match=r"dataset\.json"):
        Dataset.load(tmp_path)


def test_whole_number_ids_become_text():
    dataset = Dataset.from_frames(
        frame(user_id=[7, 12, 7], item_id=pl.Series([3, 1, 2], dtype=pl.UInt16), session_id=[1, 1, None]),
        frame(item_id=[1, 2], title=["ONE", None]),
        frame(user_id=[12], country=["UK"]),
    )
    assert dataset.user_ids == ("12", "7") and dataset.catalogue.ids == ("1", "2", "3")
    assert dataset.catalogue.titles == ("ONE", "", "")
    assert dataset.catalogue.index_of(["3", "03"]).tolist() == [2, -1]
    assert dataset.catalogue.with_items(frame(item_id=[2, 4])).ids == ("1", "2", "3", "4")
    category = pl.Series(["x", "y"], dtype=pl.Categorical)
    assert Dataset.from_frames(frame(user_id=category, item_id=category)).user_ids == ("x", "y")


UNUSABLE = {
    "decimal user ids": ({"user_id": [1.0, 2.0]}, "user_id of events", "decimal numbers"),
    "decimal item ids": ({"item_id": [1.0, None]}, "item_id of events", "decimal numbers"),
    "null item": ({"item_id": ["x", None]}, "item_id of events", "1 null, first in row 2"),
    "null user": ({"user_id": [None, None]}, "user_id of events", "2 null, first in row 1"),
    "yes or no as ids": ({"item_id": [True, False]}, "item_id of events", "Boolean"),
    "lists as ids": ({"item_id": [["x"], ["y"]]}, "item_id of events", "List"),
    "NaN time": ({"timestamp": [1.0, float("nan")]}, "timestamp of events", "first nan in row 2"),
    "infinite time": ({"timestamp": [float("inf"), 1.0]}, "timestamp of events", "first inf in row 1"),
    "negative time": ({"timestamp": [1, -5]}, "timestamp of events", "first -5.0 in row 2"),
    "null time": ({"timestamp": [1.0, None]}, "timestamp of events", "first None in row 2"),
    "text as time": ({"timestamp": ["2020", "2021"]}, "timestamp of events", "String"),
    "date as time": ({"timestamp": [date(2020, 1, 1)] * 2}, "timestamp of events", "Date"),
    "NaN value": ({"value": [1.0, float("nan")]}, "value of events", "first nan in row 2"),
    "infinite quantity": ({"quantity": [float("-inf"), None]}, "quantity of events", "first -inf in row 1"),
    "decimal sessions": ({"session_id": [1.5, 2.5]}, "session_id of events", "Float64"),
    "numbers as types": ({"event": [1.5, 2.5]}, "event of events", "Float64"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_unusable_columns_are_refused_by_name(name):
    columns, where, received = UNUSABLE[name]
    with pytest.raises(DataError, match=where) as caught:
        Dataset.from_frames(frame(**{"user_id": ["a", "b"], "item_id": ["x", "y"], **columns}))
    assert received in caught.value.received and caught.value.expected and caught.value.hint


def test_unusable_items_and_users_are_refused():
    events = frame(user_id=["a"], item_id=["x"])
    for items, message in (
        (frame(item_id=[1.5]), "item_id of items"),
        (frame(item_id=["x", None]), "item_id of items"),
        (frame(item_id=["x"], price=["1.50"]), "price of items"),
        (frame(item_id=["x"], title=[1.5]), "title of items"),
        (frame(item_id=["x"], available_from=[float("nan")]), "available_from of items"),
    ):
        with pytest.raises(DataError, match=message):
            Dataset.from_frames(events, items)
    for users, message in (
        (frame(user_id=[1.5]), "user_id of users"),
        (frame(user_id=["a", "a"]), "each user_id once"),
        (frame(name=["a"]), "no column user_id"),
    ):
        with pytest.raises(DataError, match=message):
            Dataset.from_frames(events, users=users)
    with pytest.raises(DataError, match="no column item_id"):
        Dataset.from_frames(frame(user_id=["a"]))
    with pytest.raises(InputError, match="not finite"):
        Dataset.from_frames(events, event_weights={"view": float("nan")})


def test_null_values_and_quantities_are_one():
    dataset = Dataset.from_frames(
        frame(user_id=["a", "b"], item_id=["x", "y"], value=[None, 3], quantity=[2, None])
    )
    assert dataset.events["value"].to_list() == [1.0, 3.0]
    assert dataset.events["quantity"].to_list() == [2.0, 1.0]


def test_a_product_of_the_shop_is_no_candidate_before_its_first_sale(retail):
    first = np.full(retail.n_items, np.inf)
    np.minimum.at(first, retail.events["item"].to_numpy(), retail.events["timestamp"].to_numpy())
    assert (retail.catalogue.available_from == first).all()
    split = split_by_time(retail)
    task = split.task("test").sample(50, seed=0)
    found = make_retriever("random", seed=0).fit(split.train).retrieve(task.queries, 200).items
    assert (found >= 0).all() and (first[found] <= split.valid.cut).all()
    assert (first > split.valid.cut).any()


def test_no_other_data_gets_its_assortment_from_events():
    dataset = Dataset.from_frames(frame(user_id=["a", "a"], item_id=["x", "y"], timestamp=[1.0, 2.0]))
    assert (dataset.catalogue.available_from == -np.inf).all()


def test_matrix_is_strength_and_counts_are_events():
    dataset = Dataset.from_frames(
        frame(
            user_id=list("aaabb"), item_id=list("xxyxy"), value=[0.5, 2.0, 0.0, -1.0, 1.0], timestamp=range(5)
        )
    )
    assert dataset.matrix.toarray().tolist() == [[2.0, 0.0], [0.0, 1.0]] and dataset.matrix.nnz == 2
    assert dataset.counts.tolist() == [3.0, 2.0]
    assert dataset.histories().lengths.tolist() == [3, 2]


def test_has_times_tells_of_timestamps_that_say_something(tmp_path):
    people = {"user_id": ["a", "b"], "item_id": ["x", "y"]}
    assert not Dataset.from_frames(frame(**people)).has_times
    constant = Dataset.from_frames(frame(**people, timestamp=[5.0, 5.0]))
    assert not constant.has_times
    constant.save(tmp_path)
    assert not Dataset.load(tmp_path).has_times
    dataset = Dataset.from_frames(frame(**people, timestamp=[5.0, 6.0]))
    assert dataset.has_times and all(part.has_times for part in cut_by_time(dataset, 0.5))
