"""Catalogue, Dataset, bundled data: ids stay text, indices fit, nothing is lost."""

import numpy as np
import polars as pl
import pytest

from zhiyin.data import Catalogue, Dataset, load_bundled
from zhiyin.errors import DataError, InputError


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


def test_event_weights_become_values():
    dataset = Dataset.from_frames(
        frame(user_id=["a", "a"], item_id=["x", "y"], event=["view", "buy"]),
        event_weights={"view": 0.1, "buy": 1.0},
    )
    assert dataset.events["value"].to_list() == [0.1, 1.0]
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
