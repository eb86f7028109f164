"""Tuned language models on public data: what they recommend, what they keep; one JSON file a run.

A run is named by its settings; what is there already is not run again, and a run that was killed goes on
where it was. Tables are made from the files: ``benchmarks/tuning_tables.py``. The data sets may not ship:
they are looked for where ``ZHIYIN_DATA`` says.

    python benchmarks/tuning.py --list
    python benchmarks/tuning.py --group few --quick
    python benchmarks/tuning.py                       # everything, hours
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from scipy.special import logit

import zhiyin as zy
from zhiyin.artifacts import write_text
from zhiyin.caches import content_key
from zhiyin.draws import generator
from zhiyin.evaluate import prediction
from zhiyin.lm.retention.exam import Exam, Examiner
from zhiyin.lm.tuning import PackedExample
from zhiyin.rank.timeline import Telling
from zhiyin.registry import resolve
from zhiyin.testing.collaboration import behaviour_logits
from zhiyin.testing.general import general_exam
from zhiyin.testing.people import collm_people, labels_of, shares_told, tallrec_people
from zhiyin.types import FloatArray

MODEL = "smollm2-135m"
TELLING = Telling("en", "video")
FOLDER = Path("runs/experiments/tuning")
SEEDS = (7, 8, 9)
EVERY = 8000  # prompts that TALLRec has to learn from
UPPER = {"first_layer": 20}
GUARD = {"kl": 1.0}


@dataclass(frozen=True)
class Settings:
    """One run.

    ``labels`` None: all; ``prior``: what the model need not learn, "none", "rule" or "behaviour";
    ``scales``: how much of the adapter is scored; ``exam``: "texts", or "all" with questions and writing.
    """

    data: str
    labels: int | None
    method: str
    params: dict[str, Any] = field(default_factory=dict)
    prior: str = "none"
    seed: int = 7
    scales: tuple[float, ...] = (1.0,)
    exam: str = "texts"

    @property
    def name(self) -> str:
        """For people, with what tells it from others."""
        guards = "+".join(f"{name}{value:g}" for name, value in self.params.get("guard", {}).items())
        size = "all" if self.labels is None else self.labels
        parts = [self.data, size, self.method, guards, f"seed{self.seed}", content_key(asdict(self))[:8]]
        return "-".join(str(one) for one in parts if one)


def groups(seeds: Sequence[int]) -> dict[str, list[Settings]]:
    """All runs."""
    few = {"epochs": 3, "batch": 16, **UPPER}
    many = {"epochs": 1, "batch": 32}
    full = {**many, "learning_rate": 2e-5}
    return {
        "few": [
            Settings("tallrec", labels, "lora", {**few, "guard": guard}, "rule", seed)
            for labels in (256, 64, 16)
            for seed in seeds
            for guard in ({}, GUARD)
        ],
        "many": [
            Settings("tallrec", 8000, method, {**params, "guard": guard}, "rule", seed)
            for seed in seeds
            for method, params in (("lora", {**many, **UPPER}), ("full", full))
            for guard in ({}, GUARD)
        ],
        "collm": [
            Settings("collm", None, "lora", {**many, **UPPER, "evaluations": 4}, "behaviour", seed)
            for seed in seeds
        ],
        "front": [
            Settings("tallrec", 256, method, {**few, **params}, "rule", 7, (0.25, 0.5, 0.75, 1.0), "all")
            for method, params in (
                ("lora", {}),
                *(("lora", {"guard": {"kl": kl}}) for kl in (0.3, 1.0, 3.0)),
                ("lora", {"guard": {"replay": 1.0}}),
                ("lora", {"guard": {"l2_sp": 0.1}}),
                ("lora", {"guard": {"ewc": 100.0}}),
                ("dora", {}),
                ("full", {"first_layer": None, "learning_rate": 2e-5}),
            )
        ],
    }


def tallrec(settings: Settings, part: str) -> tuple[list[PackedExample], np.ndarray]:
    """Prompts as examples, each with the rule's log-odds, and their rows.

    All 8,000 are asked in blocks of neighbouring prompts, a few each with its own ten films and nothing else.
    """
    rows, block = None, 1
    if settings.labels == EVERY:
        block = 64
    elif part == "train":
        drawn = generator(settings.seed, 0, stream="labels").permutation(EVERY)[: settings.labels]
        rows = set(drawn.tolist())
    examples, places = tallrec_people(
        part, telling=TELLING, rows=rows, block=block, told_too=part == "train" and settings.labels != EVERY
    )
    return with_priors(examples, logit(shares_told(TELLING, examples)), settings.prior), places


def collm(settings: Settings, part: str) -> tuple[list[PackedExample], np.ndarray]:
    """Rows as timelines with what the behaviour model says of each, and their rows."""
    examples, places = collm_people(part, telling=TELLING, dislikes=True)
    found = behaviour_logits(part, seed=settings.seed)
    return with_priors(examples, found[places], settings.prior), places


def with_priors(examples: Sequence[PackedExample], logits: FloatArray, prior: str) -> list[PackedExample]:
    """Examples that tell the model what something else knows."""
    if prior == "none":
        return list(examples)
    parts = np.split(logits, np.cumsum([len(one.labels) for one in examples])[:-1])
    return [replace(one, priors=tuple(part.tolist())) for one, part in zip(examples, parts, strict=True)]


LOADERS = {"tallrec": tallrec, "collm": collm}


def run(settings: Settings, exam: Exam) -> dict[str, Any]:
    """Tune, score validation and test, examine."""
    load = LOADERS[settings.data]
    parts = {part: load(settings, part) for part in ("train", "valid", "test")}
    model = zy.load_language_model(MODEL)
    params = {name: value for name, value in settings.params.items() if value is not None}
    tuner = resolve("tuner", settings.method)(**params, seed=settings.seed, answers=TELLING.answers)
    tuner.fit(model, parts["train"][0], parts["valid"][0])
    examiner = Examiner(model, exam)
    found: dict[str, Any] = {"scales": {}, "course": asdict(tuner.course_)}
    for scale in (0.0, *settings.scales):
        scores = {
            part: ordered(np.concatenate(tuner.scores(parts[part][0], scale=scale)), parts[part][1])
            for part in ("valid", "test")
        }
        kept = examiner.examine(tuner.language_model(scale)).to_dict()
        found["scales"][f"{scale:g}"] = {"retention": kept, **scores}
    for part in ("valid", "test"):
        examples, places = parts[part]
        found[f"{part}_labels"] = ordered(labels_of(examples), places)
        priors = np.array([prior for one in examples for prior in one.priors or (0.0,) * len(one.labels)])
        found[f"{part}_priors"] = ordered(priors, places)
    found["train_labels"] = len(labels_of(parts["train"][0]))
    return found


def ordered(values: FloatArray, places: np.ndarray) -> list[float]:
    """Values by row, to five digits."""
    made = np.full(int(places.max()) + 1, np.nan)
    made[places] = values
    return [round(float(one), 5) for one in made]


def summary(found: dict[str, Any]) -> Iterator[str]:
    """A line for each scale."""
    labels, priors = (np.array(found[f"test_{one}"]) for one in ("labels", "priors"))
    for scale, one in found["scales"].items():
        scores, kept = np.array(one["test"]), one["retention"]
        alone, both = (prediction.auc(labels, it) for it in (scores, scores + priors))
        told = f"test AUC {alone:.4f}, with prior {both:.4f}; KL {kept['kl']:.5f}"
        yield f"{scale:>5}: {told}, perplexity {kept['perplexity']:.3f}"


def main() -> None:
    """Parse, run what is missing, print what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--group", nargs="+", choices=list(groups(SEEDS)), default=list(groups(SEEDS)))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--quick", action="store_true", help="one seed, fewer runs")
    parser.add_argument("--only", default="", help="runs whose name has this")
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--list", action="store_true", help="say what would run, and stop")
    options = parser.parse_args()
    wanted = [one for name in options.group for one in groups(options.seeds)[name]]
    for settings in (one for one in wanted if options.only in one.name):
        path = options.out / f"{settings.name}.json"
        if options.list or path.is_file():
            print(f"{'done' if path.is_file() else 'missing'} {settings.name}")
            continue
        start = time.perf_counter()
        found = run(settings, general_exam(zy.load_language_model(MODEL), questions=settings.exam == "all"))
        about = {
            "settings": asdict(settings),
            "date": time.strftime("%Y-%m-%d"),
            "zhiyin": zy.__version__,
            "machine": {"cpu": platform.processor() or platform.machine(), "cores": psutil.cpu_count()},
            "seconds": time.perf_counter() - start,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps({**about, **found}))
        print(f"{settings.name}: {about['seconds']:.0f} s", flush=True)
        for line in summary(found):
            print(line, flush=True)


if __name__ == "__main__":
    main()
