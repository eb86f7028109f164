"""Nothing acknowledged is lost: clients report while the server is killed again and again."""

import multiprocessing
import random
import time

import pytest

from zhiyin.serve.client import Client
from zhiyin.store import Store


def report(url, name, n, results):
    """Send n feedbacks one by one, with retries; tell which keys were acknowledged."""
    acknowledged = []
    with Client(url, patience=120) as client:
        for number in range(n):
            key = f"{name}-{number}"
            client.feedback([{"key": key, "slate": f"s{number % 7}", "item": "0001"}])
            acknowledged.append(key)
    results.put(acknowledged)


def storm(folder, start, *, clients, each, kills, pause):
    server = start(folder)
    server.wait()
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    workers = [
        context.Process(target=report, args=(server.url, name, each, results)) for name in range(clients)
    ]
    for worker in workers:
        worker.start()
    rng = random.Random(7)
    done = 0
    while done < kills and any(worker.is_alive() for worker in workers):
        time.sleep(rng.uniform(*pause))
        server.kill()
        server.start()
        server.wait()
        done += 1
    acknowledged = {key for _ in workers for key in results.get(timeout=600)}
    for worker in workers:
        worker.join()
    server.stop()
    with Store.open(folder / "store.db") as store:
        kept = [one.key for found in store.feedback_of([f"s{n}" for n in range(7)]).values() for one in found]
    assert done == kills, "the clients were done before the server was killed often enough"
    assert len(acknowledged) == clients * each
    assert len(kept) == len(set(kept)) and set(kept) == acknowledged


def test_feedback_survives_kills(quick_folder, start):
    storm(quick_folder, start, clients=3, each=400, kills=2, pause=(0.5, 1.0))


@pytest.mark.slow
def test_ten_thousand_feedbacks_of_eight_clients_survive_kills(quick_folder, start):
    storm(quick_folder, start, clients=8, each=1250, kills=6, pause=(0.5, 2.0))
