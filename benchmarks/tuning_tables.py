"""Tables of what ``benchmarks/tuning.py`` found, with intervals clustered by user; Markdown.

python benchmarks/tuning_tables.py
python benchmarks/tuning_tables.py --results runs/experiments/tuning --page runs/experiments/retention
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from tuning import EVERY, Settings, truth
from zhiyin.evaluate import prediction
from zhiyin.evaluate.intervals import Interval
from zhiyin.evaluate.pointwise import evaluate_predictions
from zhiyin.lm.retention.exam import Retention
from zhiyin.lm.retention.report import retention_dict, write_retention_report
from zhiyin.lm.retention.standing import Standing
from zhiyin.testing.people import tallrec_users
from zhiyin.testing.realdata import collm_movielens
from zhiyin.types import BoolArray, FloatArray

Run = Mapping[str, Any]
METRICS = ("auc", "user_auc")


def truth_of(run: Run, part: str) -> tuple[FloatArray, FloatArray]:
    """Labels, and what something else says, of a part's rows."""
    own = run["settings"]
    few = own["labels"] != EVERY
    return _truth(
        own["data"].removesuffix("-told"),
        1 if few and own["data"] == "tallrec" else own["labels"],
        own["seed"],
        part,
    )


@cache
def _truth(data: str, labels: int | None, seed: int, part: str) -> tuple[FloatArray, FloatArray]:
    return truth(Settings(data, labels, "lora", seed=seed), part)


def scores_of(run: Run, part: str, scale: str) -> FloatArray:
    """Margins of a part's rows, NaN where none was asked."""
    return np.array(run["scales"][scale][part], dtype=np.float64)


def asked(run: Run, part: str) -> BoolArray:
    """The rows of a part that were asked."""
    return ~np.isnan(scores_of(run, part, "0"))


def quality(run: Run, scale: str) -> float:
    """AUC on test."""
    rows = asked(run, "test")
    return prediction.auc(truth_of(run, "test")[0][rows], scores_of(run, "test", scale)[rows])


def _interval(run: Run, scale: str) -> Interval:
    """AUC on test, with its interval."""
    rows = asked(run, "test")
    labels, scores = truth_of(run, "test")[0][rows].astype(int), scores_of(run, "test", scale)[rows]
    found = evaluate_predictions({"own": scores}, users_of(run)[rows], labels, baseline="own")
    return found.intervals["own"]["auc"]


def blended(run: Run, scale: str) -> tuple[FloatArray, list[float]]:
    """Prior and model joined by a regression on validation, for test; and its two weights."""
    both = {
        part: np.stack([truth_of(run, part)[1], scores_of(run, part, scale)], 1) for part in ("valid", "test")
    }
    rows = asked(run, "valid")
    fitted = LogisticRegression(C=100.0).fit(both["valid"][rows], truth_of(run, "valid")[0][rows] > 0.5)
    return both["test"] @ fitted.coef_[0] + fitted.intercept_[0], fitted.coef_[0].tolist()


def systems(run: Run, scale: str) -> dict[str, FloatArray]:
    """Whose predictions for test stand beside one another."""
    return {
        "without": truth_of(run, "test")[1],
        "model untuned": scores_of(run, "test", "0"),
        "model tuned": scores_of(run, "test", scale),
        "blend": blended(run, scale)[0],
    }


def users_of(run: Run) -> np.ndarray:
    """Whose the rows of test are."""
    if run["settings"]["data"] == "tallrec":
        return tallrec_users("test")
    return collm_movielens("test")["user_id"].to_numpy()


def table_of(run: Run, rows: BoolArray | None = None, *, scale: str = "1") -> list[str]:
    """A line for each system."""
    users, labels = users_of(run), (truth_of(run, "test")[0] > 0.5).astype(int)
    mask = asked(run, "test") if rows is None else rows & asked(run, "test")
    scores = {name: one[mask] for name, one in systems(run, scale).items()}
    found = evaluate_predictions(scores, users[mask], labels[mask], baseline="without").to_dict()
    lines = []
    for name, cells in found["systems"].items():
        told = [
            f"{cells[one]['mean']:.4f} [{cells[one]['low']:.4f}, {cells[one]['high']:.4f}]" for one in METRICS
        ]
        gains = found["differences"].get(name)
        for one in METRICS:
            told.append("" if gains is None else "{mean:+.4f} [{low:+.4f}, {high:+.4f}]".format(**gains[one]))
        lines.append(f"| {name} | {' | '.join(told)} |")
    return lines


def few(runs: Sequence[Run]) -> Iterator[str]:
    """TALLRec; the rule and the untuned model once, as they are the same in all runs."""
    yield "| labels, guard, seed | system | AUC | within-user AUC | AUC, paired with the rule | within-user |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for number, run in enumerate(runs):
        for line in table_of(run)[0 if number == 0 else 2 :]:
            yield f"| {_about(run)} {line}"


def kept(runs: Sequence[Run]) -> Iterator[str]:
    """What guarded runs keep of the gain of those without, and of the base model; then means over seeds."""
    yield "| run | AUC, base | AUC | gain kept | guarded minus not | perplexity | without `<unk>` | KL |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    means: dict[str, list[list[float]]] = defaultdict(list)
    for run in runs:
        plain = _unguarded(run, runs)
        base, tuned = quality(run, "0"), quality(run, "1")
        numbers = [_change(run, "perplexity"), _change(run, "perplexity_unmarked")]
        numbers.append(run["scales"]["1"]["retention"]["kl"])
        own = run["settings"]
        gains = [tuned - base, (quality(plain, "1") if plain else tuned) - base]
        means[f"{own['labels']}, {_name(own)}, mean of"].append([base, tuned, *gains, *numbers])
        beside = plain is not None and plain is not run
        share = f"{gains[0] / gains[1]:.0%}" if beside else ""
        difference = _paired(plain, run) if beside and plain else ""
        yield f"| {_about(run)} | {base:.4f} | {tuned:.4f} | {share} | {difference} | {_told(numbers)} |"
    for name, rows in means.items():
        base, tuned, gain, whole, *numbers = np.mean(rows, axis=0)
        share = f"{gain / whole:.0%}"
        yield f"| {name} {len(rows)} | {base:.4f} | {tuned:.4f} | {share} | | {_told(numbers)} |"


def _unguarded(run: Run, runs: Sequence[Run]) -> Run | None:
    """The same run without a guard; None: it was not made."""

    def key(one: Run) -> Any:
        own = one["settings"]
        return {**own, "params": {name: value for name, value in own["params"].items() if name != "guard"}}

    same = (one for one in runs if not one["settings"]["params"].get("guard") and key(one) == key(run))
    return next(same, None)


def _paired(plain: Run, run: Run) -> str:
    """Difference of two runs in AUC."""
    rows = asked(run, "test")
    labels = truth_of(run, "test")[0][rows].astype(int)
    scores = {name: scores_of(one, "test", "1")[rows] for name, one in (("plain", plain), ("own", run))}
    told = evaluate_predictions(scores, users_of(run)[rows], labels, baseline="plain").to_dict()
    return "{mean:+.4f} [{low:+.4f}, {high:+.4f}]".format(**told["differences"]["own"]["auc"])


def _told(numbers: Sequence[float]) -> str:
    """Two changes of perplexity, and KL."""
    changes = ["" if np.isnan(one) else f"{one:+.2%}" for one in numbers[:2]]
    return " | ".join([*changes, f"{numbers[2]:.4f}"])


def _change(run: Run, name: str) -> float:
    """Of a measure of retention, against the base model; NaN where it was not taken."""
    now, before = (run["scales"][scale]["retention"].get(name) for scale in ("1", "0"))
    return float("nan") if now is None else now / before - 1


def collaboration(runs: Sequence[Run]) -> Iterator[str]:
    """CoLLM: all, warm and cold rows."""
    warm = collm_movielens("test")["not_cold"].to_numpy() == 1
    yield "| labels, way, seed | rows | system | AUC | within-user AUC | AUC, paired | within-user, paired |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for run in runs:
        for name, rows in (("all", warm | ~warm), ("warm", warm), ("cold", ~warm)):
            for line in table_of(run, rows):
                yield f"| {_way(run['settings'])} | {name} {line}"


def shops(runs: Sequence[Run]) -> Iterator[str]:
    """Online Retail: the weight of the model, and what it adds to the order of retrieval."""
    yield "| run | model | weight beside retrieval | NDCG@10, paired with the stage before |"
    yield "| --- | --- | --- | --- |"
    for run in runs:
        for name in ("untuned", "tuned"):
            gains = "; ".join(f"{step} {gain}" for step, gain in run[name]["gain"].items())
            yield f"| {_about(run)} | {name} | {run[name]['weight']} | {gains} |"


def page(runs: Sequence[Run], folder: Path) -> None:
    """The retention report of all runs that were examined with questions."""
    rows: list[Standing] = []
    for run in runs:
        for scale, one in run["scales"].items():
            if scale == "0" and rows:
                continue
            name = "base" if scale == "0" else _name(run["settings"])
            auc = _interval(run, scale)
            known = Retention(**one["retention"])
            rows.append(Standing(name, float(scale), auc.mean, known, (auc.low, auc.high)))
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "seed": runs[0]["settings"]["seed"],
        "date": runs[0]["date"],
        "script": "benchmarks/tuning.py --group front",
    }
    write_retention_report(folder, retention_dict(rows, quality="AUC on TALLRec's test part", about=about))


def _about(run: Run) -> str:
    own = run["settings"]
    return f"{own['labels']}, {_name(own)}, seed {own['seed']}"


def _way(settings: Mapping[str, Any]) -> str:
    """How the behaviour model, if at all, was told to the language model."""
    way = "in the prompt" if settings["data"].endswith("-told") else f"prior: {settings['prior']}"
    objective = settings["params"].get("objective", "yes-no")
    return f"{settings['labels'] or 'all'}, {way}, {objective}, seed {settings['seed']}"


def _name(settings: Mapping[str, Any]) -> str:
    guards = [f"{name} {value:g}" for name, value in settings["params"].get("guard", {}).items()]
    return " + ".join([settings["method"], *guards])


def main() -> None:
    """Parse, read, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=Path("runs/experiments/tuning"))
    parser.add_argument("--page", type=Path, help="folder for the retention report")
    options = parser.parse_args()
    runs = [json.loads(path.read_text("utf-8")) for path in sorted(options.results.glob("*.json"))]
    runs.sort(
        key=lambda run: (str(run["settings"]["labels"]), run["settings"]["method"], run["settings"]["seed"])
    )
    texts = [run for run in runs if run["settings"]["exam"] == "texts"]
    prompts = [run for run in texts if run["settings"]["data"] == "tallrec"]
    for heading, lines in (
        ("TALLRec", few([run for run in prompts if run["settings"]["labels"] <= 256])),
        ("Retention", kept([run for run in prompts if run["settings"]["labels"] >= 256])),
        ("CoLLM", collaboration([run for run in texts if run["settings"]["data"].startswith("collm")])),
        ("Online Retail", shops([run for run in texts if run["settings"]["data"] == "shop"])),
    ):
        print(f"## {heading}\n\n" + "\n".join(lines) + "\n")
    examined = [run for run in runs if run["settings"]["exam"] == "all"]
    if options.page and examined:
        page(examined, options.page)
        print(f"The retention report is in {options.page}")


if __name__ == "__main__":
    main()
