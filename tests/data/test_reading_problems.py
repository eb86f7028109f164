"""Bad files: one clear report with file, line, expected, received and remedy; nothing is lost."""

import gzip
import json

import polars as pl
import pytest

from zhiyin.data.reading import read_events, read_items, read_users
from zhiyin.data.reading.problems import EXAMPLES, RejectedRowsError
from zhiyin.errors import ArtifactError, DataError

HEADER = "user_id,item_id,timestamp\n"


def written(folder, content, name="events.csv"):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(path, read=read_events, **options):
    with pytest.raises(DataError) as caught:
        read(path, **options)
    error = caught.value
    assert error.message.startswith((path.name, str(path)))
    assert error.expected and error.received and error.hint
    return error


def good_rows(number, start=0):
    return "".join(f"u{row},i{row},{1_291_191_960 + row}\n" for row in range(start, start + number))


def only_problem(path, read=read_events, **options):
    """The one problem of a file that is read all the same; the bad row is kept aside."""
    frame, report = read(path, max_rejected=1.0, **options)
    assert len(report.problems) == 1, report.summary()
    problem = report.problems[0]
    assert problem.file == path.name
    assert report.counts == {problem.kind: 1}
    assert frame.height + report.n_rejected == report.n_rows
    assert report.n_rejected == (problem.severity == "rejected")
    if report.n_rejected:
        assert report.rejected_rows["line"].to_list() == [problem.line]
    return problem


# Files that cannot be used as a whole.


def test_missing_column(tmp_path):
    error = refused(written(tmp_path, "CustomerID,stock_code,timestamp\n1,2,3\n"))
    assert error.message == "events.csv has no column 'user_id', 'item_id'"
    assert error.received == "CustomerID, stock_code, timestamp"
    assert "Pass columns={'user_id': 'CustomerID'" in error.hint
    assert "Nearest to 'user_id': CustomerID." in error.hint


def test_mapped_column_that_is_not_there(tmp_path):
    path = written(tmp_path, "user_id,item_id,When\n1,2,3\n")
    error = refused(path, columns={"timestamp": "When?"})
    assert error.message == "events.csv has no column 'When?'"
    assert "Pass columns={'timestamp': 'When'}" in error.hint


@pytest.mark.parametrize(("char", "spoken"), [(";", "a semicolon"), ("\t", "a tab"), ("|", "a vertical bar")])
def test_wrong_delimiter(tmp_path, char, spoken):
    error = refused(written(tmp_path, f"user_id{char}item_id\n1{char}2\n"))
    assert error.message == f"events.csv, line 1: the columns look separated by {spoken}"
    assert error.expected == "columns separated by a comma"
    assert error.received == f"one column called {f'user_id{char}item_id'!r}"
    assert f"delimiter={char!r}" in error.hint


def test_a_tsv_file_that_has_commas(tmp_path):
    error = refused(written(tmp_path, "user_id,item_id\n1,2\n", "events.tsv"))
    assert error.expected == "columns separated by a tab"


@pytest.mark.parametrize("name", ["events.csv", "events.tsv", "events.jsonl"])
@pytest.mark.parametrize("content", [b"", b"\n \r\n", b"\xef\xbb\xbf"])
def test_empty_file(tmp_path, name, content):
    error = refused(written(tmp_path, content, name))
    assert error.message == f"{name} is empty"
    assert error.hint == "Export the file again."


def test_empty_compressed_file(tmp_path):
    assert refused(written(tmp_path, gzip.compress(b""), "e.csv.gz")).message == "e.csv.gz is empty"


@pytest.mark.parametrize("content", [HEADER, HEADER.rstrip(), '"user_id","item_id"\r\n', HEADER + "\n\n"])
def test_header_only(tmp_path, content):
    error = refused(written(tmp_path, content))
    assert error.message == "events.csv has a header and no rows"
    assert error.received == "0 rows"


def test_parquet_without_rows(tmp_path):
    schema = {"user_id": pl.String, "item_id": pl.String}
    pl.DataFrame(schema=schema).write_parquet(tmp_path / "e.parquet")
    assert refused(tmp_path / "e.parquet").received == "0 rows"


def test_column_names_that_repeat(tmp_path):
    error = refused(written(tmp_path, "user_id,item_id, user_id\n1,2,3\n"))
    assert error.message == "events.csv, line 1: a column occurs twice"
    assert error.received == "user_id"


def test_header_with_a_stray_quotation_mark(tmp_path):
    error = refused(written(tmp_path, 'user_id,"item_id"x\n1,2\n'))
    assert error.message == "events.csv, line 1: the header has a stray quotation mark"


def test_header_that_is_not_utf8(tmp_path):
    error = refused(written(tmp_path, b"user_id,item_id,pr\xe9nom\n1,2,3\n"))
    assert error.message == "events.csv, line 1: a column's name cannot be read"
    assert "UTF-8" in error.hint


def test_utf16_is_recognised(tmp_path):
    for encoding in ("utf-16", "utf-16-le"):
        error = refused(written(tmp_path, (HEADER + good_rows(9)).encode(encoding)))
        assert error.message == "events.csv is not what its name says"
        assert error.received == "text in UTF-16, or a binary file"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (gzip.compress(b"a", mtime=0), "a gzip file"),
        (b"PK\x03\x04", "a zip or Excel file"),
        (b"PAR1", "a Parquet file"),
    ],
)
def test_another_format_under_our_name(tmp_path, content, what):
    assert refused(written(tmp_path, content)).received == what


def test_unknown_format(tmp_path):
    error = refused(written(tmp_path, "x", "events.xlsx"))
    assert error.message == "events.xlsx has a format that cannot be read"
    assert error.received == ".xlsx"
    assert ".csv.gz" in error.expected


def test_path_that_does_not_exist(tmp_path):
    written(tmp_path, HEADER, "events.csv.gz")
    error = refused(tmp_path / "event.csv.gz")
    assert error.message.endswith("event.csv.gz does not exist")
    assert error.hint == f"Did you mean {str(tmp_path / 'events.csv.gz')!r}?"
    assert "does not exist either" in refused(tmp_path / "nowhere" / "events.csv").hint
    assert refused(tmp_path).message == f"{tmp_path} is a folder"


def test_damaged_gzip(tmp_path):
    data = bytearray(gzip.compress((HEADER + good_rows(500)).encode()))
    for damaged in (data[:-20], data[:200], b"not gzip", bytes(data[:300]) + b"\0\0" + bytes(data[302:])):
        error = refused(written(tmp_path, bytes(damaged), "events.csv.gz"))
        assert error.message == "events.csv.gz is damaged"
        assert error.expected == "a complete gzip file"


def test_damaged_parquet(tmp_path):
    path = tmp_path / "events.parquet"
    pl.DataFrame({"user_id": ["a"] * 99, "item_id": ["b"] * 99}).write_parquet(path)
    data = path.read_bytes()
    for damaged in (
        b"",
        b"PAR1",
        data[:-9],
        data[20:],
        data[:4] + bytes(60) + data[64:],
        data.replace(b"user", b"\xff\xfe\xfd\xfc"),
    ):
        path.write_bytes(damaged)
        error = refused(path)
        assert error.message == "events.parquet is damaged"
        assert error.expected == "a complete Parquet file"


@pytest.mark.parametrize("ids", [[1.0, 2.0], [True, False], [b"a", b"b"], [["a"], ["b"]]])
def test_parquet_ids_without_a_certain_spelling(tmp_path, ids):
    path = tmp_path / "events.parquet"
    pl.DataFrame({"user_id": ids, "item_id": ["a", "b"]}).write_parquet(path)
    error = refused(path)
    assert error.message.startswith("events.parquet, column user_id: ids of type")
    assert error.expected == "text or integers"
    assert "as text" in error.hint


def test_json_that_is_no_lines(tmp_path):
    error = refused(written(tmp_path, '[\n{"user_id": 1,\n"item_id": 2}\n]', "e.jsonl"))
    assert error.message == "e.jsonl holds no usable JSON object"
    assert error.expected == "one JSON object a line"


def test_keys_that_are_values(tmp_path):
    rows = "".join(json.dumps({"item_id": str(row), f"k{row}": "x"}) + "\n" for row in range(1_500))
    error = refused(written(tmp_path, rows, "e.jsonl"), read_items)
    assert error.message == "e.jsonl has too many different keys"


# Rows that are kept aside.


@pytest.mark.parametrize(
    ("cell", "kind", "expected"),
    [
        ("nan", "time is not finite", "a finite number of seconds"),
        ("inf", "time is not finite", "a finite number of seconds"),
        ("1e400", "time is not finite", "a finite number of seconds"),
        ("-5", "time is negative", "a time from 1970 on"),
        ("-1291191960000", "time is negative", "a time from 1970 on"),
        ("1969-12-31", "time is negative", "a time from 1970 on"),
        ("soon", "not a time", "seconds since 1970 or an ISO 8601 time"),
        ("2011-02-30", "not a time", "seconds since 1970 or an ISO 8601 time"),
        ("2011-12-09T24:30", "not a time", "seconds since 1970 or an ISO 8601 time"),
        ("09/12/2011", "day or month first is not certain", "seconds since 1970 or an ISO 8601 time"),
        ("7258118400", "time is after the year 2200", "seconds since 1970, or milliseconds"),
        ("1291191960000000", "time is after the year 2200", "seconds since 1970, or milliseconds"),
        ("", "no time", "seconds since 1970 or an ISO 8601 time"),
        ("  ", "no time", "seconds since 1970 or an ISO 8601 time"),
    ],
)
def test_bad_times(tmp_path, cell, kind, expected):
    path = written(tmp_path, HEADER + good_rows(2) + f"a,b,{cell}\n" + good_rows(2, 2))
    problem = only_problem(path)
    assert (problem.kind, problem.line, problem.column) == (kind, 4, "timestamp")
    assert problem.expected == expected
    assert problem.received == (repr(cell) if cell else "an empty cell")
    assert problem.remedy
    assert f"events.csv, line 4, column timestamp: {kind}; expected {expected}" in str(problem)
    assert read_events(path, max_rejected=1.0)[0]["timestamp"].null_count() == 0


def test_microseconds_are_explained(tmp_path):
    rows = "".join(f"u{row},i{row},129119196{row}000000\n" for row in range(9))
    error = refused(written(tmp_path, HEADER + rows))
    assert "mostly: time is after the year 2200" in error.message
    assert "Divide microseconds by 1e6" in error.hint


def test_milliseconds_are_converted_with_a_note(tmp_path):
    rows = "u0,i0,1291191960\n" + "".join(f"u{row},i{row},129119196{row}500\n" for row in range(1, 4))
    frame, report = read_events(written(tmp_path, HEADER + rows))
    assert frame["timestamp"].to_list() == [1291191960.0, 1291191961.5, 1291191962.5, 1291191963.5]
    assert report.n_rejected == 0
    assert report.counts == {"milliseconds, read as seconds": 3}
    first = report.problems[0]
    assert (first.line, first.column, first.severity) == (3, "timestamp", "note")
    assert (first.expected, first.received) == ("seconds since 1970", "'1291191961500'")


def test_times_without_a_zone_are_noted(tmp_path):
    _, report = read_events(written(tmp_path, HEADER + "a,b,2011-12-09 12:50\n"))
    assert report.notes == ("events.csv: column timestamp: times without a zone were read as UTC",)


@pytest.mark.parametrize(
    ("row", "kind", "received"),
    [
        ("a,b", "too few cells", "2"),
        ("a,b,1,2", "too many cells", "4"),
        ('"a\nb",c', "too few cells", "2 (lines 4 to 5)"),
    ],
)
def test_ragged_rows(tmp_path, row, kind, received):
    path = written(tmp_path, HEADER + good_rows(2) + row + "\n" + good_rows(2, 2))
    problem = only_problem(path)
    assert (problem.kind, problem.line, problem.expected, problem.received) == (kind, 4, "3 cells", received)
    assert "quote a cell that contains ','" in problem.remedy
    report = read_events(path, max_rejected=1.0)[1]
    assert json.loads(report.rejected_rows["row"][0]) == row


def test_lines_are_counted_through_quoted_line_ends(tmp_path):
    text = 'item_id,title\n1,"two\nlines"\n\n2,"three\r\nmore\rlines"\n3,x,y\n4,z\n'
    problem = only_problem(written(tmp_path, text, "items.csv"), read_items)
    assert (problem.line, problem.kind) == (8, "too many cells")


@pytest.mark.parametrize("row", ['u,"a"b,5', 'u,"a,5', '"u,a,5'])
def test_a_stray_quotation_mark_loses_no_other_row(tmp_path, row):
    path = written(tmp_path, HEADER + good_rows(3) + row + "\n" + good_rows(50, 3))
    problem = only_problem(path)
    assert (problem.line, problem.kind, problem.received) == (5, "stray quotation mark", repr(row))
    assert read_events(path)[0].height == 53


def test_a_quote_that_swallows_the_next_rows_is_undone(tmp_path):
    path = written(tmp_path, HEADER + 'u,"a,5\n' + good_rows(30) + 'v,b",6\n')
    problem = only_problem(path)
    assert (problem.line, problem.kind) == (2, "stray quotation mark")
    assert read_events(path)[0].height == 31
    # In a column that may hold line ends the width of the first line tells.
    path = written(tmp_path, 'item_id,title,note\n1,"A,x\n2,B,x\n3,C,"y"\n', "items.csv")
    problem = only_problem(path, read_items)
    assert (problem.line, problem.kind) == (2, "stray quotation mark")


def test_hostile_quotes_take_linear_time_and_lose_nothing(tmp_path):
    # Each line ends inside a quote again: undoing each on its own would read the rest every time.
    path = written(tmp_path, HEADER + 'u,"a,1\n' + 'a",x,"b\n' * 30_000)
    frame, report = read_events(path, max_rejected=1.0)
    assert (frame.height, report.n_rejected, report.n_rows) == (0, 30_001, 30_001)


def test_bytes_that_are_not_utf8(tmp_path):
    path = written(tmp_path, (HEADER + good_rows(20)).encode() + b"caf\xe9,b,5\n" + b'"x\ny\xff",b,5\n')
    frame, report = read_events(path)
    assert frame.height == 20
    first, second = report.problems
    assert (first.line, first.kind, first.received) == (22, "not UTF-8", "byte 0xE9 after 'caf'")
    assert (second.line, second.received) == (24, "byte 0xFF after 'y'")
    assert "UTF-8" in first.remedy
    assert json.loads(report.rejected_rows["row"][0]) == "caf\\xe9,b,5"


def test_a_file_in_another_encoding_is_refused(tmp_path):
    rows = "".join(f"café{row},b,5\n" for row in range(9))
    error = refused(written(tmp_path, (HEADER + rows).encode("latin-1")))
    assert isinstance(error, RejectedRowsError)
    assert error.message == "events.csv: 9 of 9 rows cannot be used, mostly: not UTF-8"
    assert error.hint.startswith("Save the file again as UTF-8")
    assert "line 2" in str(error)


def test_nul_characters(tmp_path):
    problem = only_problem(written(tmp_path, HEADER + good_rows(2) + "a\0b,c,5\n"))
    assert (problem.line, problem.column, problem.kind) == (4, "user_id", "NUL character")
    assert problem.received == r"'a\x00b'"


def test_empty_ids(tmp_path):
    problem = only_problem(written(tmp_path, HEADER + good_rows(2) + " ,c,5\n"))
    assert (problem.line, problem.column, problem.kind, problem.received) == (4, "user_id", "empty id", "' '")


def test_ids_stay_as_spelled_but_for_white_space_around_them(tmp_path):
    rows = "0012,1e5,1\n12,100000,2\n 12\t,007,3\nNaN,1.0,4\n"
    frame, report = read_events(written(tmp_path, HEADER + rows))
    assert frame["user_id"].to_list() == ["0012", "12", "12", "NaN"]
    assert frame["item_id"].to_list() == ["1e5", "100000", "007", "1.0"]
    first, second = report.problems
    assert (first.line, first.kind, first.severity) == (4, "white space around the text, removed", "note")
    assert first.received == r"' 12\t'"
    assert (second.line, second.kind) == (5, "id is spelled like a missing value")


@pytest.mark.parametrize(("read", "column"), [(read_items, "item_id"), (read_users, "user_id")])
def test_ids_that_repeat(tmp_path, read, column):
    path = written(tmp_path, f"{column},title\n1,A\n2,B\n1,C\n2,B\n3,D\n")
    frame, report = read(path, max_rejected=0.5)
    assert frame.rows() == [("1", "A"), ("2", "B"), ("3", "D")]
    assert [problem.line for problem in report.problems] == [4, 5]
    problem = report.problems[0]
    assert (problem.column, problem.kind, problem.expected) == (column, "repeated id", "each id once")
    assert problem.received == "'1' again, first on line 2"
    assert problem.remedy == "The first was kept; remove the others."


def test_the_first_usable_row_of_an_id_counts(tmp_path):
    path = written(tmp_path, "item_id,available_from\n1,x\n1,2\n", "items.csv")
    frame, report = read_items(path, max_rejected=1.0)
    assert frame.rows() == [("1", 2.0)]
    assert report.counts == {"not a time": 1}


@pytest.mark.parametrize("cell", ["nan", "inf", '"3,50"', "three", "£3.50.1", "£"])
def test_numbers_that_are_none(tmp_path, cell):
    path = written(tmp_path, f"user_id,item_id,value\n1,2,3\n2,2,{cell}\n")
    problem = only_problem(path)
    assert (problem.line, problem.column, problem.kind) == (3, "value", "not a finite number")
    assert problem.received == repr(cell.strip('"'))


def test_an_unreadable_price_leaves_the_item(tmp_path):
    path = written(tmp_path, "item_id,title,price\n1,MUG,2\n2,TEAPOT,three\n", "items.csv")
    frame, report = read_items(path)
    assert frame.select("item_id", "title", "price").rows() == [("1", "MUG", 2.0), ("2", "TEAPOT", None)]
    assert report.counts == {"not a finite number, left empty": 1}
    assert (report.problems[0].line, report.problems[0].severity) == (3, "note")


def test_prices_as_people_write_them(tmp_path):
    rows = "".join(
        f'{row},"{cell}"\n' for row, cell in enumerate(["£3.50", "$1,299.00", "12 €", "￥88", "12元", "-5"])
    )
    frame, report = read_items(written(tmp_path, "item_id,price\n" + rows, "items.csv"))
    assert frame["price"].to_list() == [3.5, 1299.0, 12.0, 88.0, 12.0, -5.0]
    assert report.counts == {"currency or thousands signs, removed": 5}


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('{"user_id": 1.0, "item_id": "a"}', "an id is not text"),
        ('{"user_id": true, "item_id": "a"}', "an id is not text"),
        ('{"user_id": ["a"], "item_id": "a"}', "an id is not text"),
        ('{"user_id": "a", "user_id": "b"}', "a key occurs twice"),
        ('{"user_id": "a", "item_id": "\\ud800"}', "half a surrogate pair"),
        ('{"user_id": "a", "it\\u0000": "b"}', "a key cannot be read"),
        ('{"user_id": "a", ', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('["a", "b"]', "not an object"),
        ("{}", "not an object"),
        ("7", "not an object"),
    ],
)
def test_lines_that_are_no_records(tmp_path, line, kind):
    good = '{"user_id": 1, "item_id": "a"}\n'
    problem = only_problem(written(tmp_path, good + "\n" + line + "\n" + good, "e.jsonl"))
    assert (problem.line, problem.kind, problem.column) == (3, kind, None)
    assert problem.expected and problem.received and problem.remedy


def test_jsonl_bytes_and_missing_keys(tmp_path):
    good = b'{"user_id": 1, "item_id": "a"}\n'
    problem = only_problem(written(tmp_path, good + b'{"user_id": "\xff", "item_id": "a"}\n', "e.jsonl"))
    assert (problem.line, problem.kind, problem.received) == (2, "not UTF-8", "byte 0xFF at place 14")
    problem = only_problem(written(tmp_path, good + b'{"user_id": null, "item_id": "a"}\n', "e.jsonl"))
    assert (problem.line, problem.kind, problem.column) == (2, "empty id", "user_id")


def test_places_in_parquet_are_rows(tmp_path):
    path = tmp_path / "events.parquet"
    pl.DataFrame({"user_id": ["a", None], "item_id": ["a", "b"]}).write_parquet(path)
    problem = only_problem(path)
    assert str(problem).startswith("events.parquet, row 2, column user_id: empty id")


# The report.


def test_a_tenth_of_the_rows_may_be_bad_and_no_more(tmp_path):
    path = written(tmp_path, HEADER + good_rows(9) + "a,b,soon\n")
    assert read_events(path)[1].n_rejected == 1
    path = written(tmp_path, HEADER + good_rows(8) + "a,b,soon\n")
    error = refused(path)
    assert isinstance(error, RejectedRowsError)
    assert error.message == "events.csv: 1 of 9 rows cannot be used, mostly: not a time"
    assert error.expected == "at most 10% of the rows rejected"
    assert error.received == "11%"
    assert "max_rejected=1.0" in error.hint
    assert error.report.n_rejected == 1
    assert error.problems == error.report.problems
    assert read_events(path, max_rejected=0.2)[0].height == 8


def test_a_row_with_several_problems_is_one_rejected_row(tmp_path):
    path = written(tmp_path, HEADER + good_rows(9) + ",,soon\n")
    frame, report = read_events(path)
    assert (frame.height, report.n_rejected, report.n_rows) == (9, 1, 10)
    assert report.counts == {"empty id": 2, "not a time": 1}
    assert report.rejected_rows["reason"].to_list() == [
        "user_id: empty id; item_id: empty id; timestamp: not a time"
    ]


def test_counts_are_exact_and_examples_bounded(tmp_path):
    path = written(tmp_path, HEADER + "a,b,soon\n" * 500 + "a,b\n" * 300)
    _, report = read_events(path, max_rejected=1.0)
    assert report.counts == {"not a time": 500, "too few cells": 300}
    assert len(report.problems) == 2 * EXAMPLES
    assert report.n_rejected == report.rejected_rows.height == 800


def test_rejected_rows_are_written_out(tmp_path):
    path = written(tmp_path, HEADER + good_rows(30) + 'a,"b ""c""",soon\nd,e\n')
    _, report = read_events(path)
    report.write_rejected(tmp_path / "out" / "rejected.jsonl")
    lines = (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "file": "events.csv",
            "line": 32,
            "reason": "timestamp: not a time",
            "row": {"user_id": "a", "item_id": 'b "c"', "timestamp": "soon"},
        },
        {"file": "events.csv", "line": 33, "reason": "too few cells", "row": "d,e"},
    ]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["rejected.jsonl"]


def test_summary_and_dict(tmp_path):
    _, report = read_events(written(tmp_path, HEADER + good_rows(30) + "a,b,soon\n c,d,1291191960000\n"))
    assert report.summary().splitlines() == [
        "32 rows read, 1 rejected",
        "  1 x white space around the text, removed (kept); first: events.csv, line 33, column user_id: "
        "white space around the text, removed; expected text without white space around it, received ' c'. "
        "Nothing to do.",
        "  1 x not a time (rejected); first: events.csv, line 32, column timestamp: not a time; expected "
        "seconds since 1970 or an ISO 8601 time, received 'soon'. Write it as 2011-12-09T12:50:00Z.",
        "  1 x milliseconds, read as seconds (kept); first: events.csv, line 33, column timestamp: "
        "milliseconds, read as seconds; expected seconds since 1970, received '1291191960000'. "
        "Nothing to do: they were divided by 1000.",
    ]
    record = json.loads(json.dumps(report.to_dict()))
    assert (record["rows"], record["rejected"]) == (32, 1)
    assert record["problems"][0]["line"] == 32


def test_merged_reports_add_up(tmp_path):
    _, first = read_events(written(tmp_path, HEADER + good_rows(30) + "a,b,soon\n"))
    _, second = read_items(
        written(tmp_path, "item_id,available_from\n1,x\n2,3\n", "items.csv"), max_rejected=1.0
    )
    both = first.merge(second.with_note("hello"), first)
    assert (both.n_rows, both.n_rejected) == (64, 3)
    assert both.counts == {"not a time": 3}
    assert both.notes == ("hello",)
    assert both.rejected_rows["file"].to_list() == ["events.csv", "items.csv", "events.csv"]
    assert first.n_rows == 31


def test_a_disk_that_refuses_the_rejected_rows(tmp_path):
    _, report = read_events(written(tmp_path, HEADER + good_rows(30) + "a,b,soon\n"))
    blocked = written(tmp_path, "a file", "out") / "rejected.jsonl"
    with pytest.raises(ArtifactError, match="Could not write") as caught:
        report.write_rejected(blocked)
    assert caught.value.hint
