"""How fast networks learn beside a straightforward loop, and how the cost grows; one JSON object.

The straightforward loop is the same model, loss and batch size written as most people write it: a Dataset of
torch with one sequence a user, padded to the full length, a DataLoader, and ``cross_entropy`` over the logits
of all items; "padded" with logits of pads, which are ignored by the loss, "picked" without. All take turns in
one process; what counts is seconds for the same number of predicted events. Memory is the peak of a process
of its own.

    python benchmarks/neural.py
    python benchmarks/neural.py --data made-up --skip growth
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

import zhiyin as zy
from zhiyin.data import Dataset
from zhiyin.errors import DataError
from zhiyin.logs import configure
from zhiyin.retrieve import make_retriever
from zhiyin.retrieve.neural.sequences import Batch
from zhiyin.testing.realdata import amazon_beauty

PLAIN = {"text": "none", "words": False, "gaps": False, "patience": 1000}
SEQUENCES = 128  # of a step of the straightforward loop, as papers have it
GROWTH = (1, 10, 100)


def made_up(scale: int) -> Dataset:
    """200 users with 20 events each and 300 items, all times ``scale``."""
    rng = np.random.default_rng(7)
    users = np.repeat(np.arange(200 * scale), 20)
    taken = (300 * scale * rng.random(len(users)) ** 2).astype(np.int64)
    times = np.tile(np.arange(20.0), 200 * scale) * 1e5
    frame = pl.DataFrame({"user_id": users, "item_id": taken, "timestamp": times})
    items = pl.DataFrame({"item_id": np.arange(300 * scale)})
    return Dataset.from_frames(frame, items)


class Plain(nn.Module):
    """An embedding an item and the same network over them."""

    def __init__(self, n_items: int, network: nn.Module) -> None:
        super().__init__()
        self.items = nn.Embedding(n_items + 1, network.situation.width, padding_idx=0)
        nn.init.normal_(self.items.weight, std=0.02)
        self.network = network

    def forward(self, items: Tensor, lengths: Tensor) -> Tensor:
        """Sequences [B, L], 0 pads on the right -> what is wanted after each place, [B, L, d]."""
        none = torch.empty(0)
        batch = Batch(items, none, none, none, lengths, none, none, none, none, none)
        return self.network(self.items(items), batch)


class PlainRows(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """One user an entry: the newest events but one, and the events after each of them."""

    def __init__(self, dataset: Dataset, length: int) -> None:
        self.rows = [row for row in dataset.histories().lists() if len(row) > 1]
        self.length = length

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: int) -> tuple[Tensor, Tensor, int]:
        row = self.rows[at][-self.length - 1 :] + 1
        items, targets = torch.zeros(2, self.length, dtype=torch.long)
        items[: len(row) - 1] = torch.tensor(row[:-1], dtype=torch.long)
        targets[: len(row) - 1] = torch.tensor(row[1:], dtype=torch.long)
        return items, targets, len(row) - 1


def plain_epoch(model: Plain, rows: PlainRows, config: Any, most: int, picked: bool) -> float:
    """Seconds for each predicted event, of at most so many steps of the straightforward loop.

    ``picked``: logits of real places only, instead of all with the pads ignored.
    """
    optimiser = torch.optim.AdamW(model.parameters(), lr=config.learning_rate)
    model.train()
    start, events = time.perf_counter(), 0
    for step, (items, targets, lengths) in enumerate(DataLoader(rows, batch_size=SEQUENCES, shuffle=True)):
        if step == most:
            break
        hidden = model(items, lengths)
        if picked:
            hidden, targets = hidden[targets > 0], targets[targets > 0]
        logits = hidden @ model.items.weight[1:].t()
        loss = functional.cross_entropy(logits.flatten(0, -2), targets.flatten() - 1, ignore_index=-1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        events += int((targets > 0).sum())
    return (time.perf_counter() - start) / events


def ours(dataset: Dataset, name: str, epochs: int, **params: Any) -> Any:
    """A retriever trained for so many epochs."""
    return make_retriever(name, epochs=epochs, **{**PLAIN, **params}).fit(dataset)


def beside(dataset: Dataset, name: str, rounds: int, most: int) -> dict[str, float]:
    """Seconds an epoch of both, in turns; ratios above 1: ours is faster."""
    params = {"scale": 0.0} | ({"negatives": 0} if name == "two-tower" else {})
    made = make_retriever(name, **PLAIN, **params)
    config: Any = made.config  # type: ignore[attr-defined]
    rows = PlainRows(dataset, config.length)
    plain = Plain(dataset.n_items, made._network())  # type: ignore[attr-defined]
    predicted = int(np.maximum(dataset.histories().lengths - 1, 0).sum())
    spent: dict[str, list[float]] = {"padded": [], "picked": [], "ours": [], "ours, float32": []}
    for _ in range(rounds):
        for kind in ("padded", "picked"):
            spent[kind].append(plain_epoch(plain, rows, config, most, kind == "picked") * predicted)
        spent["ours"].append(ours(dataset, name, 1, **params).course_.seconds[0])
        exact = ours(dataset, name, 1, precision="float32", **params)
        spent["ours, float32"].append(exact.course_.seconds[0])
    median = {kind: statistics.median(seconds) for kind, seconds in spent.items()}
    ratios = {
        f"ratio, {kind} / {own}": median[kind] / median[own]
        for kind in ("padded", "picked")
        for own in ("ours", "ours, float32")
    }
    return {"events": predicted, **{f"{kind}, s/epoch": one for kind, one in median.items()}, **ratios}


def growth(name: str, scale: int) -> dict[str, float]:
    """Seconds an epoch and peak memory at a size, in a process of its own."""
    command = [sys.executable, __file__, "--only-growth", name, str(scale)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def peak_megabytes() -> float:
    """The most memory this process has had; ``getrusage`` would tell that of the one that started it, too."""
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return float(line.split()[1]) / 1e3
    return float("nan")


def only_growth(name: str, scale: int) -> dict[str, float]:
    """What ``growth`` runs: a sample of items stands for all, at every size."""
    dataset = made_up(scale)
    before = peak_megabytes()
    retriever = ours(dataset, name, 2, negatives=256, batch=1024)
    seconds = retriever.course_.seconds[-1]
    peak = peak_megabytes()
    return {
        "events": dataset.n_events,
        "items": dataset.n_items,
        "s_per_epoch": seconds,
        "us_per_event": seconds / dataset.n_events * 1e6,
        "data_MB": before,
        "peak_MB": peak,
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=["beauty", "made-up"], default="beauty")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20, help="of the straightforward loop, a round")
    parser.add_argument("--skip", nargs="*", default=[], choices=["beside", "growth"])
    parser.add_argument("--only-growth", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    configure(level="error", bars=False)
    if options.only_growth:
        print(json.dumps(only_growth(options.only_growth[0], int(options.only_growth[1]))))
        return
    found: dict[str, Any] = {}
    if "beside" not in options.skip:
        try:
            dataset = zy.leave_last_out(amazon_beauty()).train if options.data == "beauty" else made_up(30)
        except DataError as error:
            print(f"{error.message}: made-up data instead", file=sys.stderr)
            dataset = made_up(30)
        for name in ("sasrec", "two-tower"):
            found[f"{name}, DataLoader loop / ours"] = beside(dataset, name, options.rounds, options.steps)
    if "growth" not in options.skip:
        for name in ("sasrec", "two-tower"):
            found[f"{name}, growth"] = {f"{scale}x": growth(name, scale) for scale in GROWTH}
    machine = {"cpu": platform.processor() or platform.machine(), "cores": psutil.cpu_count()}
    about = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "zhiyin": zy.__version__}
    print(json.dumps({**about, "torch": torch.__version__, **found}, indent=1))


if __name__ == "__main__":
    main()
