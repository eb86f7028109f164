"""Scoring many candidates behind one prefix: the ordinary way against zhiyin's, in turn, one process.

The ordinary way is transformers as it comes: float32, its default attention, padded batches of 16
full prompts. It is run in two variants: "full" takes the logits of every position, "kept" asks the
model for those that are needed only (``logits_to_keep``). The ratio of the bar takes the faster one.
Ours starts each repetition with an empty cache of prefixes; "warm" is measured beside it.

Prints one JSON object. ``python benchmarks/llm_scoring.py [--repeats 3] [--quick] [--seed 0]``
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from zhiyin.lm.read import prepare_process

prepare_process()  # before torch is loaded; it holds for both ways

import torch  # noqa: E402
import transformers  # noqa: E402

import zhiyin.lm.linear  # noqa: E402
from zhiyin.lm import CausalLanguageModel, find_model, load_language_model  # noqa: E402
from zhiyin.lm.convert import converted_folder  # noqa: E402
from zhiyin.lm.linear import product  # noqa: E402

MODEL = "smollm2-135m"
PREFIX_TOKENS, BATCH = 350, 16
ANSWERS = (" yes", " no")
BAR_RATIO, BAR_GROWTH = 15.0, 1.2
WORDS = (
    "red white blue vintage jumbo hanging heart light holder paisley pattern regency cake stand bag lunch "
    "box retro spot tea towels set of three wicker baskets glass star frosted alarm clock bakelike green "
    "party bunting doormat union flag wooden frame antique ceramic mug cupcake drawer knob ivory"
).split()


class Ordinary:
    """A scorer as one writes it with transformers alone."""

    def __init__(self, folder: Path) -> None:
        self.model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.pad = self.model.config.pad_token_id

    @torch.inference_mode()
    def log_likelihood(self, prefix: list[int], texts: list[list[int]], *, kept: bool) -> np.ndarray:
        sums = []
        for batch in _batches(texts):
            width = len(prefix) + max(map(len, batch))
            rows = [prefix + one for one in batch]
            ids = torch.tensor([row + [self.pad] * (width - len(row)) for row in rows])
            mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
            keep = width - len(prefix) + 1
            logits = self.model(input_ids=ids, attention_mask=mask, logits_to_keep=keep if kept else 0).logits
            told = torch.log_softmax(logits[:, -keep:-1].float(), -1)
            found = told.gather(2, ids[:, len(prefix) :, None])[..., 0] * mask[:, len(prefix) :]
            sums.append(found.double().sum(1))
        return torch.cat(sums).numpy()

    @torch.inference_mode()
    def answer_logits(
        self, prefix: list[int], texts: list[list[int]], answers: list[int], *, kept: bool
    ) -> np.ndarray:
        found = []
        for batch in _batches(texts):
            width = len(prefix) + max(map(len, batch))
            rows = [prefix + one for one in batch]
            ids = torch.tensor([[self.pad] * (width - len(row)) + row for row in rows])
            mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
            positions = (mask.cumsum(1) - 1).clamp(min=0)
            logits = self.model(
                input_ids=ids, attention_mask=mask, position_ids=positions, logits_to_keep=1 if kept else 0
            ).logits
            found.append(logits[:, -1, answers].double())
        return torch.cat(found).numpy()


def _batches(texts: list[list[int]]) -> list[list[list[int]]]:
    return [texts[first : first + BATCH] for first in range(0, len(texts), BATCH)]


def make_texts(model: CausalLanguageModel, seed: int, n: int) -> tuple[str, list[str], list[str]]:
    """A prefix of PREFIX_TOKENS tokens; n titles of unequal length, 20 tokens in the mean; n questions."""
    rng = np.random.default_rng(seed)

    def title(words: int) -> str:
        return " ".join(rng.choice(WORDS, words)).upper()

    prefix = "A customer of a gift shop bought, oldest first: "
    while model.count_tokens(prefix) < PREFIX_TOKENS:
        prefix += title(5) + ", "
    tokens = model.tokenizer(prefix, add_special_tokens=False)["input_ids"][:PREFIX_TOKENS]
    while model.count_tokens(model.tokenizer.decode(tokens)) > PREFIX_TOKENS:
        tokens = tokens[:-1]
    titles = [" " + title(int(words)) for words in rng.integers(3, 13, n)]
    questions = [f"{title(int(words))}, will it please? Answer:" for words in rng.integers(2, 9, n)]
    return model.tokenizer.decode(tokens), titles, questions


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result."""
    begun = time.perf_counter()
    result = call()
    return time.perf_counter() - begun, result


def cold(model: CausalLanguageModel, call: Callable[[], Any]) -> Callable[[], Any]:
    """The call after every kept prefix is forgotten."""

    def run() -> Any:
        model.forget_prefixes()
        return call()

    return run


def gemm_peaks(model: Any) -> dict[str, float]:
    """Best float32 GFLOP/s of products of the model's own shapes on 512 tokens, by library."""
    shapes = {tuple(one.weight.shape) for one in model.modules() if isinstance(one, torch.nn.Linear)}
    peaks = {"torch": 0.0, "onednn": 0.0}
    ways = {"torch": torch.nn.functional.linear, "onednn": product}
    for rows, width in sorted(shapes):
        x, weight = torch.randn(512, width), torch.randn(min(rows, 4096), width)
        for name, way in ways.items():
            with torch.inference_mode():
                best = min(timed(lambda x=x, w=weight, way=way: way(x, w))[0] for _ in range(15))
            peaks[name] = max(peaks[name], 2 * 512 * width * weight.shape[0] / best / 1e9)
    return peaks


def work(model: Any, prefix: int, lengths: list[int], *, head: bool) -> float:
    """Floating-point operations that our way needs: linear layers, attention, head."""
    config, tokens = model.config, prefix + sum(lengths)
    output = model.get_output_embeddings()
    linear = sum(
        one.weight.numel()
        for one in model.modules()
        if isinstance(one, torch.nn.Linear) and one is not output
    )
    pairs = prefix**2 / 2 + sum(length * prefix + length**2 / 2 for length in lengths)
    attention = 4 * config.num_hidden_layers * config.num_attention_heads * config.head_dim * pairs
    return 2.0 * tokens * linear + attention + (2.0 * sum(lengths) * output.weight.numel() if head else 0.0)


def without_onednn(call: Callable[[], Any]) -> Callable[[], Any]:
    """The call with torch's ordinary products instead of oneDNN's."""

    def run() -> Any:
        before = zhiyin.lm.linear.has_onednn
        zhiyin.lm.linear.has_onednn = lambda: False
        try:
            return call()
        finally:
            zhiyin.lm.linear.has_onednn = before

    return run


class Bench:
    """The models, the texts, and what is timed."""

    def __init__(self, seed: int, n: int) -> None:
        folder = converted_folder(find_model(MODEL).path)
        self.ours = load_language_model(MODEL)
        self.half = load_language_model(MODEL, dtype="bfloat16")
        self.ordinary, self.n = Ordinary(folder), n
        self.prefix, self.titles, self.questions = make_texts(self.ours, seed, 4 * n)
        self.start, self.title_ids, self.question_ids = (
            self._ids(texts) for texts in ([self.prefix], self.titles, self.questions)
        )
        self.answers = [one[0] for one in self._ids(list(ANSWERS))]

    def _ids(self, texts: list[str]) -> list[list[int]]:
        ids: list[list[int]] = self.ours.tokenizer(texts, add_special_tokens=False)["input_ids"]
        return ids

    def calls(self) -> dict[str, Callable[[], Any]]:
        """What is timed, by "task/way"; ours and the ordinary way alternate."""
        calls: dict[str, Callable[[], Any]] = {}
        for task, ours, ordinary in (
            ("log_likelihood", self._likelihood, self._ordinary_likelihood),
            ("answer_logits", self._logits, self._ordinary_logits),
        ):
            calls[f"{task}/ours"] = cold(self.ours, ours(self.ours, self.n))
            calls[f"{task}/ordinary_kept"] = ordinary(kept=True)
            calls[f"{task}/ours_4x"] = cold(self.ours, ours(self.ours, 4 * self.n))
            calls[f"{task}/ours_torch_products"] = without_onednn(cold(self.ours, ours(self.ours, self.n)))
            calls[f"{task}/ordinary_full"] = ordinary(kept=False)
            calls[f"{task}/ours_warm"] = ours(self.ours, self.n)
            calls[f"{task}/ours_bfloat16"] = cold(self.half, ours(self.half, self.n))
        return calls

    def warm_up(self, calls: dict[str, Callable[[], Any]]) -> None:
        """One untimed run of each of ours, one small batch of the ordinary way."""
        self.ordinary.log_likelihood(self.start[0], self.title_ids[:BATCH], kept=True)
        for name, call in calls.items():
            if "/ours" in name:
                call()
        if not (self.ours._scorer.packs and self.half._scorer.packs):
            raise RuntimeError("the model was not packed")

    def _likelihood(self, model: CausalLanguageModel, n: int) -> Callable[[], Any]:
        return lambda: model.log_likelihood(self.prefix, self.titles[:n])

    def _logits(self, model: CausalLanguageModel, n: int) -> Callable[[], Any]:
        return lambda: model.answer_logits(self.prefix, self.questions[:n], ANSWERS)

    def _ordinary_likelihood(self, *, kept: bool) -> Callable[[], Any]:
        return lambda: self.ordinary.log_likelihood(self.start[0], self.title_ids[: self.n], kept=kept)

    def _ordinary_logits(self, *, kept: bool) -> Callable[[], Any]:
        texts = self.question_ids[: self.n]
        return lambda: self.ordinary.answer_logits(self.start[0], texts, self.answers, kept=kept)


def measure(*, seed: int, repeats: int, n: int) -> dict[str, Any]:
    """Everything, in turn, ``repeats`` times."""
    torch.manual_seed(seed)
    bench = Bench(seed, n)
    calls = bench.calls()
    bench.warm_up(calls)
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    results: dict[str, Any] = {}
    peaks: dict[str, float] = {}
    for _ in range(repeats):
        for name, call in calls.items():
            spent, results[name] = timed(call)
            seconds[name].append(round(spent, 4))
        for library, peak in gemm_peaks(bench.ours.model).items():
            peaks[library] = max(peak, peaks.get(library, 0.0))
    report: dict[str, Any] = {}
    for task, ids in (("log_likelihood", bench.title_ids), ("answer_logits", bench.question_ids)):
        lengths = [len(one) for one in ids[:n]]
        flops = work(bench.ours.model, len(bench.start[0]), lengths, head=task == "log_likelihood")
        report[task] = summary(task, seconds, results, lengths, flops, max(peaks.values()))
    rounded = {name: round(peak, 1) for name, peak in peaks.items()}
    return {"prefix_tokens": len(bench.start[0]), **report, "gemm_peak_gflops": rounded, "seconds": seconds}


def summary(
    task: str,
    seconds: dict[str, list[float]],
    results: dict[str, Any],
    lengths: list[int],
    flops: float,
    peak: float,
) -> dict[str, Any]:
    """Medians, ratios and differences of one task; the ratio takes the faster ordinary variant."""
    n = len(lengths)
    times = {name.split("/")[1]: values for name, values in seconds.items() if name.startswith(task)}
    median = {name: float(np.median(values)) for name, values in times.items()}
    faster = min("ordinary_kept", "ordinary_full", key=lambda name: median[name])
    found = {name.split("/")[1]: result for name, result in results.items() if name.startswith(task)}
    ratios = {name: round(median[faster] / median[name], 2) for name in median if name.startswith("ours")}
    growth = (median["ours_4x"] / (4 * n)) / (median["ours"] / n)
    pairs = zip(times[faster], times["ours"], strict=True)
    return {
        "ratio": ratios["ours"],
        "ratio_takes": faster,
        "ratio_against_full_logits": round(median["ordinary_full"] / median["ours"], 2),
        "ratio_by_repetition": [round(ordinary / ours, 2) for ordinary, ours in pairs],
        "ratio_with_warm_prefix": ratios["ours_warm"],
        "ratio_with_torch_products": ratios["ours_torch_products"],
        "ratio_bfloat16": ratios["ours_bfloat16"],
        "median_seconds": {name: round(value, 4) for name, value in median.items()},
        "largest_difference": _gap(found["ours"], found["ordinary_kept"]),
        "seconds_per_candidate": {str(n): median["ours"] / n, str(4 * n): median["ours_4x"] / (4 * n)},
        "growth_of_seconds_per_candidate": round(growth, 3),
        "gflops": round(flops / median["ours"] / 1e9, 1),
        "share_of_gemm_peak": round(flops / median["ours"] / 1e9 / peak, 3),
        "bfloat16": precision(found["ours"], found["ours_bfloat16"]),
        "tokens": {"mean": float(np.mean(lengths)), "least": min(lengths), "most": max(lengths)},
        "passes_bar": bool(ratios["ours"] >= BAR_RATIO and growth <= BAR_GROWTH),
    }


def precision(exact: np.ndarray, rounded: np.ndarray) -> dict[str, Any]:
    """How bfloat16 weights change the order of the candidates."""
    margins = [one if one.ndim == 1 else one[:, 0] - one[:, 1] for one in (exact, rounded)]
    ranks = [np.argsort(np.argsort(one)) for one in margins]
    top = [set(np.argsort(-one)[:10].tolist()) for one in margins]
    return {
        "largest_difference": _gap(*margins),
        "spread_of_scores": float(np.std(margins[0])),
        "rank_correlation": float(np.corrcoef(ranks)[0, 1]),
        "same_of_top_10": len(top[0] & top[1]),
    }


def _gap(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())


def hardware() -> dict[str, Any]:
    """Processor, threads, versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="32 candidates for 100, one repetition")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    repeats = 1 if arguments.quick else arguments.repeats
    transformers.utils.logging.disable_progress_bar()
    before = hardware()
    report = {
        "benchmark": "llm_scoring",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "model": MODEL,
        "seed": arguments.seed,
        "repeats": repeats,
        **before,
        **measure(seed=arguments.seed, repeats=repeats, n=32 if arguments.quick else 100),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
