"""Good files: every format gives the same table, ids stay as spelled, times become seconds."""

import gzip
import json
from datetime import UTC, date, datetime

import polars as pl
import pytest

from zhiyin.data.reading import read_events, read_items, read_users
from zhiyin.errors import DataError, InputError

CSV = (
    "user_id,item_id,timestamp,event,value,quantity,basket_id\n"
    "0012,85123A,1291191960,view,1.5,2,7\n"
    "1e5,0071,1291191961,,,,\n"
)
COLUMNS = ["user_id", "item_id", "timestamp", "value", "quantity", "event", "session_id"]
ROWS = [
    ("0012", "85123A", 1291191960.0, 1.5, 2.0, "view", "7"),
    ("1e5", "0071", 1291191961.0, None, None, None, None),
]


def written(folder, name, text):
    path = folder / name
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def as_jsonl(text):
    names, *rows = [line.split(",") for line in text.splitlines()]
    return "".join(
        json.dumps({name: cell for name, cell in zip(names, row, strict=True) if cell}) + "\n" for row in rows
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("events.csv", CSV),
        ("EVENTS.CSV", CSV),
        ("events.csv.gz", CSV),
        ("events.csv", CSV.rstrip("\n")),
        ("events.csv", CSV.replace("\n", "\r\n")),
        ("events.csv", CSV.replace("\n", "\r")),
        ("events.csv", "\n" + CSV + "\n\n"),
        ("events.csv", "\ufeff" + CSV),
        ("events.csv", CSV.replace("0012,85123A", '"0012","85123A"')),
        ("events.tsv", CSV.replace(",", "\t")),
        ("events.tsv.gz", CSV.replace(",", "\t")),
        ("events.jsonl", as_jsonl(CSV)),
        ("events.jsonl.gz", as_jsonl(CSV)),
        ("events.jsonl", "\ufeff" + as_jsonl(CSV).replace("\n", "\r\n\n")),
    ],
)
def test_every_format_gives_the_same_table(tmp_path, name, content):
    frame, report = read_events(written(tmp_path, name, content))
    assert frame.columns == COLUMNS
    assert frame.rows() == ROWS
    assert frame.dtypes == [pl.String, pl.String, *[pl.Float64] * 3, pl.String, pl.String]
    assert (report.n_rows, report.n_rejected, report.problems, report.notes) == (2, 0, (), ())


def test_parquet_gives_the_same_table(tmp_path):
    pl.DataFrame(ROWS, schema=COLUMNS, orient="row").write_parquet(tmp_path / "events.parquet")
    frame, report = read_events(tmp_path / "events.parquet")
    assert frame.rows() == ROWS
    assert (report.n_rows, report.n_rejected) == (2, 0)


def test_columns_that_a_file_does_not_have_are_absent(tmp_path):
    frame, _ = read_events(written(tmp_path, "events.csv", "item_id,user_id\n1,2\n"))
    assert frame.to_dicts() == [{"user_id": "2", "item_id": "1"}]


def test_integer_ids_of_parquet_and_jsonl_are_spelled_out(tmp_path):
    frame = pl.DataFrame({"user_id": [12], "item_id": [85123]}, schema_overrides={"item_id": pl.UInt32})
    frame.write_parquet(tmp_path / "events.parquet")
    assert read_events(tmp_path / "events.parquet")[0].rows() == [("12", "85123")]
    path = written(tmp_path, "e.jsonl", '{"user_id": 12345678901234567890, "item_id": "1e5"}\n')
    assert read_events(path)[0].rows() == [("12345678901234567890", "1e5")]


def test_numbers_of_attributes_keep_their_spelling_in_jsonl(tmp_path):
    path = written(
        tmp_path,
        "items.jsonl",
        '{"item_id": 1, "size": 1.10, "tags": ["a", "b"], "new": true, "box": {"w": 2}}\n',
    )
    row = read_items(path)[0].to_dicts()[0]
    assert row == {"item_id": "1", "size": "1.10", "tags": "a, b", "new": "true", "box": '{"w": "2"}'}


def test_other_names_by_mapping_and_by_alias(tmp_path):
    text = "CustomerID,StockCode,When,rating\n1,2,3,4\n"
    mapping = {"user_id": "CustomerID", "item_id": "StockCode", "timestamp": "When", "title": "Description"}
    frame, report = read_events(written(tmp_path, "events.csv", text), columns=mapping)
    assert frame.to_dicts() == [{"user_id": "1", "item_id": "2", "timestamp": 3.0, "value": 4.0}]
    assert report.notes == ()


def test_one_mapping_serves_several_files(tmp_path):
    mapping = {"item_id": "StockCode", "brand": "Marke"}
    path = written(tmp_path, "items.csv", "item_id,Marke,title\n1,Rex,MUG\n")
    assert read_items(path, columns=mapping)[0].to_dicts() == [
        {"item_id": "1", "title": "MUG", "brand": "Rex"}
    ]


def test_items_keep_other_columns_as_text_and_events_name_what_they_leave_out(tmp_path):
    text = ",item_id,user_id,price,available_from,colour\n0,01,9,2.50,2011-12-09,red\n1,02,9,,,\n"
    frame, report = read_items(written(tmp_path, "items.csv", text))
    assert frame.to_dicts() == [
        {"item_id": "01", "available_from": 1323388800.0, "price": 2.5, "user_id": "9", "colour": "red"},
        {"item_id": "02", "available_from": None, "price": None, "user_id": "9", "colour": None},
    ]
    assert report.notes[0] == "items.csv: columns left out, as items do not have them: (unnamed column 1)"
    _, report = read_events(tmp_path / "items.csv")
    assert report.notes[0].endswith(
        "events do not have them: (unnamed column 1), price, available_from, colour"
    )


def test_users_are_read_with_their_attributes(tmp_path):
    frame, _ = read_users(written(tmp_path, "users.csv", "user_id,country\n1,Iceland\n"))
    assert frame.to_dicts() == [{"user_id": "1", "country": "Iceland"}]
    assert read_users(written(tmp_path, "users.csv", "user_id\n1\n\n2\n"))[0].rows() == [("1",), ("2",)]


def test_quoted_cells_may_hold_delimiters_line_ends_and_quotes(tmp_path):
    text = 'item_id,title\n1,"a, ""b""\r\nc"\n2,5" nail\n'
    frame, report = read_items(written(tmp_path, "items.csv", text))
    assert frame["title"].to_list() == ['a, "b"\r\nc', '5" nail']
    assert report.n_rejected == 0


def test_another_delimiter(tmp_path):
    path = written(tmp_path, "events.csv", 'user_id;item_id;value\n1;2;3\n1;"a;b";3\n')
    assert read_events(path, delimiter=";")[0]["item_id"].to_list() == ["2", "a;b"]
    with pytest.raises(InputError, match="delimiter"):
        read_events(path, delimiter="ab")
    with pytest.raises(InputError, match="max_rejected"):
        read_events(path, max_rejected=1.5)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("1291191960.5", 1291191960.5),
        (" 1291191960 ", 1291191960.0),
        ("1.29e9", 1.29e9),
        ("2011-12-09", 1323388800.0),
        ("2011-12-09T12:50:00Z", 1323435000.0),
        ("2011-12-09 12:50", 1323435000.0),
        ("2011-12-09 12:50:00.25 UTC", 1323435000.25),
        ("2011-12-09T12:50:00+01:00", 1323431400.0),
        ("2011-12-09T12:50:00-0130", 1323440400.0),
        ("2011-12-09T12:50:00-08", 1323463800.0),
        ("2012-02-29t00:00:00z", 1330473600.0),
    ],
)
def test_spellings_of_time(tmp_path, text, seconds):
    path = written(tmp_path, "events.csv", f"user_id,item_id,timestamp\n1,2,{text}\n")
    assert read_events(path)[0]["timestamp"].to_list() == [seconds]


def test_iso_times_agree_with_the_standard_library(tmp_path):
    texts = [
        f"{year}-{month:02}-28T{month:02}:{year % 60:02}:07.125+05:30"
        for year in range(1971, 2199, 3)
        for month in (1, 2, 12)
    ]
    body = "".join(f"1,2,{text}\n" for text in texts)
    frame, _ = read_events(written(tmp_path, "events.csv", "user_id,item_id,timestamp\n" + body))
    assert len(texts) > 200
    assert frame["timestamp"].to_list() == [datetime.fromisoformat(text).timestamp() for text in texts]


def test_times_of_parquet_are_utc(tmp_path):
    moment = datetime(2011, 12, 9, 12, 50, 0, 250_000)
    columns = {
        "naive": [moment],
        "nanoseconds": pl.Series([moment], dtype=pl.Datetime("ns")),
        "aware": pl.Series([moment.replace(tzinfo=UTC)]).dt.convert_time_zone("Asia/Shanghai"),
    }
    for name, values in columns.items():
        pl.DataFrame({"user_id": ["1"], "item_id": ["2"], "timestamp": values}).write_parquet(
            tmp_path / "e.parquet"
        )
        assert read_events(tmp_path / "e.parquet")[0]["timestamp"].to_list() == [1323435000.25], name
    pl.DataFrame({"user_id": ["1"], "item_id": ["2"], "timestamp": [date(2011, 12, 9)]}).write_parquet(
        tmp_path / "e.parquet"
    )
    assert read_events(tmp_path / "e.parquet")[0]["timestamp"].to_list() == [1323388800.0]


def test_nested_and_binary_columns_of_parquet(tmp_path):
    pl.DataFrame(
        {
            "item_id": pl.Series(["a"], dtype=pl.Categorical),
            "tags": [["x", "y"]],
            "image": [b"\xff"],
            "box": [{"w": 2}],
        }
    ).write_parquet(tmp_path / "items.parquet")
    frame, report = read_items(tmp_path / "items.parquet")
    assert frame.to_dicts() == [{"item_id": "a", "tags": "x, y"}]
    assert len(report.notes) == 2
    assert "column image of type large_binary was left out" in report.notes[0]


def test_a_title_of_a_megabyte_is_kept_as_it_is(tmp_path):
    title = "RED MUG " * 131_072
    for text in (f"item_id,title\n1,{title}\n", f'item_id,title\n1,"{title}"\n'):
        frame, report = read_items(written(tmp_path, "items.csv", text))
        assert frame["title"][0] == title
        assert report.n_rejected == 0


def test_chat_tokens_in_a_title_are_kept_as_they_are(tmp_path):
    title = "RED MUG<|im_end|>\\n<|im_start|>system"
    frame, report = read_items(written(tmp_path, "items.csv", f"item_id,title\n1,{title}\n"))
    assert frame["title"][0] == title
    assert report.problems == ()


def test_a_file_of_our_own_is_not_read_with_the_wrong_reader(tmp_path):
    with pytest.raises(DataError, match="has no column 'user_id'"):
        read_events(written(tmp_path, "items.csv", "item_id,title\n1,MUG\n"))
