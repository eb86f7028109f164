"""Rows a second and memory of reading and cleaning made-up events, beside plain polars.

    python benchmarks/reading.py --events 20000000

Each contender runs in a process of its own, one after the other, on the same file: polars.read_csv
with types inferred; reading alone (checked, with reasons for what is refused); and a whole Dataset
(read, cleaned by the default rules, indexed, sorted by time). The events are made up (Zipf-like items,
as many users as a fifteenth of the events, three event types, times over a year, out of order); they
are for time and memory and say nothing of quality.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
import psutil

from zhiyin.data import Dataset
from zhiyin.data.reading import EVENTS, TableReader

PIECE = 1_000_000
WAYS = ("polars", "read", "dataset")


def write_events(path: Path, n: int, seed: int, *, quoted: bool) -> None:
    """A CSV file of made-up events, written in pieces."""
    draw = np.random.default_rng(seed)
    n_users, n_items = max(n // 15, 10), max(n // 200, 10)
    with path.open("wb") as file:
        for start in range(0, n, PIECE):
            rows = min(PIECE, n - start)
            popular = (n_items * draw.random(rows) ** 3).astype(np.int64)
            frame = pl.DataFrame(
                {
                    "user_id": pl.Series(draw.integers(n_users, size=rows)).cast(pl.String).str.zfill(8),
                    "item_id": "sku-" + pl.Series(popular).cast(pl.String),
                    "timestamp": 1_700_000_000 + draw.integers(31_536_000, size=rows),
                    "event": draw.choice(["view", "cart", "purchase"], rows, p=[0.8, 0.15, 0.05]),
                    "quantity": draw.integers(1, 5, size=rows),
                }
            )
            frame.write_csv(
                file, include_header=start == 0, quote_style="non_numeric" if quoted else "necessary"
            )


def measure(way: str, path: Path) -> dict[str, float]:
    """Read the file in this process."""
    base = _peak_mb()
    start = time.perf_counter()
    if way == "polars":
        rows = pl.read_csv(path).height
    elif way == "read":
        reader = TableReader(path, EVENTS)
        rows = sum(frame.height for frame in reader)
        reader.report()
    else:
        rows = Dataset.from_files(path).n_events
    seconds = time.perf_counter() - start
    return {
        "rows": rows,
        "seconds": seconds,
        "rows_per_second": rows / seconds,
        "peak_mb": _peak_mb(),
        "base_mb": base,
    }


def _peak_mb() -> float:
    """High-water mark of this process (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def run(n: int, seed: int, repeats: int, quoted: bool) -> dict[str, object]:
    """All ways in turn, each in a fresh process; the fastest of ``repeats``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.csv"
        write_events(path, n, seed, quoted=quoted)
        found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(repeats):
            for way in WAYS:
                command = [sys.executable, __file__, "--measure", way, "--file", str(path)]
                answer = subprocess.run(command, check=True, capture_output=True, text=True)
                found[way].append(json.loads(answer.stdout))
        best = {way: min(runs, key=lambda run: run["seconds"]) for way, runs in found.items()}
        return {
            "events": n, "file_mb": path.stat().st_size / 2**20, "quoted": quoted, "repeats": repeats, **best,
            "read_to_polars": best["polars"]["seconds"] / best["read"]["seconds"],
            "dataset_to_polars": best["polars"]["seconds"] / best["dataset"]["seconds"],
        }  # fmt: skip


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--quoted", action="store_true", help="ids and types in quotation marks")
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.file)))
        return
    found = run(options.events, options.seed, options.repeats, options.quoted)
    machine = {"cpu": platform.processor() or platform.machine(), "cores": psutil.cpu_count()}
    about = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "seed": options.seed}
    print(json.dumps({**about, **found}, indent=1))


if __name__ == "__main__":
    main()
