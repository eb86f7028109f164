"""What goes wrong outside: disk, database, clock, clients."""

import resource
import socket
import sqlite3
import time

import pytest
from sqlalchemy import event
from starlette.testclient import TestClient

from zhiyin.serve.app import create_app
from zhiyin.serve.client import Client
from zhiyin.serve.running import store_place
from zhiyin.serve.settings import ServeSettings
from zhiyin.store import Store

ASK = {"asks": [{"user": "u1"}], "k": 3}
EVENT = {"events": [{"user": "u1", "item": "0001", "key": "e1"}]}


def test_a_full_disk_is_a_503_and_then_heals(api, folder):
    """SQLite's own limit on pages stands for the disk's end: the same error, the same path."""
    with sqlite3.connect(folder / "store.db") as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    engine = api.app.state.parts.store._writer._engine
    limit = f"PRAGMA max_page_count={pages}"

    def stop(connection):
        connection.exec_driver_sql(limit)

    event.listen(engine, "begin", stop)
    refused = None
    for number in range(2000):
        answer = api.post(
            "/v1/events", json={"events": [{"user": "u1", "item": f"i{number}-{n}"} for n in range(50)]}
        )
        if answer.status_code != 200:
            refused = answer
            break
    assert refused is not None and refused.status_code == 503
    assert "full" in refused.json()["received"] and "space" in refused.json()["hint"]
    assert refused.headers["retry-after"]
    event.remove(engine, "begin", stop)
    assert api.post("/v1/events", json=EVENT).json()["receipts"][0]["status"] == "added"
    assert api.get("/health/live").status_code == 200


def test_a_locked_database_delays_and_then_tells(folder, monkeypatch):
    monkeypatch.setattr("zhiyin.store.engine.BUSY_SECONDS", 0.3)
    settings = ServeSettings()
    with TestClient(create_app(folder, store_place(folder, settings), settings)) as api:
        holder = sqlite3.connect(folder / "store.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        answer = api.post("/v1/events", json=EVENT)
        assert answer.status_code == 503 and "locked" in answer.json()["received"]
        assert api.get("/v1/users/u1/description").status_code == 200  # reading goes on
        holder.execute("ROLLBACK")
        holder.close()
        assert api.post("/v1/events", json=EVENT).json()["receipts"][0]["status"] == "added"


@pytest.mark.parametrize("now", [0.0, 4e9])
def test_a_clock_that_jumps_changes_no_answer(api, monkeypatch, now):
    with_clock = api.post("/v1/recommend", json=ASK)
    monkeypatch.setattr("zhiyin.serve.answering.time.time", lambda: now)
    answer = api.post("/v1/recommend", json=ASK)
    assert with_clock.status_code == answer.status_code == 200
    assert len(answer.json()["slates"][0]["places"]) == 3


def test_a_store_that_vanishes_makes_the_server_unready(folder):
    settings = ServeSettings()
    with TestClient(create_app(folder, store_place(folder, settings), settings)) as api:
        api.app.state.parts.store._reader.dispose()
        for path in folder.glob("store.db*"):
            path.unlink()
        assert api.get("/health/ready").status_code == 503
        answer = api.post("/v1/recommend", json=ASK)
        assert answer.status_code == 503 and answer.json()["hint"]


def test_a_huge_body_is_refused_early(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {100 << 20}\r\n\r\n".encode() + b"x" * 1000)
        assert b" 413 " in connection.recv(4096)


def test_a_slow_client_is_given_up(quick_folder, start):
    server = start(quick_folder, "--set", "body_seconds=0.5")
    server.wait()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        started = time.monotonic()
        assert b" 408 " in connection.recv(4096)
        assert time.monotonic() - started < 5
    with Client(server.url) as client:
        assert client.ready()["status"] == "ready"


def test_a_thousand_idle_connections_stop_nobody(server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1200:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    idle = []
    try:
        for _ in range(1000):
            idle.append(socket.create_connection(("127.0.0.1", server.port), timeout=10))
        with Client(server.url, patience=20) as client:
            assert all(client.recommend([f"u{n}"], k=3)[0].items for n in range(20))
    finally:
        for connection in idle:
            connection.close()


def test_a_stop_answers_what_is_open(quick_folder, start):
    """SIGTERM ends the server in time, with everything that was taken on disk."""
    server = start(quick_folder)
    server.wait()
    with Client(server.url) as client:
        client.events([{"user": "late", "item": "0001"}])
    started = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - started < 15
    with Store.open(quick_folder / "store.db") as store:
        assert len(store.histories(["late"], [None], types={}, weights={}).items) == 1
