"""Whatever the bytes are: a table and a report, or a DataError; and no row disappears."""

import csv
import gzip
import io
import json
import random

import numpy as np
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zhiyin.data.bundled import bundled_folder
from zhiyin.data.reading import read_events, read_items, read_users
from zhiyin.data.reading.collecting import Collector
from zhiyin.data.reading.headers import EVENTS
from zhiyin.data.reading.plain import split_plain
from zhiyin.data.reading.records import split_records
from zhiyin.data.reading.tables import TableReader
from zhiyin.errors import DataError

FIXTURE = [HealthCheck.function_scoped_fixture]  # each example overwrites the same files
PIECES = st.sampled_from(
    [
        b"user_id",
        b"item_id",
        b"timestamp",
        b",",
        b",",
        b"\n",
        b"\n",
        b"\r\n",
        b"\r",
        b'"',
        b'""',
        b"x^",
        b"x\x01",
        b"1",
        b"0012",
        b"1e5",
        b"2011-12-09",
        b"nan",
        b"\xff",
        b"\xc3\xa9",
        b"\0",
        b" ",
        b";",
        b"\t",
        b"{",
        b"}",
        b":",
        b"[",
        b"]",
        b"null",
        b'"user_id":',
        b'"item_id":',
        b"\\ud800",
        b"\xe3\x80\x80",
        b"\x1c",
    ]
)
HEADS = st.sampled_from(
    [
        b"",
        b"user_id,item_id,timestamp\n",
        b'user_id,"item_id"\r\n',
        b"user_id\titem_id\n",
        b"\xef\xbb\xbfitem_id,title,price,available_from\n",
        b"user_id\n",
        b"user_id,item_id,value,quantity,event,session_id\n",
        b'{"user_id":"a","item_id":"b"}\n',
    ]
)
HOSTILE = st.lists(st.one_of(PIECES, st.binary(max_size=3)), max_size=60).map(b"".join)
NAMES = st.sampled_from(["e.csv", "e.tsv", "e.csv.gz", "e.jsonl", "e.parquet"])
READERS = st.sampled_from([read_events, read_items, read_users])


@settings(max_examples=300, deadline=None, suppress_health_check=FIXTURE)
@given(HEADS, HOSTILE, NAMES, READERS, st.sampled_from([0.1, 1.0]))
def test_any_bytes_give_a_table_or_a_data_error(tmp_path, head, body, name, read, allowed):
    data = head + body
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    try:
        frame, report = read(tmp_path / name, max_rejected=allowed)
    except DataError as error:
        assert error.expected and error.received and error.hint
        assert name in str(error)
        return
    assert frame.height + report.n_rejected == report.n_rows > 0
    json.dumps(report.to_dict())
    report.write_rejected(tmp_path / "rejected.jsonl")
    lines = (tmp_path / "rejected.jsonl").read_text().split("\n")[:-1]
    assert [json.loads(line)["line"] for line in lines] == report.rejected_rows["line"].to_list()
    keys = {"read_events": ["user_id", "item_id"], "read_items": ["item_id"], "read_users": ["user_id"]}
    assert sum(frame[key].null_count() for key in keys[read.__name__]) == 0


@settings(max_examples=150, deadline=None, suppress_health_check=FIXTURE)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1, max_size=8
    ),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_what_the_csv_module_writes_is_read_back(tmp_path, titles, end, final):
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["item_id", "title", "note"])
    writer.writerows([f"i{row}", title, "x"] for row, title in enumerate(titles))
    text = file.getvalue() if final else file.getvalue().removesuffix(end)
    (tmp_path / "items.csv").write_bytes(text.encode())
    frame, report = read_items(tmp_path / "items.csv")
    assert frame["title"].to_list() == [title or None for title in titles]
    assert report.problems == ()


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n\r"), max_size=5)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=6),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
    st.booleans(),
)
def test_both_ways_to_split_agree(rows, quoting, final):
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n", quoting=quoting)
    writer.writerows([["a", "b", "c"], *rows])
    data = (file.getvalue() if final else file.getvalue().removesuffix("\n")).encode()
    quick = split_plain(data, ",", header=True)
    if quick is None:  # might be taken for a compressed file
        assert rows[0][0].startswith("x") or rows[0][0] == ""
        return
    slow = Collector("f")
    records = split_records(data, slow, ",", (), names=None, line=1, open_end=False)
    assert list(quick.header) == records.names
    found = quick.frame.rename(dict(zip(quick.frame.columns, quick.header, strict=True)))
    assert found.fill_null("").equals(records.frame.fill_null(""))
    np.testing.assert_array_equal(quick.lines + 1, slow.lines)
    assert (quick.next_line + 1, b"") == (slow_end(data), records.rest)


def slow_end(data):
    return 1 + data.count(b"\n") + (not data.endswith(b"\n"))


@settings(max_examples=300, deadline=None, suppress_health_check=FIXTURE)
@given(HEADS, HOSTILE, st.sampled_from(["e.csv", "e.tsv", "e.csv.gz", "e.jsonl"]), st.integers(1, 40))
def test_what_is_read_does_not_depend_on_the_blocks(tmp_path, head, body, name, block):
    data = head + body
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    outcomes = []
    for size in (2**20, block):
        reader = TableReader(path, EVENTS, max_rejected=1.0, block=size)
        try:
            frame = pl.concat(list(reader), how="diagonal")
            report = reader.report()
        except DataError as error:
            outcomes.append(error.message)
            continue
        outcomes.append((frame.rows(), report.counts, report.rejected_rows.rows(), report.n_rows))
    assert outcomes[0] == outcomes[1]


def test_damaged_parquet_never_ends_in_a_panic(tmp_path, capfd):
    path = tmp_path / "e.parquet"
    pl.DataFrame(
        {"user_id": ["a", "b", "c"] * 50, "item_id": list(range(150)), "timestamp": [1.5] * 150}
        | {"tags": [["x"]] * 150, "box": [{"w": 1}] * 150}
    ).write_parquet(path)
    data, draw = path.read_bytes(), random.Random(0)
    outcomes = set()
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(draw.randrange(1, 6)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged[: draw.randrange(len(data))] if draw.random() < 0.2 else damaged)
        try:
            frame, report = read_items(path)
            assert frame.height + report.n_rejected == report.n_rows
            outcomes.add("read")
        except DataError as error:
            outcomes.add(error.message)
    assert {"read", "e.parquet is damaged"} <= outcomes
    assert capfd.readouterr().err == ""


def test_the_bundled_files_have_no_problems():
    place = bundled_folder("online-retail")
    events, report = read_events(place / "events.csv.gz")
    assert (events.height, report.n_rows, report.problems, report.notes) == (264_510, 264_510, (), ())
    items, report = read_items(place / "items.csv")
    assert (items.height, report.problems, report.notes) == (3_145, (), ())
    users, report = read_users(place / "users.csv")
    assert (users.height, report.problems, report.notes) == (4_074, (), ())
