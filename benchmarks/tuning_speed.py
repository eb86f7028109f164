"""Labels per second of packed tuning beside the ordinary loop, and what both have learned; one JSON object.

The ordinary loop is transformers and peft: one prompt for each label, padded batches of 8, the logits of the
whole vocabulary at every position, one step a batch. Both see the same labels once, in an order of their own,
with adapters of the same rank at the same layers; the ordinary prompts are the same texts, each with the
newest events before its moment. The data sets may not ship: they are looked for where ``ZHIYIN_DATA`` says.

    python benchmarks/tuning_speed.py
    python benchmarks/tuning_speed.py --data collm --labels 512
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import zhiyin as zy
from zhiyin.evaluate import prediction
from zhiyin.lm.convert import converted_folder
from zhiyin.lm.find import cache_folder, find_model
from zhiyin.lm.read import read_model
from zhiyin.lm.tuning import PackedExample
from zhiyin.lm.tuning.learner import Learner
from zhiyin.rank.timeline import Telling
from zhiyin.registry import resolve
from zhiyin.testing.people import collm_people, labels_of, tallrec_people

MODEL = "smollm2-135m"
BATCH, RANK, ALPHA, RATE = 8, 16, 32.0, 5e-4
UPPER = 20  # the first of 30 layers that learns
TELLING = Telling("en", "video")


def examples(data: str, part: str, block: int) -> list[tuple[PackedExample, list[int]]]:
    """Examples and the rows that they ask."""
    if data == "tallrec":
        made, rows = tallrec_people(part, telling=TELLING, block=block)
    else:
        made, rows = collm_people(part, telling=TELLING, block=block)
    ends = np.cumsum([len(one.labels) for one in made])
    return [(one, rows[end - len(one.labels) : end].tolist()) for one, end in zip(made, ends, strict=True)]


def drawn(data: str, labels: int, seed: int) -> tuple[list[PackedExample], list[PackedExample]]:
    """The same train rows as packed examples and as single prompts."""
    packed = examples(data, "train", 64)
    chosen: list[PackedExample] = []
    rows: set[int] = set()
    for place in np.random.default_rng(seed).permutation(len(packed)):
        if len(rows) >= labels:
            break
        chosen.append(packed[place][0])
        rows.update(packed[place][1])
    return chosen, [one for one, asked in examples(data, "train", 1) if asked[0] in rows]


def ordinary(prompts: Sequence[PackedExample], valid: Sequence[PackedExample], seed: int) -> dict[str, Any]:
    """The loop that one would write first."""
    import peft
    import torch

    path = find_model(MODEL).path
    assert path is not None
    network, tokenizer = read_model(converted_folder(path))
    torch.manual_seed(seed)
    config = peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM")
    model = peft.get_peft_model(network, config).train()
    optimiser = torch.optim.AdamW([one for one in model.parameters() if one.requires_grad], lr=RATE)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    order = np.random.default_rng(seed).permutation(len(prompts))
    tokens, start = 0, time.perf_counter()
    for first in range(0, len(order), BATCH):
        batch = [prompts[place] for place in order[first : first + BATCH]]
        texts = [
            "".join(one.segments[: one.sees[0]]) + one.branches[0] + TELLING.answers[int(one.labels[0] < 0.5)]
            for one in batch
        ]
        encoded = tokenizer(
            texts, return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False
        )
        targets = torch.full_like(encoded["input_ids"], -100)
        targets[:, -1] = encoded["input_ids"][:, -1]
        loss = model(**encoded, labels=targets).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        tokens += encoded["input_ids"].numel()
    seconds = time.perf_counter() - start
    scorer = Learner(model.base_model.model, tokenizer, answers=TELLING.answers, row_tokens=512)
    return told(seconds, len(prompts), tokens, scorer.scores(scorer.encode(valid)), valid)


def packed(
    chosen: Sequence[PackedExample], valid: Sequence[PackedExample], seed: int, *, first_layer: int = 0
) -> dict[str, Any]:
    """What the library does, from loaded model to tuned one; adapters from ``first_layer`` on."""
    model = zy.load_language_model(MODEL)
    tuner = resolve("tuner", "lora")(
        rank=RANK,
        alpha=ALPHA,
        learning_rate=RATE,
        epochs=1,
        batch=16,
        seed=seed,
        answers=TELLING.answers,
        first_layer=first_layer,
    )
    start = time.perf_counter()
    tuner.fit(model, chosen)
    seconds = time.perf_counter() - start
    scores = np.concatenate(tuner.scores(valid))
    with tempfile.TemporaryDirectory() as folder:
        tuner.save(Path(folder) / "made")  # so that nothing is left to go on from
    return told(seconds, sum(len(one.labels) for one in chosen), tuner.course_.tokens, scores, valid)


def told(
    seconds: float, labels: int, tokens: int, scores: Any, valid: Sequence[PackedExample]
) -> dict[str, Any]:
    """Speed and quality of one way."""
    return {
        "labels": labels,
        "tokens": tokens,
        "tokens_per_label": tokens / labels,
        "seconds": seconds,
        "labels_per_second": labels / seconds,
        "valid_auc": prediction.auc(labels_of(valid), scores),
    }


def measure(data: str, labels: int, asked: int, seed: int) -> dict[str, Any]:
    """All ways on one data set; the upper layers twice: lower ones worked out, then read."""
    chosen, prompts = drawn(data, labels, seed)
    valid = [one for one, _ in examples(data, "valid", 64)]
    np.random.default_rng(0).shuffle(valid)  # type: ignore[arg-type]
    ends = np.cumsum([len(one.labels) for one in valid])
    valid = valid[: int(np.searchsorted(ends, asked)) + 1]
    theirs = ordinary(prompts, valid, seed)
    with own_cache():
        ways = {
            "packed": packed(chosen, valid, seed),
            "upper layers, first": packed(chosen, valid, seed, first_layer=UPPER),
            "upper layers, again": packed(chosen, valid, seed, first_layer=UPPER),
        }
    compared = {
        name: {
            **way,
            "ratio": way["labels_per_second"] / theirs["labels_per_second"],
            "auc_difference": way["valid_auc"] - theirs["valid_auc"],
        }
        for name, way in ways.items()
    }
    return {"valid_labels": len(labels_of(valid)), "ordinary": theirs, **compared}


@contextlib.contextmanager
def own_cache() -> Iterator[None]:
    """An empty cache, but for the converted models."""
    models = cache_folder() / "models"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "models").symlink_to(models.resolve(), target_is_directory=True)
        before = os.environ.get("ZHIYIN_CACHE")
        os.environ["ZHIYIN_CACHE"] = folder
        try:
            yield
        finally:
            del os.environ["ZHIYIN_CACHE"]
            os.environ.update({} if before is None else {"ZHIYIN_CACHE": before})


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", choices=["tallrec", "collm"], default=["tallrec", "collm"])
    parser.add_argument("--labels", type=int, default=512)
    parser.add_argument("--valid", type=int, default=1000, help="validation labels")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    machine = {"cpu": platform.processor() or platform.machine(), "cores": psutil.cpu_count()}
    about = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "zhiyin": zy.__version__}
    found = {one: measure(one, options.labels, options.valid, options.seed) for one in options.data}
    print(json.dumps({**about, "model": MODEL, "results": found}, indent=1))


if __name__ == "__main__":
    main()
