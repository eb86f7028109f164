"""Published tables beside ours on the same files, with what differs in the protocols; one page of Markdown.

Data sets that may not ship are looked for where ``ZHIYIN_DATA`` says; those that are not there are left
out by name. Numbers of others are quoted from their papers, not measured here.

    python benchmarks/reproduce.py > docs/reproduction.md
    python benchmarks/reproduce.py --json
    python benchmarks/reproduce.py --language-model      # also asks SmolLM2-135M, untuned (minutes)
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import zhiyin as zy
from zhiyin.errors import DataError
from zhiyin.evaluate import bootstrap_mean, ranking
from zhiyin.evaluate.pointwise import PredictionTable, evaluate_predictions
from zhiyin.evaluate.rules import pointwise_rules, share_of_likes
from zhiyin.logs import configure
from zhiyin.retrieve import make_retriever
from zhiyin.testing.realdata import amazon_beauty, collm_movielens, tallrec_movie
from zhiyin.types import FloatArray

PROMPT = re.compile(
    r"User Preference: (.*)\nUser Unpreference: (.*)\nWhether the user will like the target movie (.*)\?",
    re.S,
)
TITLE = re.compile(r'"((?:[^"]|"(?=[^,\n?]))*?)"(?=,|\n|$|\?)')
METHODS = {"fused": "fusion", "sasrec by ids": "sasrec"}  # where the row is not called as its method
SAME_USER = 7  # of the ten titles that two prompts of one user share, at least


@dataclass(frozen=True)
class Section:
    """One benchmark: what the papers print, what we measure, and why the two may differ."""

    title: str
    metrics: tuple[str, ...]
    published: Mapping[str, tuple[float | None, ...]]
    ours: Mapping[str, tuple[str, ...]]
    notes: str


def tallrec(*, ask: bool) -> Section:
    """TALLRec's film prompts: will the user like the film? 1,000 test prompts."""
    rows = [PROMPT.match(row["input"]) for row in tallrec_movie("test")]
    likes, dislikes = ([TITLE.findall(row[side]) for row in rows if row] for side in (1, 2))
    labels = np.array([row["output"].strip() == "Yes." for row in tallrec_movie("test")])
    users = _users(likes, dislikes)
    systems = {
        "share of likes in the prompt": share_of_likes(list(map(len, likes)), list(map(len, dislikes)))
    }
    systems["constant"] = np.full(len(labels), 0.5)
    if ask:
        systems["SmolLM2-135M, untuned"] = _asked(tallrec_movie("test"))
    rule = "share of likes in the prompt"
    table = evaluate_predictions(systems, users, labels, baseline=rule)
    published = {
        "TALLRec (LLaMA-7B), 16 examples (Bao et al. 2023)": (0.6724, None),
        "TALLRec (LLaMA-7B), 64 examples": (0.6748, None),
        "TALLRec (LLaMA-7B), 256 examples": (0.7198, None),
    }
    return Section(
        "TALLRec, films",
        ("AUC", "within-user AUC"),
        published,
        _rows(table),
        f"The {len(labels)} test prompts come from only {table.users} users (prompts that share "
        f"{SAME_USER} of their ten titles are of one user), so that intervals by user are very wide; "
        "the paper prints none. A rule without any training, the share of likes among the ten titles "
        f"of the prompt itself, has an AUC above {_above(table.intervals[rule]['auc'].mean, published, 0)} "
        "printed numbers. It knows who likes much, not what: that is the second column. The paper's numbers "
        "are over all prompts together, as our first column.",
    )


def collm() -> Section:
    """CoLLM's MovieLens-1M: will the user like the film? Split by time."""
    train, test = collm_movielens("train"), collm_movielens("test")
    known = (train[name].to_numpy() for name in ("user_id", "item_id", "label"))
    rules = pointwise_rules(*known, test["user_id"].to_numpy(), test["item_id"].to_numpy())
    labels, users = test["label"].to_numpy(), test["user_id"].to_numpy()
    table = evaluate_predictions(rules, users, labels, baseline="user mean + item mean")
    warm = test["not_cold"].to_numpy() == 1
    part = evaluate_predictions(
        {name: scores[warm] for name, scores in rules.items()},
        users[warm],
        labels[warm],
        baseline="user mean + item mean",
    )
    published = {
        "MF (Zhang et al. 2023)": (0.6482, 0.6361),
        "SASRec": (0.7078, 0.6884),
        "DIN": (0.7166, 0.6459),
        "TALLRec (Vicuna-7B)": (0.7097, 0.6818),
        "CoLLM-MF (Vicuna-7B)": (0.7295, 0.6875),
        "BinLLM (Vicuna-7B), Zhang et al. 2024": (0.7425, 0.6956),
    }
    rule = table.intervals["user mean + item mean"]
    ours = _rows(table) | {f"{name}, warm rows only": row for name, row in _rows(part).items()}
    return Section(
        "CoLLM, MovieLens-1M",
        ("AUC", "within-user AUC"),
        published,
        ours,
        f"{len(labels)} test rows of {table.users} users; {table.users_with_both} of them have both "
        "labels and count within users. The rule: mean label of the user plus mean label of the film, "
        "each drawn towards the overall mean by five examples, from train alone. It stands above "
        f"{_above(rule['auc'].mean, published, 0)} printed numbers in AUC and above "
        f"{_above(rule['user_auc'].mean, published, 1)} within users. "
        "Warm rows: user and film both in train.",
    )


def beauty() -> Section:
    """Amazon Beauty, each user's last item, whole catalogue."""
    split = zy.leave_last_out(amazon_beauty())
    task = split.task("test")
    published = {
        "GRU4Rec (as printed by Rajput et al. 2023)": (0.0164, 0.0099, 0.0283, 0.0137),
        "BERT4Rec": (0.0203, 0.0124, 0.0347, 0.0170),
        "SASRec": (0.0387, 0.0249, 0.0605, 0.0318),
        "S3-Rec": (0.0387, 0.0244, 0.0647, 0.0327),
        "P5": (0.0163, 0.0107, 0.0254, 0.0136),
        "TIGER": (0.0454, 0.0321, 0.0648, 0.0384),
    }
    ours, standing = {}, []
    names = ("item-knn", "transitions", "als", "ease", "bm25", "semantic")
    members = [{"method": name} for name in names]
    for name, params in {
        "popular": {},
        **{name: {} for name in names},
        "sasrec by ids": {"text": "none", "words": False},
        "sasrec": {},
        "fused": {"members": [{"method": "popular"}, *members]},
        "blend": {"members": members},
    }.items():
        print(f"Amazon Beauty: {name} ...", file=sys.stderr)
        retriever = make_retriever(METHODS.get(name, name), **params)
        found = retriever.fit(split.train, split.valid).retrieve(task.queries, 10).items
        ours[name] = tuple(
            _cell(bootstrap_mean(metric(found, task.relevant, k)))
            for metric, k in (
                (ranking.recall, 5),
                (ranking.ndcg, 5),
                (ranking.recall, 10),
                (ranking.ndcg, 10),
            )
        )
        standing.append(f"{name} {_above(float(ours[name][3].split()[0]), published, 3)}")
    return Section(
        "Amazon Beauty, leave-last-out",
        ("Recall@5", "NDCG@5", "Recall@10", "NDCG@10"),
        published,
        ours,
        f"{len(task.queries)} users, {split.train.n_items} items, fitted on train alone; the validation item "
        "is in the history of the question, as is usual; fusion and blend learn their weights on validation, "
        "and networks stop on it. "
        "We leave out of a list what the user has seen; papers differ in that and rarely say. Above how many "
        f"of the printed NDCG@10 our methods stand: {', '.join(standing)}.",
    )


def _above(value: float, published: Mapping[str, tuple[float | None, ...]], column: int) -> str:
    """Above how many of the printed numbers a value stands."""
    printed = [row[column] for row in published.values() if row[column] is not None]
    return f"{sum(value > number for number in printed)} of {len(printed)}"


def _users(likes: list[list[str]], dislikes: list[list[str]]) -> FloatArray:
    """A number for each user: prompts that share most of their titles, likes apart, are of one."""
    told = [
        {(title, 1) for title in good} | {(title, 0) for title in bad}
        for good, bad in zip(likes, dislikes, strict=True)
    ]
    parent = list(range(len(told)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    for row in range(len(told)):
        for other in range(row):
            if len(told[row] & told[other]) >= SAME_USER:
                parent[root(row)] = root(other)
    return np.array([root(row) for row in range(len(told))])


def _asked(rows: list[dict[str, Any]]) -> FloatArray:
    """Probability of "Yes" against "No" from the language model as it ships."""
    model = zy.load_language_model("smollm2-135m")
    found = []
    for place, row in enumerate(rows):
        if place % 100 == 0:
            print(f"SmolLM2-135M: {place} of {len(rows)} prompts", file=sys.stderr)
        text = f"{row['instruction']}\n{row['input']}"
        prefix = model.chat_prompt([{"role": "user", "content": text}])
        logits = model.answer_logits(prefix, [""], ("Yes", "No"))
        found.append(float(logits[0, 0] - logits[0, 1]))
    return 1.0 / (1.0 + np.exp(-np.array(found)))


def _rows(table: PredictionTable) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(_cell(found[metric]) for metric in ("auc", "user_auc"))
        for name, found in table.intervals.items()
    }


def _cell(one: Any) -> str:
    return f"{one.mean:.4f} [{one.low:.4f}, {one.high:.4f}]"


def page(sections: list[Section], options: str) -> str:
    """The page; ``options`` of the command that made it."""
    lines = [
        "# Published numbers beside ours",
        "",
        f"Made by `python benchmarks/reproduce.py{options}` on {time.strftime('%Y-%m-%d')} "
        f"({platform.machine()}, Python {platform.python_version()}, zhiyin {zy.__version__}). "
        "Published numbers are quoted from the papers named, not measured here, and have no intervals "
        "because the papers print none; ours have 95 % intervals by bootstrap over users. Rows marked "
        "*ours* are rules, classical methods and networks: what anything new must beat. "
        "Check a published number in its paper before you cite it.",
    ]
    for one in sections:
        lines += ["", f"## {one.title}", "", f"| system | {' | '.join(one.metrics)} |"]
        lines.append("| --- " * (len(one.metrics) + 1) + "|")
        for name, numbers in one.published.items():
            cells = ["" if number is None else f"{number:.4f}" for number in numbers]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        lines += [f"| *ours:* {name} | {' | '.join(cells)} |" for name, cells in one.ours.items()]
        lines += ["", one.notes]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure what is there, print the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--language-model", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    configure(level="error", bars=False)
    made: list[Section] = []
    makers: dict[str, Callable[[], Section]] = {
        "TALLRec": lambda: tallrec(ask=options.language_model),
        "CoLLM": collm,
        "Amazon Beauty": beauty,
    }
    for name, make in makers.items():
        try:
            made.append(make())
        except DataError as error:
            print(f"{name} left out: {error.message}", file=sys.stderr)
    flags = " --language-model" if options.language_model else ""
    print(json.dumps([vars(one) for one in made], indent=1) if options.json else page(made, flags), end="")


if __name__ == "__main__":
    main()
