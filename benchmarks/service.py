"""How fast a server answers without a language model, beside an empty endpoint of the same server.

Baseline and contender are two endpoints of one running server (one worker), loaded in turn by the same
generator: GET /health/live, which does nothing, and POST /v1/recommend for one known user, with retrieval,
diversity, exploration, and the decision committed before the answer. Prints one JSON object: throughput of
both and their ratio, CPU of the server's processes per request, latency at half load, growth of memory.
Bars: ratio >= 0.05, CPU <= 4 ms, p99 at half load <= 50 ms.

    python benchmarks/service.py                      # Online Retail
    python benchmarks/service.py --items 100000       # a made-up catalogue
    python benchmarks/service.py --requests 100000    # watch the memory for longer
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import psutil

from zhiyin.data import Dataset, cut_by_time, load_bundled
from zhiyin.logs import configure
from zhiyin.pipeline import Recommender

CONNECTIONS = 32
DAY = 86_400.0
WORDS = "red blue green white vintage small large wooden glass paper heart star tea garden kitchen".split()
THINGS = "mug plate lamp candle bag box clock mirror basket holder sign cushion bowl tray card".split()


class Connection(asyncio.Protocol):
    """One kept-alive connection; the answer's status and nothing else is read."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.done: asyncio.Future[int] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.data += data
        end = self.data.find(b"\r\n\r\n")
        if end < 0 or self.done is None:
            return
        head = bytes(self.data[:end]).lower()
        at = head.index(b"content-length:") + 15
        length = int(head[at : head.find(b"\r\n", at) if b"\r\n" in head[at:] else None])
        if len(self.data) >= end + 4 + length:
            status = int(self.data[9:12])
            self.data.clear()
            done, self.done = self.done, None
            done.set_result(status)

    async def ask(self, request: bytes) -> int:
        """Send one request and wait for the status."""
        self.done = asyncio.get_running_loop().create_future()
        self.transport.write(request)  # type: ignore[union-attr]
        return await self.done


class Load:
    """Sends requests over a fixed number of connections."""

    def __init__(self, port: int, users: list[str]) -> None:
        self.port, self.users = port, users
        self.rng = random.Random(7)
        self.failed = 0

    async def connect(self) -> list[Connection]:
        """Open the connections."""
        loop = asyncio.get_running_loop()
        made = [await loop.create_connection(Connection, "127.0.0.1", self.port) for _ in range(CONNECTIONS)]
        return [protocol for _, protocol in made]

    def empty(self) -> bytes:
        """A request for nothing."""
        return b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"

    def recommend(self) -> bytes:
        """A request for ten items for some user."""
        body = json.dumps({"asks": [{"user": self.rng.choice(self.users)}], "k": 10}).encode()
        head = "POST /v1/recommend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def closed(self, kind: str, seconds: float, limit: int = 10**9) -> tuple[int, float]:
        """Every connection asks again as soon as it has an answer: requests and seconds."""
        connections = await self.connect()
        make = getattr(self, kind)
        start = time.perf_counter()
        count = 0

        async def go(connection: Connection) -> None:
            nonlocal count
            while time.perf_counter() - start < seconds and count < limit:
                count += 1
                self.failed += await connection.ask(make()) != 200

        await asyncio.gather(*(go(one) for one in connections))
        spent = time.perf_counter() - start
        for one in connections:
            one.transport.close()  # type: ignore[union-attr]
        return count, spent

    async def opened(self, kind: str, rate: float, seconds: float) -> list[float]:
        """Requests at random moments of a given rate; latencies count from the moment each was due."""
        free = asyncio.Queue[Connection]()
        for one in await self.connect():
            free.put_nowait(one)
        make = getattr(self, kind)
        latencies: list[float] = []

        async def one(due: float) -> None:
            connection = await free.get()
            self.failed += await connection.ask(make()) != 200
            latencies.append(time.perf_counter() - due)
            free.put_nowait(connection)

        tasks = []
        due = start = time.perf_counter()
        while due - start < seconds:
            due += self.rng.expovariate(rate)
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(one(due)))
        await asyncio.gather(*tasks)
        return latencies


def made_up(n_items: int, seed: int) -> Dataset:
    """A large shop of two hundred tastes with 5,000 different titles; for speed only, never for quality."""
    rng = np.random.default_rng(seed)
    users, per_user = max(n_items // 5, 1000), 25
    titles = [f"{a} {b} {thing} {n}" for a in WORDS for b in WORDS for thing in THINGS for n in (1, 2)][:5000]
    taste = rng.integers(0, 200, users)
    item = (taste[:, None] * (n_items // 200) + rng.zipf(1.3, (users, per_user)) % (n_items // 200)) % n_items
    events = pl.DataFrame(
        {
            "user_id": np.repeat([f"u{n}" for n in range(users)], per_user),
            "item_id": [f"i{n}" for n in item.ravel()],
            "timestamp": 1.6e9 + np.sort(rng.uniform(0, 300, (users, per_user)), axis=1).ravel() * DAY,
        }
    )
    items = pl.DataFrame(
        {
            "item_id": [f"i{n}" for n in range(n_items)],
            "title": [titles[n % len(titles)] for n in range(n_items)],
        }
    )
    return Dataset.from_frames(events, items)


def start(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """A server of one worker, when it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "zhiyin", "serve", str(folder), "--port", str(port)], stderr=subprocess.DEVNULL
    )
    for _ in range(2400):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return process, port
        except OSError:
            time.sleep(0.25)
    raise SystemExit("The server did not start")


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The server's processes."""
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


def cpu(processes: list[psutil.Process]) -> float:
    """CPU seconds spent so far."""
    return sum(sum(one.cpu_times()[:2]) for one in processes)


def memory(processes: list[psutil.Process]) -> float:
    """Resident megabytes."""
    return sum(one.memory_info().rss for one in processes) / 1e6


async def measure(
    load: Load, processes: list[psutil.Process], options: argparse.Namespace
) -> dict[str, object]:
    """Throughput in turn, latency at half load, memory."""
    await load.closed("recommend", 3.0)
    rounds: dict[str, list[tuple[float, float]]] = {"empty": [], "recommend": []}
    for _ in range(options.repeats):
        for kind, found in rounds.items():
            before = cpu(processes)
            count, spent = await load.closed(kind, options.seconds)
            found.append((count / spent, (cpu(processes) - before) / count * 1000))
    rate = {kind: float(np.median([one[0] for one in found])) for kind, found in rounds.items()}
    spent = {kind: float(np.median([one[1] for one in found])) for kind, found in rounds.items()}
    latencies = np.array(await load.opened("recommend", rate["recommend"] / 2, options.seconds * 2)) * 1000
    await load.closed("recommend", 1e9, options.requests // 10)
    first = memory(processes)
    await load.closed("recommend", 1e9, options.requests)
    return {
        "requests_per_second": {kind: round(value, 1) for kind, value in rate.items()},
        "ratio": round(rate["recommend"] / rate["empty"], 4),
        "cpu_milliseconds": {kind: round(value, 3) for kind, value in spent.items()},
        "half_load_milliseconds": {
            f"p{q}": round(float(np.percentile(latencies, q)), 2) for q in (50, 95, 99)
        },
        "half_load_requests": len(latencies),
        "memory_megabytes": {"before": round(first, 1), "after": round(memory(processes), 1)},
        "memory_requests": options.requests,
        "failed": load.failed,
    }


def main() -> None:
    """Fit, serve, load, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=0, help="0: Online Retail; else a made-up catalogue")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of one round")
    parser.add_argument("--repeats", type=int, default=3, help="rounds of each endpoint, in turn")
    parser.add_argument("--requests", type=int, default=10_000, help="requests to watch the memory for")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    configure(level="error")
    dataset = made_up(options.items, options.seed) if options.items else load_bundled("online-retail")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "model"
        train, valid = cut_by_time(dataset, 0.1)
        Recommender.from_recipe("retail", {"stages.rank.method": "none"}).fit(train, valid).save(place)
        process, port = start(place)
        try:
            found = asyncio.run(measure(Load(port, list(dataset.user_ids)), family(process), options))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
    machine = {"cpu": platform.processor() or platform.machine(), "cores": psutil.cpu_count()}
    about = {"items": dataset.n_items, "users": dataset.n_users, "events": dataset.n_events}
    print(json.dumps({"date": time.strftime("%Y-%m-%d"), "machine": machine, **about, **found}, indent=1))


if __name__ == "__main__":
    main()
