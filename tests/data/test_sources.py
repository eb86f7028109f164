"""Queries, texts of users, vectors, triples, descriptions of data, and columns that are guessed."""

import json
import sqlite3

import numpy as np
import polars as pl
import pytest
import sqlalchemy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zhiyin.data import DataDescription, Dataset, Query, infer_schema
from zhiyin.data.reading import read_events, read_items, read_texts, read_vectors
from zhiyin.errors import ConfigError, DataError, InputError, MissingExtraError

SHOP = """
create table orders (CustomerID integer, StockCode text, bought text, qty integer, basket text);
insert into orders values
 (17850, '85123A', '2010-12-01 08:26:00', 6, 'A'), (17850, '0012', '2010-12-01 08:26:00', 1, 'A'),
 (13047, '85123A', '2010-12-02', 2, 'B'), (13047, null, '2010-12-03', 2, 'C');
create table products (StockCode text, name text, price real);
insert into products values ('85123A', 'HANGING HEART', 2.55), ('0012', 'RED MUG', 1.25);
"""
NAME = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
COLUMNS = {
    "user_id": "CustomerID", "item_id": "StockCode", "timestamp": "bought", "quantity": "qty",
    "session_id": "basket", "title": "name",
}  # fmt: skip


@pytest.fixture
def shop(tmp_path):
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(SHOP)
    connection.close()
    return f"sqlite:///{path}"


def test_tables_and_queries_are_read_like_files(shop):
    events = Query(shop, "select * from orders where qty > 0")
    data = Dataset.from_files(events, Query(shop, "products"), columns=COLUMNS, max_rejected=0.5)
    assert data.catalogue.ids == ("85123A", "0012")
    assert data.catalogue.titles == ("HANGING HEART", "RED MUG")
    assert data.user_ids == ("17850", "13047")
    assert data.events["quantity"].to_list() == [6.0, 1.0, 2.0]
    assert data.report.n_rejected == 1 and "row 4" in str(data.report.problems[0])


def test_a_query_cannot_write_and_its_errors_show_no_password(shop):
    for sql in ("delete from orders", "drop table orders"):
        with pytest.raises(DataError, match="refuses") as caught:
            read_events(Query(shop, sql))
        assert "readonly" in caught.value.received or "query_only" in caught.value.received
    assert read_events(Query(shop, "orders"), columns=COLUMNS, max_rejected=0.5)[0].height == 3
    with pytest.raises(DataError, match="syntax error"):
        read_events(Query(shop, "nothing here at all"))
    with pytest.raises(DataError, match="no such table"):
        read_events(Query(shop, "no_such_table"))
    with pytest.raises(DataError, match="no such database"):
        read_events(Query("sqlite:///nowhere.db", "x"))
    secret = Query("nonsense secret", "x")
    with pytest.raises(DataError) as caught:
        read_events(secret)
    assert "secret" not in str(caught.value) + repr(secret)
    with pytest.raises(MissingExtraError):
        read_events(Query("oracle://scott:tiger@host/db", "x"))


def test_postgresql_is_read_with_its_own_types(postgres):
    url = postgres()
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "create table log (u uuid, i bigint, t timestamptz, v numeric(4,1), kind text)"
        )
        connection.exec_driver_sql(
            "insert into log select '00000000-0000-0000-0000-00000000000a'::uuid, n, timestamptz "
            "'2020-01-01 00:00+00' + n * interval '1 hour', 4.5, 'view' from generate_series(1, 5) n"
        )
    engine.dispose()
    names = {"user_id": "u", "item_id": "i", "timestamp": "t", "value": "v", "event": "kind"}
    frame, _ = read_events(Query(url, "log"), columns=names)
    assert frame["user_id"].unique().to_list() == ["00000000-0000-0000-0000-00000000000a"]
    assert frame["item_id"].to_list() == ["1", "2", "3", "4", "5"]
    assert frame["timestamp"][0] == 1_577_836_800 + 3600 and frame["value"][0] == 4.5
    with pytest.raises(DataError, match="refuses"):
        read_events(Query(url, "delete from log returning *"))
    assert read_events(Query(url, "select * from log"), columns=names)[0].height == 5


def test_searches_and_comments_are_texts_of_users(tmp_path):
    (tmp_path / "e.csv").write_text(
        "user_id,item_id,timestamp,event,text\na,x,1,review,so red\na,,2,search,blue mug\n"
        "a,y,3,view,\nb,,4,search,\n"
    )
    (tmp_path / "t.csv").write_text("user_id,comment,timestamp,item_id\nc,I like tea,9,x\na,,9,x\n")
    data = Dataset.from_files(tmp_path / "e.csv", texts=tmp_path / "t.csv", max_rejected=0.5)
    assert data.n_events == 2 and data.user_ids == ("a", "c")
    assert data.report.counts == {"empty id": 1, "no text": 1}
    assert data.texts.select("user", "item", "timestamp", "event", "text").rows() == [
        (0, 0, 1.0, "review", "so red"),
        (0, -1, 2.0, "search", "blue mug"),
        (1, 0, 9.0, "text", "I like tea"),
    ]
    assert data.texts_of(np.array([0]))["text"].to_list() == ["so red", "blue mug"]
    (tmp_path / "saved").mkdir()
    data.save(tmp_path / "saved")
    assert Dataset.load(tmp_path / "saved").texts.equals(data.texts)
    with pytest.raises(DataError, match="No event names an item"):
        Dataset.from_frames(
            pl.DataFrame(
                {"user_id": ["a"], "item_id": [None], "text": ["x"]}, schema_overrides={"item_id": pl.String}
            )
        )
    frame, _ = read_texts(tmp_path / "t.csv", max_rejected=1.0)
    assert frame.columns == ["user_id", "timestamp", "text", "item_id"]


def write_vectors(path, **columns):
    pl.DataFrame(columns).write_parquet(path)
    return path


def test_vectors_are_joined_by_id(tmp_path):
    path = write_vectors(
        tmp_path / "images.parquet", item_id=["y", "x", "strange"], v=[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    )
    events = pl.DataFrame({"user_id": ["a"] * 3, "item_id": ["x", "y", "z"]})
    events.write_csv(tmp_path / "e.csv")
    data = Dataset.from_files(tmp_path / "e.csv", vectors=path)
    np.testing.assert_array_equal(data.vectors["images"], [[3, 4], [1, 2], [np.nan, np.nan]])
    assert data.vectors["images"].dtype == np.float32
    assert "vectors 'images': 1 items have none, 1 are of unknown items" in data.report.notes
    wide = write_vectors(tmp_path / "wide.parquet", item_id=[1, 2], a=[1, 2], b=[0.5, 0.25])
    ids, vectors = read_vectors(wide)
    assert ids == ["1", "2"] and vectors.tolist() == [[1, 0.5], [2, 0.25]]
    (tmp_path / "saved").mkdir()
    data.save(tmp_path / "saved")
    loaded = Dataset.load(tmp_path / "saved")
    np.testing.assert_array_equal(loaded.vectors["images"], data.vectors["images"])
    assert loaded.fingerprint == data.fingerprint


@pytest.mark.parametrize(
    ("columns", "word"),
    [
        ({"item": ["a"], "v": [[1.0]]}, "no column 'item_id'"),
        ({"item_id": ["a", "a"], "v": [[1.0], [2.0]]}, "repeated"),
        ({"item_id": ["a", None], "v": [[1.0], [2.0]]}, "has no id"),
        ({"item_id": [1.5, 2.0], "v": [[1.0], [2.0]]}, "neither text nor integers"),
        ({"item_id": ["a", "b"], "v": [[1.0], [2.0, 3.0]]}, "differ in length"),
        ({"item_id": ["a", "b"], "v": [[1.0], [float("nan")]]}, "not finite"),
        ({"item_id": ["a"], "v": ["text"]}, "no table of vectors"),
        ({"item_id": ["a"]}, "no table of vectors"),
    ],
)
def test_vectors_that_are_none(tmp_path, columns, word):
    with pytest.raises(DataError, match=r"v\.parquet") as caught:
        read_vectors(write_vectors(tmp_path / "v.parquet", **columns))
    assert word in caught.value.message and caught.value.hint
    with pytest.raises(DataError, match="does not exist"):
        read_vectors(tmp_path / "none.parquet")
    (tmp_path / "v.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_vectors(tmp_path / "v.parquet")


def test_vectors_of_another_shop_are_refused():
    events = pl.DataFrame({"user_id": ["a"], "item_id": ["x"]})
    with pytest.raises(DataError, match="belong to other items"):
        Dataset.from_frames(events, vectors={"v": (["1", "2"], np.ones((2, 3), np.float32))})


def test_triples_name_items_by_id_or_title(tmp_path):
    (tmp_path / "g.csv").write_text(
        "head,relation,tail,source\nx,made by,Acme,shop\nred mug,goes with,y,editors\n"
        "Acme,based in,Leeds,web\n"
    )
    (tmp_path / "e.csv").write_text("user_id,item_id\na,x\na,y\n")
    (tmp_path / "i.csv").write_text("item_id,title\nx,RED MUG\ny,TEAPOT\n")
    data = Dataset.from_files(tmp_path / "e.csv", tmp_path / "i.csv", triples=tmp_path / "g.csv")
    assert data.triples.select("head_item", "tail_item").rows() == [(0, -1), (0, 1), (-1, -1)]
    assert data.triples["source"].to_list() == ["shop", "editors", "web"]


def test_a_description_says_it_all(tmp_path, shop, monkeypatch):
    (tmp_path / "data.toml").write_text(
        "events = 'o.csv'\nitems = 'i.csv'\ndelimiter = ';'\ndates = 'dmy'\n"
        "[columns]\nuser_id = 'who'\n[columns.items]\ntitle = 'name'\n[cleaning]\nreturns = false\n"
    )
    (tmp_path / "o.csv").write_text("who;item_id;timestamp;quantity\na;x;31/12/2011;-1\n")
    (tmp_path / "i.csv").write_text("item_id;name\nx;MUG\n")
    told = DataDescription.read(tmp_path / "data.toml")
    data = told.dataset(tmp_path)
    assert (data.n_events, data.catalogue.titles) == (1, ("MUG",))
    told.write(tmp_path / "again.toml")
    assert DataDescription.read(tmp_path / "again.toml") == told
    monkeypatch.setenv("SHOP_DB", shop)
    asked = DataDescription(
        events="orders", items="products", sql="env:SHOP_DB", columns=COLUMNS, max_rejected=0.5
    )
    assert asked.dataset().n_events == 3
    monkeypatch.delenv("SHOP_DB")
    with pytest.raises(ConfigError, match="SHOP_DB is not set"):
        asked.dataset()
    (tmp_path / "bad.toml").write_text("event = 'o.csv'\n")
    with pytest.raises(ConfigError, match=r"bad\.toml"):
        DataDescription.read(tmp_path / "bad.toml")


@given(st.dictionaries(NAME, NAME, max_size=4))
@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_description_survives_writing(tmp_path, columns):
    columns = {
        name.encode("utf-8", "replace").decode(): value.encode("utf-8", "replace").decode()
        for name, value in columns.items()
    }
    told = DataDescription(events="e.csv", columns=columns, cleaning={"bots": {"gaps": 9}, "returns": False})
    told.write(tmp_path / "d.toml")
    assert DataDescription.read(tmp_path / "d.toml") == told


def guess(tmp_path, text, kind="events", name="file.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return infer_schema(path, kind)


def test_columns_are_guessed_from_names_and_cells(tmp_path):
    schema = guess(tmp_path, "InvoiceNo;StockCode;InvoiceDate;CustomerID\n1;85A;13/12/2010 8:26;17850\n")
    assert schema.columns == {
        "user_id": "CustomerID", "item_id": "StockCode", "timestamp": "InvoiceDate",
        "session_id": "InvoiceNo",
    }  # fmt: skip
    assert (schema.delimiter, schema.dates, schema.certain) == (";", "dmy", True)
    assert guess(tmp_path, "user_id,item_id,date\na,b,12/13/2010\n").dates == "mdy"
    unsure = guess(tmp_path, "user_id,item_id,date\na,b,1/2/2010\n")
    assert unsure.dates is None and not unsure.certain and "say which" in unsure.summary()
    chinese = guess(tmp_path, "用户ID,商品编号,行为类型,时间\n1,a,点击,2023/1/5 12:00\n")
    assert chinese.columns == {
        "user_id": "用户ID",
        "item_id": "商品编号",
        "event": "行为类型",
        "timestamp": "时间",
    }
    items = guess(tmp_path, "asin\tproduct_name\tlist price\tbrand\nA1\tMUG\t$3.50\tAcme\n", "items", "i.tsv")
    assert items.columns == {"item_id": "asin", "title": "product_name", "price": "list price"}
    assert items.unused == ("brand",) and "kept as attributes: brand" in items.summary()


def test_what_does_not_fit_is_not_guessed(tmp_path):
    schema = guess(tmp_path, "user_id,item_id,time,rating\na,b,soon,great\n")
    assert (schema.columns == {} and schema.unused == ("rating", "time")) or set(schema.unused) == {
        "time",
        "rating",
    }
    assert guess(tmp_path, "x,y\n1,2\n").missing == ("user_id", "item_id")
    repeated = guess(tmp_path, "product,name\na,MUG\na,CUP\n", "items")
    assert repeated.missing == ("item_id",)
    lines = [{"customer": "a", "sku": "b", "when": 1.0}]
    (tmp_path / "e.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert infer_schema(tmp_path / "e.jsonl", "events").columns["item_id"] == "sku"


def test_dates_must_be_told(tmp_path):
    (tmp_path / "e.csv").write_text("user_id,item_id,timestamp\na,b,1/2/2010 8:05 PM\n")
    with pytest.raises(DataError, match="day or month first is not certain"):
        read_events(tmp_path / "e.csv")
    day, month = (read_events(tmp_path / "e.csv", dates=order)[0]["timestamp"][0] for order in ("dmy", "mdy"))
    assert day - month == 30 * 86_400  # 1 February against 2 January
    with pytest.raises(InputError, match="dates is unknown"):
        read_events(tmp_path / "e.csv", dates="ydm")


CELL = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
    .map(str.strip)
    .filter(bool)
)
ROWS = st.lists(
    st.tuples(CELL, CELL, st.integers(0, 4_000_000_000), st.one_of(st.none(), st.floats(-1e9, 1e9))),
    min_size=1, max_size=8,
)  # fmt: skip


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, st.sampled_from(["csv", "parquet", "jsonl"]))
def test_what_is_written_is_read_and_written_again(tmp_path, rows, kind):
    schema = {"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Float64, "value": pl.Float64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    path = tmp_path / f"e.{kind}"
    for _ in range(2):
        if kind == "csv":
            frame.write_csv(path, quote_style="always")
        elif kind == "parquet":
            frame.write_parquet(path)
        else:
            frame.write_ndjson(path)
        found, report = read_events(path)
        assert found.select(frame.columns).equals(frame) and report.n_rejected == 0
        frame = found.select(frame.columns)


def test_items_may_come_from_a_query_too(shop):
    frame, _ = read_items(Query(shop, "products"), columns={"item_id": "StockCode"})
    assert frame["price"].to_list() == [2.55, 1.25]


def test_whole_dates_are_dates_and_places_are_no_times(tmp_path):
    (tmp_path / "e.csv").write_text(
        "user_id,item_id,timestamp\na,x,20111209\na,y,20111209125000\na,z,1323388800\n"
    )
    frame, report = read_events(tmp_path / "e.csv")
    assert frame["timestamp"].to_list() == [1_323_388_800.0, 1_323_435_000.0, 1_323_388_800.0]
    assert report.counts == {"whole dates, read as year, month and day": 2}
    schema = guess(tmp_path, "user_id,item_id,timestamp\na,b,7\na,c,8\n")
    assert "timestamp" not in [one.ours for one in schema.guesses]
    assert "timestamp has the name, but its cells are something else: '7', '8'" in schema.doubts[0]


def test_guesses_are_not_loose(tmp_path):
    odd = guess(
        tmp_path,
        "user_id,item_id,OrderStatus,Weight,birth_date,type_of_device\na,b,sent,3,2000-01-01,phone\n",
    )
    assert [one.ours for one in odd.guesses] == ["user_id", "item_id"]
    items = guess(tmp_path, "id,name,price\n1,MUG,2\n2,CUP,3\n", "items")
    assert items.columns == {"item_id": "id", "title": "name"}
    assert "item_id" not in guess(tmp_path, "id,user_id,product_id\n1,2,3\n").columns.values()
    assert guess(tmp_path, "id,user_id,product_id\n1,2,3\n").columns == {"item_id": "product_id"}
    (tmp_path / "mac.csv").write_bytes(b"user_id,item_id\ra,b\r")
    assert infer_schema(tmp_path / "mac.csv", "events").certain
    told = infer_schema(tmp_path / "file.csv", "events", columns={"item_id": "id", "value": "nowhere"})
    assert told.columns == {"item_id": "id"} and told.unused == ("product_id",)


def test_keys_that_nothing_uses_are_told(tmp_path):
    (tmp_path / "e.csv").write_text("user_id,item_id,kind,timestamp\na,x,view,1\na,y,buy,2\n")
    (tmp_path / "t.csv").write_text("user_id,text\na,nice\n")
    columns = {"userid": "who", "event": "kind", "items.title": "name", "user_id": "nope"}
    data = Dataset.from_files(
        tmp_path / "e.csv", texts=tmp_path / "t.csv", columns=columns, event_weights={"bye": 1.0}
    )
    assert "columns that no file has, passed over: userid, items.title, user_id" in data.report.notes
    assert "event_weights name types that no event has: bye" in data.report.notes
    with pytest.raises(ConfigError, match="a table that there is not"):
        Dataset.from_files(tmp_path / "e.csv", columns={"item.title": "name"})
    with pytest.raises(InputError, match="No event is a sign of interest"):
        Dataset.from_files(
            tmp_path / "e.csv", columns={"event": "kind"}, event_weights={"view": 0, "buy": -1}
        )
    with pytest.raises(DataError, match="cleaning leaves nothing") as caught:
        rule = {"time-range": {"earliest": 1e9}}
        Dataset.from_files(tmp_path / "e.csv", columns={"event": "kind"}, cleaning=rule)
    assert "time-range 2" in caught.value.received


def test_tables_may_differ_in_delimiter_and_dates(tmp_path):
    (tmp_path / "e.csv").write_text("user_id;item_id;timestamp\na;x;31/12/2011\n")
    (tmp_path / "i.csv").write_text("item_id,available_from\nx,12/31/2010\n")
    told = DataDescription(
        events="e.csv", items="i.csv", delimiter={"events": ";"}, dates={"events": "dmy", "items": "mdy"}
    )
    data = told.dataset(tmp_path)
    assert data.events["timestamp"][0] - data.catalogue.available_from[0] == 365 * 86_400
    (tmp_path / "sub").mkdir()
    moved = told.model_copy(update={"vectors": {"v": "v.parquet"}}).moved(tmp_path, tmp_path / "sub")
    assert (moved.events, moved.vectors) == ("../e.csv", {"v": "../v.parquet"})
    beside = DataDescription(events="log", sql="sqlite:///shop.db").moved(tmp_path, tmp_path / "sub")
    assert beside.sql == f"sqlite:///{tmp_path}/shop.db"


def test_a_query_makes_no_files(shop, tmp_path):
    for sql in (f"attach database '{tmp_path}/evil.db' as evil", f"vacuum into '{tmp_path}/evil.db'"):
        with pytest.raises(DataError):
            read_events(Query(shop, sql))
    assert not (tmp_path / "evil.db").exists()
