"""Both clients against a server of its own process: the whole loop, refusals, patience."""

import asyncio
import inspect
import time

import pytest

import zhiyin as zy
from zhiyin.errors import InputError, ServerError
from zhiyin.store import Store


def test_the_loop(server):
    with zy.Client(server.url) as client:
        slate = client.recommend(["u1"], k=4)[0]
        assert len(slate.items) == 4 and slate.places[0].conditional > 0
        told = [{"slate": slate.id, "item": slate.items[0]}, {"slate": slate.id, "type": "seen"}]
        assert client.feedback(told) == ["added", "added"]
        assert client.events([{"user": "u1", "item": slate.items[0], "type": "view"}] * 2) == ["added"] * 2
        assert slate.items[0] not in client.recommend(["u1"], k=20)[0].items
        assert client.put_items([{"id": "a/b c", "title": "SILVER TROMBONE"}]) == 1
        assert client.recommend([None], text="trombone", k=1)[0].places[0].title
        assert "a/b c" in client.recommend([None], text="silver trombone", k=3)[0].items
        assert client.hide_items(["a/b c", "no"]) == ["no"]
        client.delete_item("a/b c")
        assert client.put_users([{"id": "u1", "attributes": {"city": "Graz"}}]) == 1
        assert client.describe("u1")["claims"]
        assert client.delete_user("u1") > 2
        assert client.describe("u1")["claims"] == []
    with Store.open(server.folder / "store.db") as store:
        assert len(store.feedback_of([slate.id])[slate.id]) == 2


def test_the_asynchronous_client_does_the_same(server):
    async def loop():
        async with zy.AsyncClient(server.url) as client:
            slates = await asyncio.gather(*(client.recommend([f"u{n}"], k=3) for n in range(20)))
            assert len({found[0].id for found in slates}) == 20
            slate = slates[0][0]
            assert await client.feedback([{"slate": slate.id, "item": slate.items[0]}]) == ["added"]
            assert await client.events([{"user": "w", "item": slate.items[0]}]) == ["added"]
            assert await client.put_items([{"id": "x1", "title": "BRASS TUBA"}]) == 1
            assert await client.hide_items(["x1"]) == []
            await client.delete_item("x1")
            assert await client.put_users([{"id": "w"}]) == 1
            assert (await client.describe("w"))["text"]
            assert await client.delete_user("w") == 1
            assert (await client.ready())["status"] == "ready"

    asyncio.run(loop())


def test_both_clients_offer_the_same():
    def face(kind):
        found = inspect.getmembers(kind, inspect.isfunction)
        return {
            name: list(inspect.signature(one).parameters) for name, one in found if not name.startswith("_")
        }

    assert face(zy.Client) == face(zy.AsyncClient)


def test_refusals_are_errors_that_explain(server):
    with zy.Client(server.url) as client:
        with pytest.raises(ServerError, match="less than or equal to 100"):
            client.recommend(["u1"], k=1000)
        with pytest.raises(InputError, match="one string"):
            client.recommend("u1")
        with pytest.raises(ServerError, match="No item"):
            client.delete_item("nothing")


def test_patience_ends():
    started = time.monotonic()
    with (
        zy.Client("http://127.0.0.1:9", patience=0.5) as client,
        pytest.raises(ServerError, match="did not answer"),
    ):
        client.recommend(["u1"])
    assert time.monotonic() - started < 5
