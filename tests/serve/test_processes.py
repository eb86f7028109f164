"""Several worker processes over one store; and PostgreSQL under a server."""

from starlette.testclient import TestClient

from zhiyin.serve.app import create_app
from zhiyin.serve.client import Client
from zhiyin.serve.running import prepare
from zhiyin.serve.settings import ServeSettings
from zhiyin.store import Store


def test_two_workers_see_each_others_changes(quick_folder, start):
    server = start(quick_folder, "--workers", "2")
    server.wait()
    clients = [Client(server.url) for _ in range(6)]  # connections fall to either worker
    try:
        seen = []
        for number in range(30):
            item = clients[number % 6].recommend(["w"], k=1)[0].items[0]
            assert item not in seen
            seen.append(item)
            clients[(number + 1) % 6].events([{"user": "w", "item": item}])
            if len(seen) == 20:
                break
        clients[0].hide_items([f"{number:04d}" for number in range(12)])
        for client in clients:
            shown = client.recommend(["someone"], k=20)[0].items
            assert shown and not set(shown) & {f"{number:04d}" for number in range(12)}
        measured = clients[0]._http.get("/metrics").text
        total = sum(
            float(line.rsplit(" ", 1)[1])
            for line in measured.splitlines()
            if line.startswith('zhiyin_requests_total{path="/v1/recommend"')
        )
        assert total == 26
    finally:
        for client in clients:
            client.close()


def test_the_loop_over_postgresql(quick_folder, postgres):
    place = postgres()
    prepare(quick_folder, place)
    with TestClient(create_app(quick_folder, place, ServeSettings())) as api:
        found = api.post("/v1/recommend", json={"asks": [{"user": "u1"}], "k": 2}).json()
        slate = found["slates"][0]
        told = {"feedback": [{"key": "k", "slate": slate["slate"], "item": slate["places"][0]["item"]}]}
        assert api.post("/v1/feedback", json=told).json()["receipts"][0]["status"] == "added"
        api.post("/v1/items/hide", json={"ids": [slate["places"][0]["item"]]})
        again = api.post("/v1/recommend", json={"asks": [{"user": "u1"}], "k": 20}).json()
        shown = [one["item"] for one in again["slates"][0]["places"]]
        assert slate["places"][0]["item"] not in shown
    with Store.open(place) as store:
        assert store.backend.startswith("postgresql")
        assert store.counts()["decisions"] == 2 and store.counts()["unmatched_feedback"] == 0
