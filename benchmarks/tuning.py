"""Tuned language models on public data: what they recommend, what they keep; one JSON file a run.

A run is named by its settings and their digest, with all defaults filled in; what is there already is not
run again, and a run that was killed goes on where it was. Tables are made from the files:
``benchmarks/tuning_tables.py``. The data sets may not ship: they are looked for where ``ZHIYIN_DATA`` says.

    python benchmarks/tuning.py --list
    python benchmarks/tuning.py --group few --quick
    python benchmarks/tuning.py                       # everything, hours
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from scipy.special import expit, logit

import zhiyin as zy
from zhiyin.artifacts import read_json, write_text
from zhiyin.caches import ArrayCache, content_key
from zhiyin.config import load_recipe
from zhiyin.draws import generator
from zhiyin.evaluate import prediction
from zhiyin.lm.find import cache_folder
from zhiyin.lm.retention.exam import Examiner
from zhiyin.lm.tuning import PackedExample
from zhiyin.lm.tuning.tuner import Tuner
from zhiyin.pipeline import evaluate_recommender
from zhiyin.pipeline.evaluation import step_gains
from zhiyin.pipeline.tuning import tune
from zhiyin.rank.timeline import Telling, shares_told
from zhiyin.registry import resolve
from zhiyin.testing.collaboration import behaviour_logits
from zhiyin.testing.general import general_exam
from zhiyin.testing.people import collm_people, labels_of, tallrec_people, tallrec_users
from zhiyin.types import FloatArray

MODEL = "smollm2-135m"
TELLING = Telling("en", "video")
FOLDER = Path("runs/experiments")
SEEDS = (7, 8, 9)
EVERY = 8000  # prompts that TALLRec has to learn from
UPPER = {"first_layer": 20}
WEAK, GUARD = {"kl": 0.3}, {"kl": 3.0}


@dataclass(frozen=True)
class Settings:
    """One run.

    ``labels`` None: all; ``prior``: what the model need not learn, "none", "rule", "behaviour" or
    "retrieval"; ``scales``: how much of the adapter is scored; ``exam``: "texts", or "all" with questions and
    writing; ``asked``: rows of validation, and of test, that are asked at least, whole examples, or users of
    the shop; None: all, or 400 users.
    """

    data: str
    labels: int | None
    method: str
    params: dict[str, Any] = field(default_factory=dict)
    prior: str = "none"
    seed: int = 7
    scales: tuple[float, ...] = (1.0,)
    exam: str = "texts"
    asked: int | None = None

    @property
    def name(self) -> str:
        """For people, with what tells it from others."""
        guards = "+".join(f"{name}{value:g}" for name, value in self.params.get("guard", {}).items())
        size = "all" if self.labels is None else self.labels
        known = {name: value for name, value in self.params.items() if value is not None}
        config = resolve("tuner", self.method)(**known).config.model_dump(mode="json")
        key = content_key(zy.__version__, MODEL, asdict(self), config)
        parts = [self.data, size, self.method, guards, f"seed{self.seed}", key[:8]]
        return "-".join(str(one) for one in parts if one)


def quick() -> dict[str, list[Settings]]:
    """A few runs, smaller."""
    few = {"epochs": 3, "batch": 64, **UPPER, "guard": GUARD}
    return {
        "few": [Settings("tallrec", 64, "lora", few, asked=500)],
        "many": [],
        "collm": [Settings("collm", 2000, "lora", {"epochs": 1, "batch": 64, **UPPER}, asked=1500)],
        "shop": [Settings("shop", 100, "lora", {"epochs": 1, **UPPER}, "retrieval", asked=100)],
        "front": [Settings("tallrec", 64, "lora", few, scales=(0.5, 1.0), exam="all", asked=500)],
    }


def groups(seeds: Sequence[int]) -> dict[str, list[Settings]]:
    """All runs."""
    few = {"epochs": 3, "batch": 64, **UPPER}
    many = {"epochs": 1, "batch": 64}
    full = {**many, "learning_rate": 2e-5}
    return {
        "few": [
            Settings("tallrec", labels, "lora", {**few, "guard": guard}, seed=seed)
            for labels, guard in ((256, {}), (256, GUARD), (64, GUARD), (16, GUARD))
            for seed in seeds
        ],
        "many": [
            Settings("tallrec", EVERY, method, {**params, "guard": guard}, seed=seed)
            for seed in seeds
            for method, params, guards in (
                ("lora", {**many, **UPPER}, ({}, WEAK, GUARD)),
                ("full", full, ({}, WEAK)),
            )
            for guard in guards
        ],
        "collm": [
            Settings("collm", None, "lora", {**many, **UPPER}, seed=seeds[0]),
            *(Settings("collm", None, "lora", {**many, **UPPER}, "behaviour", seed) for seed in seeds),
            Settings("collm-told", 8000, "lora", {**many, **UPPER}, seed=seeds[0]),
            Settings("collm", None, "lora", {**many, **UPPER, "objective": "ranking"}, seed=seeds[0]),
        ],
        "shop": [
            Settings("shop", 400, "lora", {"epochs": 2, **UPPER, "guard": guard}, "retrieval", seed)
            for seed, guard in ((seeds[0], {}), *((seed, GUARD) for seed in seeds))
        ],
        "front": [
            Settings("tallrec", 256, method, {**few, **params}, scales=(0.5, 1.0), exam="all")
            for method, params in (
                ("lora", {}),
                *(("lora", {"guard": {"kl": kl}}) for kl in (0.3, 1.0, 3.0, 10.0)),
                ("full", {"first_layer": None, "learning_rate": 2e-5}),
                ("lora", {"guard": {"replay": 1.0}}),
                ("lora", {"guard": {"l2_sp": 0.1}}),
                ("lora", {"guard": {"ewc": 1.0}}),
                ("dora", {}),
            )
        ],
    }


@dataclass(frozen=True)
class Part:
    """Examples, the rows that their branches are, and what something else says of each, log-odds.

    ``size``: rows of the whole part.
    """

    examples: list[PackedExample]
    places: np.ndarray
    others: FloatArray
    size: int

    def some(self, labels: int | None, seed: int) -> Part:
        """Drawn examples until they have so many labels; None: all."""
        if labels is None:
            return self
        ends = np.cumsum([len(one.labels) for one in self.examples])
        order = generator(seed, 0, stream="labels").permutation(len(ends))
        sizes = np.diff(ends, prepend=0)
        count = int(np.searchsorted(np.cumsum(sizes[order]), labels)) + 1
        chosen = order[:count]
        rows = np.concatenate([np.arange(ends[one] - sizes[one], ends[one]) for one in chosen])
        return Part([self.examples[one] for one in chosen], self.places[rows], self.others[rows], self.size)

    def shown(self, prior: str) -> list[PackedExample]:
        """The examples, the others' log-odds as their priors where there are any."""
        if prior == "none":
            return self.examples
        parts = np.split(self.others, np.cumsum([len(one.labels) for one in self.examples])[:-1])
        pairs = zip(self.examples, parts, strict=True)
        return [replace(one, priors=tuple(part.tolist())) for one, part in pairs]


def tallrec(settings: Settings, part: str) -> Part:
    """Prompts as examples, beside them the rule.

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
    return Part(examples, places, logit(shares_told(TELLING, examples)), len(tallrec_users(part)))


def collm(settings: Settings, part: str) -> Part:
    """Rows as timelines, beside them the behaviour model; of train so many labels, whole examples.

    "collm-told": what the behaviour model says stands in words beside each title.
    """
    others = behaviour_logits(part, seed=settings.seed)
    shares = expit(others) if settings.data == "collm-told" else None
    examples, places = collm_people(part, telling=TELLING, shares=shares)
    found = Part(examples, places, others[places], len(others))
    return found.some(settings.labels if part == "train" else None, settings.seed)


def shop(settings: Settings) -> dict[str, Any]:
    """Online Retail: the model tuned on what was taken of the first 20, beside the order of retrieval."""
    split = zy.split_by_time(zy.load_bundled("online-retail"))
    adapter = settings_folder(settings)
    recipe = load_recipe("retail", {"seed": settings.seed})
    guard = {"kl": 0.0, "most_kl": None, **settings.params.get("guard", {})}
    params = {**settings.params, "guard": guard}
    tuned = tune(recipe, split.train, adapter, people=settings.labels or 300, params=params)
    found: dict[str, Any] = {"tuning": tuned.to_dict()}
    users = settings.asked or 400
    for name, given in (("untuned", None), ("tuned", str(adapter))):
        rank = {"adapter": given, "scoring": "timeline", "examples": users // 2}
        overrides = {"seed": settings.seed, **{f"stages.rank.params.{key}": one for key, one in rank.items()}}
        recommender = zy.Recommender.from_recipe("retail", overrides).fit(split.train, split.valid)
        task = split.task("test").sample(users, seed=settings.seed)
        table, _, _ = evaluate_recommender(recommender, task, k=10, seed=settings.seed, ranker_alone=True)
        found[name] = {
            "weight": str(recommender.components.ranker.blend_),  # type: ignore[union-attr]
            "gain": {step: str(gain) for step, gain in step_gains(table, "ndcg@10").items()},
            "table": table.to_dict(),
        }
    return found


def settings_folder(settings: Settings) -> Path:
    """Where a run's adapter lies."""
    return cache_folder() / "experiments" / settings.name


LOADERS = {"tallrec": tallrec, "collm": collm, "collm-told": collm}


def run(settings: Settings) -> dict[str, Any]:
    """Tune, score validation and test, examine."""
    load = LOADERS[settings.data]
    parts = {part: load(settings, part) for part in ("train", "valid", "test")}
    for part in ("valid", "test"):
        parts[part] = parts[part].some(settings.asked, settings.seed)
    model = zy.load_language_model(MODEL)
    params = {name: value for name, value in settings.params.items() if value is not None}
    tuner = resolve("tuner", settings.method)(**params, seed=settings.seed, answers=TELLING.answers)
    shown = {part: one.shown(settings.prior) for part, one in parts.items()}
    tuner.fit(model, shown["train"])
    told = "".join(text for one in shown["train"] for text in (*one.segments, *one.branches))
    exam = general_exam(model, questions=settings.exam == "all", known=told)
    examiner = Examiner(model, exam)
    found: dict[str, Any] = {"scales": {}, "course": asdict(tuner.course_)}
    for scale in (0.0, *settings.scales):
        found["scales"][f"{scale:g}"] = {
            **{part: scores_of(tuner, shown[part], parts[part], scale) for part in ("valid", "test")},
            "retention": kept_of(examiner, tuner, scale),
        }
    found["train_labels"] = len(labels_of(shown["train"]))
    with tempfile.TemporaryDirectory() as folder:
        tuner.save(Path(folder) / "made")  # so what it kept to go on from goes
    return found


def kept_of(examiner: Examiner, tuner: Tuner, scale: float) -> dict[str, Any]:
    """Retention; that of the base model is the same in every run, and kept."""
    key = content_key(zy.__version__, MODEL, asdict(examiner.exam))
    file = cache_folder() / "experiments" / "base" / f"{key}.json"
    if scale == 0.0 and file.is_file():
        kept: dict[str, Any] = read_json(file)
        return kept
    found = examiner.examine(tuner.language_model(scale)).to_dict()
    if scale == 0.0:
        write_text(file, json.dumps(found))
    return found


def scores_of(
    tuner: Tuner, examples: Sequence[PackedExample], part: Part, scale: float
) -> list[float | None]:
    """Margins by row; those of the base model are the same in every run, and kept."""
    cache = ArrayCache(cache_folder() / "experiments" / "base")
    key = content_key(zy.__version__, MODEL, tuner.config.answers, [asdict(one) for one in examples])
    found = cache.get(key) if scale == 0.0 else None
    if found is None:
        found = np.concatenate(tuner.scores(examples, scale=scale))
        if scale == 0.0:
            cache.put(key, found)
    return [None if np.isnan(one) else round(float(one), 5) for one in by_row(found, part)]


def by_row(values: FloatArray, part: Part) -> FloatArray:
    """Values of branches by row of the part, NaN where none asks."""
    made = np.full(part.size, np.nan)
    made[part.places] = values
    return made


def truth(settings: Settings, part: str) -> tuple[FloatArray, FloatArray]:
    """Labels of a part's rows, and what something else says of them, log-odds.

    They stand in no file of results: the data sets may not ship.
    """
    found = LOADERS[settings.data](settings, part)
    return by_row(labels_of(found.examples), found), by_row(found.others, found)


def summary(settings: Settings, found: dict[str, Any]) -> Iterator[str]:
    """A line for each scale."""
    labels, others = truth(settings, "test")
    for scale, one in found["scales"].items():
        scores, kept = np.array(one["test"], dtype=np.float64), one["retention"]
        rows = ~np.isnan(scores)
        alone, both = (prediction.auc(labels[rows], it[rows]) for it in (scores, scores + others))
        told = f"test AUC {alone:.4f}, with the other {both:.4f}; KL {kept['kl']:.5f}"
        yield f"{scale:>5}: {told}, perplexity {kept['perplexity']:.3f}"


def main() -> None:
    """Parse, run what is missing, print what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--group", nargs="+", choices=list(groups(SEEDS)), default=list(groups(SEEDS)))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--quick", action="store_true", help="one seed, a few runs, smaller")
    parser.add_argument("--only", default="", help="runs whose name has this")
    parser.add_argument(
        "--out", type=Path, help="default: runs/experiments/tuning, with --quick tuning-quick"
    )
    parser.add_argument("--list", action="store_true", help="say what would run, and stop")
    options = parser.parse_args()
    known = quick() if options.quick else groups(options.seeds)
    folder = options.out or FOLDER / ("tuning-quick" if options.quick else "tuning")
    wanted = [one for name in options.group for one in known[name]]
    for settings in (one for one in wanted if options.only in one.name):
        path = folder / f"{settings.name}.json"
        if options.list or path.is_file():
            print(f"{'done' if path.is_file() else 'missing'} {settings.name}")
            continue
        start = time.perf_counter()
        found = shop(settings) if settings.data == "shop" else run(settings)
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
        for line in summary(settings, found) if "scales" in found else [str(found["tuned"]["gain"])]:
            print(line, flush=True)


if __name__ == "__main__":
    main()
