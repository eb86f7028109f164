"""What each lever of packed tuning is worth here: one switched at a time, in turn; one JSON object.

"folded": the adapter inside the weights, one product instead of three; "rows": tokens of a forward pass;
"products": how fast a layer multiplies in float32 by either library and in bfloat16. TALLRec's prompts; the
data set may not ship: it is looked for where ``ZHIYIN_DATA`` says.

    python benchmarks/tuning_levers.py
    python benchmarks/tuning_levers.py --labels 128 --rounds 1
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import psutil

import zhiyin as zy
from tuning_speed import MODEL, TELLING, drawn, own_cache
from zhiyin.extras import require
from zhiyin.lm.tuning import PackedExample
from zhiyin.registry import resolve

SHAPES = ((576, 576), (576, 1536), (1536, 576))
LEVERS: Mapping[str, dict[str, Any]] = {
    "as it is": {},
    "not folded": {"folded": False},
    "rows of 128": {"row_tokens": 128},
    "rows of 2,048": {"row_tokens": 2048},
}


def labels_per_second(
    examples: list[PackedExample], seed: int, *, folded: bool = True, row_tokens: int = 512
) -> float:
    """Of one epoch, from loaded model to tuned one."""
    model = zy.load_language_model(MODEL)
    tuner = resolve("tuner", "lora")(
        epochs=1, seed=seed, batch=16, answers=TELLING.answers, row_tokens=row_tokens
    )
    off = contextlib.nullcontext() if folded else mock.patch("zhiyin.lm.tuning.adapter.fold")
    with off:
        start = time.perf_counter()
        tuner.fit(model, examples)
        seconds = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        tuner.save(Path(folder) / "made")  # so that nothing is left to go on from
    return sum(len(one.labels) for one in examples) / seconds


def products(rows: int, rounds: int) -> dict[str, float]:
    """Billions of operations a second over the layers' shapes: the median of the rounds."""
    torch = require("torch")
    linear = torch.nn.functional.linear

    def onednn(x: Any, weight: Any) -> Any:
        return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")

    ways: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
        "float32, MKL": (linear, torch.float32),
        "float32, oneDNN": (onednn, torch.float32),
        "bfloat16": (linear, torch.bfloat16),
    }
    # Fresh weights for every product: those of a model do not fit the cache either.
    weights = {
        dtype: [torch.randn(out, inside).to(dtype) for _ in range(20) for inside, out in SHAPES]
        for dtype in (torch.float32, torch.bfloat16)
    }
    work = 2 * rows * 20 * sum(inside * out for inside, out in SHAPES) / 1e9
    found: dict[str, list[float]] = {name: [] for name in ways}
    with torch.no_grad():
        for _ in range(rounds):
            for name, (multiply, dtype) in ways.items():
                inputs = {inside: torch.randn(rows, inside).to(dtype) for inside, _ in SHAPES}
                start = time.perf_counter()
                for weight in weights[dtype]:
                    multiply(inputs[weight.shape[1]], weight)
                found[name].append(work / (time.perf_counter() - start))
    return {name: float(np.median(speeds)) for name, speeds in found.items()}


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--labels", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    chosen, _ = drawn("tallrec", options.labels, options.seed)
    found: dict[str, list[float]] = {name: [] for name in LEVERS}
    with own_cache():
        labels_per_second(chosen[:1], options.seed)  # what a process does once
        for _ in range(options.rounds):
            for name, lever in LEVERS.items():
                found[name].append(labels_per_second(chosen, options.seed, **lever))
    machine = {"cpu": platform.processor() or platform.machine(), "cores": psutil.cpu_count()}
    about = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "zhiyin": zy.__version__}
    whole = found["as it is"]
    ratios = {
        name: float(np.median([one / other for one, other in zip(speeds, whole, strict=True)]))
        for name, speeds in found.items()
    }
    made = {"labels_per_second": found, "ratio": ratios, "products": products(512, 5 * options.rounds)}
    print(json.dumps({**about, "model": MODEL, **made}, indent=1))


if __name__ == "__main__":
    main()
