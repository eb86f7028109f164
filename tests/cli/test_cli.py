"""The command line as a person uses it: results, exit codes, and no traceback."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace
from unittest import mock

import polars as pl
import pytest

from zhiyin.cli import app

QUICK = ["--set", "stages.rank.method=none", "--set", "stages.retrieve.method=ease"]


def run(*arguments, code=0, env=None):
    """The command in this process, which saves it the start."""
    out, err, status, before = io.StringIO(), io.StringIO(), 0, signal.getsignal(signal.SIGTERM)
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.dict(os.environ, {"COLUMNS": "200", **(env or {})}),
        mock.patch.object(sys, "argv", ["zhiyin", *map(str, arguments)]),
    ):
        try:
            app.run()
        except SystemExit as stop:
            status = stop.code or 0
        finally:
            signal.signal(signal.SIGTERM, before)
    return checked(SimpleNamespace(returncode=status, stdout=out.getvalue(), stderr=err.getvalue()), code)


def started(*arguments, code=0):
    """The command as a process of its own."""
    command = [sys.executable, "-m", "zhiyin", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "200"}
    return checked(
        subprocess.run(command, capture_output=True, text=True, check=False, env=environment), code
    )


def checked(done, code):
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    return done


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    rows = ["user_id,item_id,timestamp"]
    for user in range(40):
        for step in range(6):
            rows.append(
                f"u{user:03d},i{(user * 7 + step * 3) % 25:03d},{1_600_000_000 + user * 500 + step * 90_000}"
            )
    (folder / "events.csv").write_text("\n".join(rows) + "\n")
    items = ["item_id,title,price"] + [f"i{item:03d},TITLE {item},{item}.5" for item in range(25)]
    (folder / "items.csv").write_text("\n".join(items) + "\n")
    return folder


@pytest.fixture(scope="module")
def fitted(files):
    out = files / "run"
    run("fit", files / "events.csv", files / "items.csv", "--out", out, *QUICK)
    return out


def test_fit_recommend_describe(fitted):
    found = json.loads(started("recommend", fitted, "u001", "nobody", "-k", 3, "--json").stdout)
    assert [row["user"] for row in found["rows"]] == ["u001"] * 3 + ["nobody"] * 3
    assert "TITLE" in run("recommend", fitted, "u001").stdout
    words = json.loads(run("describe", fitted, "u001", "--json").stdout)
    assert words["users"][0]["user"] == "u001" and words["users"][0]["claims"]
    assert "Nothing is known of" in run("describe", fitted, "nobody").stderr


def test_fit_twice_replaces_whole(files, fitted):
    summary = json.loads(
        run("fit", files / "events.csv", files / "items.csv", "--out", fitted, "--json", *QUICK).stdout
    )
    assert summary["events"] == 240 and summary["rejected"] == 0
    run("recommend", fitted, "u001")


def test_evaluate_prints_the_trivial_rules(files):
    out = json.loads(
        run("evaluate", files / "events.csv", files / "items.csv", "-k", 3, "--json", *QUICK).stdout
    )
    assert {"random", "popular", "recent-popular", "retrieved"} <= set(out["lists"])


@pytest.mark.parametrize("way", ["users", "last", "basket"])
def test_evaluate_splits_per_user(files, way):
    shares = ("--valid", 0.2, "--test", 0.2) if way in ("users", "time") else ()
    given = ("evaluate", files / "events.csv", "--split", way, *shares, "-k", 3, "--json", *QUICK)
    out = json.loads(run(*given).stdout)
    assert out["users"] >= 20 and out["about"]["zhiyin"]
    assert out["about"]["split"].startswith(way)
    assert list(out["about"]["files"]) == ["events.csv"]


def test_evaluate_takes_lists_of_others_and_writes_a_report(files, tmp_path):
    rows = [(f"u{user:03d}", f"i{item:03d}", item / 10) for user in range(40) for item in range(3)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "score"], orient="row")
    frame.write_parquet(tmp_path / "theirs.parquet")
    given = ("evaluate", files / "events.csv", files / "items.csv", "-k", 3, *QUICK)
    done = run(
        *given,
        "--json",
        "--lists",
        f"theirs={tmp_path / 'theirs.parquet'}",
        "--report",
        tmp_path / "page.html",
    )
    out = json.loads(done.stdout)
    assert "theirs" in out["lists"] and "groups" in out
    assert "<td>theirs</td>" in (tmp_path / "page.html").read_text("utf-8")
    assert "users have truth" in done.stderr
    for wrong, word in (
        ("theirs", "name=file.parquet"),
        (f"popular={tmp_path / 'theirs.parquet'}", "name of a rule"),
        ("theirs=no.parquet", "cannot be read"),
    ):
        assert word in run(*given, "--lists", wrong, code=2).stderr
    for wrong, word in (
        (("--baseline", "recent_popular"), "Did you mean 'recent-popular'?"),
        (("--report", files / "events.csv"), "is an input"),
        (("--report", tmp_path / "page.txt"), "another suffix"),
        (("--split", "last", "--test", 0.2), "has no shares"),
        (("-k", 100_000), "longer than the catalogue"),
    ):
        assert word in run(*given, *wrong, code=2).stderr


def test_a_terminated_command_ends_by_an_exception(files):
    command = [sys.executable, "-m", "zhiyin", "evaluate", "online-retail"]
    for seconds in (5, 20):  # on a slow machine it has not begun after the first
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, cwd=files) as process:
            time.sleep(seconds)
            process.terminate()
            process.communicate(timeout=60)
        if process.returncode != -signal.SIGTERM:
            break
    assert process.returncode == 143


BAD = {
    "wrong.csv": (b"user_id;item_id\n1;2\n", "delimiter"),
    "missing.csv": (b"user,thing\n1,2\n", "user_id"),
    "empty.csv": (b"", "empty"),
    "header.csv": (b"user_id,item_id\n", "header"),
    "latin.csv": ("user_id,item_id\nJosé,1\n".encode("latin-1"), "UTF-8"),
    "broken.csv.gz": (b"not gzip at all", "gzip"),
    "what.xlsx": (b"PK", ".csv"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_give_one_clear_error(tmp_path, name):
    content, word = BAD[name]
    (tmp_path / name).write_bytes(content)
    done = run("fit", tmp_path / name, "--out", tmp_path / "out", code=2)
    assert "Error" in done.stderr and name in done.stderr and word.lower() in done.stderr.lower()
    assert not (tmp_path / "out" / "current").exists()


def test_a_process_ends_with_its_error(tmp_path):
    done = started("fit", tmp_path / "none.csv", "--out", tmp_path / "out", code=2)
    assert "Error" in done.stderr and "none.csv" in done.stderr and not done.stdout


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["recommend", "no/such/folder", "u"], "holds no saved recommender"),
        (["fit", "no-such-file.csv"], "no-such-file.csv"),
        (["fit", "online-retail", "--recipe", "magic"], "No recipe is called"),
        (["fit", "online-retail", "--set", "seed"], "key=value"),
        (["fit", "online-retail", "--set", "seed=-4"], "seed"),
        (["evaluate", "online-retail", "--test", "2"], "shares"),
    ],
)
def test_bad_arguments_give_one_clear_error(arguments, word):
    assert word in run(*arguments, code=2).stderr


def test_a_damaged_run_is_refused(files, fitted, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(fitted, copy)
    version = copy / "versions" / (copy / "current").read_text().strip()
    (version / "events.parquet").write_bytes(b"damaged")
    assert "events.parquet has changed" in run("recommend", copy, "u001", code=2).stderr


def test_rejected_rows_are_kept(files, tmp_path):
    text = (files / "events.csv").read_text() + "u001,i001,-7\n,i001,1600000000\n"
    (tmp_path / "events.csv").write_text(text)
    done = run("fit", tmp_path / "events.csv", files / "items.csv", "--out", tmp_path / "run", *QUICK)
    assert "2 rejected" in done.stderr
    rows = [json.loads(line) for line in (tmp_path / "run" / "rejected.jsonl").read_text().splitlines()]
    assert [row["line"] for row in rows] == [242, 243]


def test_doctor_tells_where_values_come_from():
    found = json.loads(
        run("doctor", "--no-check", "--json", env={"ZHIYIN_SEED": "5", "ZHIYIN_SEEED": "5"}).stdout
    )
    settings = {row["name"]: row for row in found["settings"]}
    assert settings["seed"] == {"name": "seed", "value": "5", "note": "environment"}
    assert settings["encoder"]["note"] == "retail.toml"
    assert "no such setting" in settings["ZHIYIN_SEEED"]["note"]


def test_help_and_version_start_without_torch():
    assert "recommend" in started("--help").stdout
    assert started("--version").stdout.strip().count(".") == 2


def test_interrupting_is_clean(tmp_path):
    command = [sys.executable, "-m", "zhiyin", "fit", "online-retail", "--out", str(tmp_path / "run"), *QUICK]
    for seconds in (3, 9, 27):  # on a slow machine it has not begun after the first
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            time.sleep(seconds)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        if errors:
            break
    if process.returncode == 0:
        pytest.skip("it was faster than the signal")
    assert process.returncode == 130 and "Stopped" in errors and "Traceback" not in errors
    assert not (tmp_path / "run" / "current").exists()


def test_hints_name_options(tmp_path):
    cases = {"user,item_id\na,x\nb,y\n": "--column user_id=user", "user_id;item_id\na;x\n": "--delimiter ';'"}
    for text, option in cases.items():
        (tmp_path / "events.csv").write_text(text)
        done = run("fit", tmp_path / "events.csv", "--out", tmp_path / "run", code=2)
        assert option in done.stderr and "columns={" not in done.stderr


def test_assess_says_what_the_data_supports(files, tmp_path):
    given = ("assess", files / "events.csv", files / "items.csv")
    done = run(*given, "--report", tmp_path / "a.html", "--write", tmp_path / "data.toml")
    for heading in (
        "Data",
        "Risks",
        "Simple rules on this data",
        "What the data carries",
        "language model pay",
    ):
        assert heading in done.stdout
    assert "user_id <- user_id: the same name" in done.stderr
    assert "What the data carries" in (tmp_path / "a.html").read_text("utf-8")
    again = json.loads(run("assess", tmp_path / "data.toml", "--json").stdout)
    assert again["facts"]["users"] == 40 and again["facts"]["events"] == 240
    fitted = run("fit", tmp_path / "data.toml", "--out", tmp_path / "out", *QUICK)
    assert "Fitted on 240 events" in fitted.stderr
    assert (
        "describes the data alone"
        in run("assess", tmp_path / "data.toml", files / "items.csv", code=2).stderr
    )


def test_outputs_never_replace_inputs(files, tmp_path):
    orders = tmp_path / "orders.csv"
    orders.write_bytes((files / "events.csv").read_bytes())
    for option in ("--rejected", "--write", "--report"):
        assert "is an input" in run("assess", orders, option, orders, code=2).stderr
    assert "another suffix" in run("assess", orders, "--report", tmp_path / "a.csv", code=2).stderr
    assert orders.read_bytes() == (files / "events.csv").read_bytes()


def test_columns_are_guessed_and_confirmed(tmp_path):
    rows = [
        f"c{user};p{(user * 7 + step) % 9};{1 + step}/{13 + user % 9}/2011"
        for user in range(30)
        for step in range(6)
    ]
    (tmp_path / "orders.csv").write_text("Customer ID;SKU;Order Date\n" + "\n".join(rows) + "\n")
    refused = run("fit", tmp_path / "orders.csv", "--infer", "--out", tmp_path / "out", *QUICK, code=2).stderr
    assert "user_id <- Customer ID" in refused and "month/day/year" in refused and "not confirmed" in refused
    assert not (tmp_path / "out").exists()
    done = run("fit", tmp_path / "orders.csv", "--infer", "--yes", "--out", tmp_path / "out", *QUICK)
    assert "Fitted on 180 events" in done.stderr
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    assert "nothing looks like user_id" in run("assess", tmp_path / "odd.csv", code=2).stderr
    (tmp_path / "shop.csv").write_text("id,user_id,product_id,created_at\n7,a,x,1/2/2020\n8,a,y,1/3/2020\n")
    (tmp_path / "items.csv").write_text("code,id,name\n1,x,MUG\n2,y,CUP\n")
    given = ("assess", tmp_path / "shop.csv", tmp_path / "items.csv")
    assert "--dates dmy" in run(*given, code=2).stderr
    done = run(*given, "--dates", "mdy", "--column", "items.item_id=id", "--json")
    assert "item_id <- product_id" in done.stderr and "item_id <- id: as you say" in done.stderr
    assert json.loads(done.stdout)["facts"]["items_listed"] == 2
