"""What each rule of cleaning does to NDCG: on real data as it is, and with planted dirt.

    python benchmarks/cleaning.py > cleaning.json
    python benchmarks/cleaning.py --markdown

The data are split by time; the test is never touched. Each rule cleans the train part alone; EASE (for
rules on events) or the semantic retriever (for rules on titles) is fitted before and after, and the
paired difference in NDCG@10 on the same users is taken, cleaned minus as it was. Then dirt of the kind
that the rule is for is planted into train: a tenth of the events copied; 40 programs that click 200
random items at even intervals; 40 users who each click 200 random items within 20 seconds; 5 % of the
events with a value far beyond the scale, on random items; 30 % of the titles decoded wrongly. Rules that
only touch what users write (near-duplicate-texts, spam-texts) change no list and are left out.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import psutil

import zhiyin as zy
from zhiyin.data import Columns, Dataset, Task
from zhiyin.data.cleaning import clean, clean_titles
from zhiyin.data.cleaning.apply import Switches
from zhiyin.evaluate.hits import find_hits
from zhiyin.evaluate.intervals import bootstrap_mean, paired_difference
from zhiyin.evaluate.ranking import METRICS
from zhiyin.retrieve import make_retriever
from zhiyin.testing.realdata import data_folder
from zhiyin.types import FloatArray

K = 10
Dirt = Callable[[Dataset, np.random.Generator], Dataset]


def with_events(train: Dataset, extra: pl.DataFrame) -> Dataset:
    """Train with more events, sorted by time."""
    types = train.events.schema[Columns.EVENT]
    frame = extra.with_columns(pl.col(Columns.EVENT).cast(types)).select(train.events.columns)
    frame = frame.cast(train.events.schema)
    events = pl.concat([train.events, frame]).sort(Columns.TIMESTAMP, maintain_order=True)
    return replace(train, events=events)


def made_up(
    train: Dataset, users: np.ndarray, items: np.ndarray, times: np.ndarray, value: float = 1.0
) -> pl.DataFrame:
    """Events of given users, items and times."""
    return pl.DataFrame(
        {
            Columns.USER: users.astype(np.int32), Columns.ITEM: items.astype(np.int32),
            Columns.TIMESTAMP: times.astype(np.float64), Columns.EVENT: [train.event_types[0]] * len(users),
            Columns.VALUE: np.full(len(users), value), Columns.QUANTITY: np.ones(len(users)),
            Columns.SESSION_ID: pl.Series([None] * len(users), dtype=pl.String),
        }
    )  # fmt: skip


def copies(train: Dataset, draw: np.random.Generator) -> Dataset:
    """A tenth of the events once more."""
    rows = draw.choice(train.n_events, train.n_events // 10, replace=False)
    return with_events(train, train.events[np.sort(rows)])


def programs(train: Dataset, draw: np.random.Generator) -> Dataset:
    """40 unused user places clicking at even intervals; users of the test are never programs."""
    users = np.repeat(_fresh(train, draw), 200)
    end = train.events[Columns.TIMESTAMP][-1]
    times = np.tile(end - 600.0 * np.arange(200, 0, -1), 40)
    return with_events(train, made_up(train, users, draw.integers(train.n_items, size=len(users)), times))


def bursts(train: Dataset, draw: np.random.Generator) -> Dataset:
    """40 users, each 200 items within 20 seconds."""
    users = np.repeat(_fresh(train, draw), 200)
    end = train.events[Columns.TIMESTAMP][-1]
    times = np.repeat(end - draw.uniform(1e5, 1e6, 40), 200) + draw.uniform(0, 20, len(users))
    return with_events(train, made_up(train, users, draw.integers(train.n_items, size=len(users)), times))


def wild_values(train: Dataset, draw: np.random.Generator) -> Dataset:
    """5 % more events, on random items, of a value of 100."""
    n = train.n_events // 20
    active = train.active_users
    times = draw.choice(train.events[Columns.TIMESTAMP].to_numpy(), n)
    extra = made_up(train, draw.choice(active, n), draw.integers(train.n_items, size=n), times, value=100.0)
    return with_events(train, extra)


def mojibake(train: Dataset, draw: np.random.Generator) -> Dataset:
    """30 % of the titles with curly quotes added and decoded wrongly, HTML escaped."""
    frame = train.catalogue.frame
    hit = draw.random(frame.height) < 0.3
    titles = [
        f"“{title.replace(' ', '&nbsp;')}”".encode().decode("cp1252", "replace") if dirty else title
        for title, dirty in zip(frame[Columns.TITLE], hit, strict=True)
    ]
    catalogue = zy.Catalogue.from_frame(frame.with_columns(pl.Series(Columns.TITLE, titles)))
    return replace(train, catalogue=catalogue)


def _fresh(train: Dataset, draw: np.random.Generator) -> np.ndarray:
    """40 users without events in train: programs that nobody knows."""
    idle = np.setdiff1d(np.arange(train.n_users), train.active_users)
    chosen = idle if len(idle) >= 40 else train.active_users
    return draw.choice(chosen, 40, replace=False)


RULES: Mapping[str, tuple[Dirt | None, Switches]] = {
    "duplicates": (copies, {}),
    "returns": (None, {}),
    "impossible-values": (None, {}),
    "time-range": (None, {}),
    "bots": (programs, {}),
    "inhuman-rates": (bursts, {}),
    "value-range": (wild_values, {"value-range": {"value_from": 0.0, "value_to": 10.0}}),
    "value-range from 4 (films)": (None, {"value-range": {"value_from": 4.0}}),
    "mojibake, unicode, unseen-characters": (mojibake, {}),
}


def cleaned(train: Dataset, rule: str, switches: Switches) -> tuple[Dataset, int]:
    """Train after one rule, and the rows that it touched."""
    if rule.startswith("mojibake"):
        frame = train.catalogue.frame
        titles = clean_titles(frame[Columns.TITLE].to_list())
        touched = sum(one != other for one, other in zip(titles, frame[Columns.TITLE], strict=True))
        catalogue = zy.Catalogue.from_frame(frame.with_columns(pl.Series(Columns.TITLE, titles)))
        return replace(train, catalogue=catalogue), touched
    name = rule.split(" ")[0]
    only: dict[str, Any] = {one: one == name for one in ("duplicates", "returns", "impossible-values")}
    only |= {name: switches.get(name, True)}
    table = train.events.rename({Columns.USER: Columns.USER_ID, Columns.ITEM: Columns.ITEM_ID})
    kept, _ = clean(table.with_row_index(Columns.LINE), "events", only)
    keep = np.zeros(train.n_events, dtype=bool)
    keep[kept[Columns.LINE].to_numpy()] = True
    return train.where(pl.Series(keep), cut=train.cut), int((~keep).sum())


def score(train: Dataset, task: Task, rule: str) -> FloatArray:
    """NDCG of each user."""
    method = "semantic" if rule.startswith("mojibake") else "ease"
    lists = make_retriever(method).fit(train).retrieve(task.queries, K).items
    return METRICS["ndcg"](find_hits(lists, task.relevant, K))


def run(data: Dataset, seed: int) -> list[dict[str, Any]]:
    """Each rule, as the data is and with dirt."""
    split = zy.split_by_time(data)
    task = split.task("test")
    known = split.train.joined(split.valid)
    rows = []
    for rule, (dirt, switches) in RULES.items():
        if "films" in rule and not (known.events[Columns.VALUE].max() or 1) > 1:
            continue
        for state, train in (("as it is", known), ("with dirt", None)):
            if train is None:
                if dirt is None:
                    continue
                train = dirt(known, np.random.default_rng(seed))
            after, touched = cleaned(train, rule, switches)
            row: dict[str, Any] = {"rule": rule, "data": state, "events": train.n_events, "touched": touched}
            if touched:
                before, later = score(train, task, rule), score(after, task, rule)
                row["before"] = bootstrap_mean(before, seed=seed).to_dict()
                row["difference"] = paired_difference(later, before, seed=seed).to_dict()
            rows.append(row)
    return rows


def table(found: Mapping[str, list[dict[str, Any]]]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| data | rule | state | rows touched | NDCG@10 before | cleaned minus before |",
        "| --- " * 6 + "|",
    ]
    for name, rows in found.items():
        for row in rows:
            told = ["", "touches nothing"]
            if row["touched"]:
                gain = row["difference"]
                told = [
                    f"{row['before']['mean']:.4f}",
                    f"{gain['mean']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]",
                ]
            lines.append(
                f"| {name} | {row['rule']} | {row['data']} | {row['touched']:,} | {' | '.join(told)} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    data = {"Online Retail": zy.load_bundled("online-retail")}
    folder = data_folder()
    if folder is not None:
        films = folder / "movielens-100k"
        data["MovieLens-100K"] = zy.Dataset.from_files(films / "events.csv.gz", films / "items.csv")
    found = {name: run(one, options.seed) for name, one in data.items()}
    if options.markdown:
        print(table(found))
        return
    machine = {"cpu": platform.processor() or platform.machine(), "cores": psutil.cpu_count()}
    about = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine,
        "seed": options.seed,
        "zhiyin": zy.__version__,
    }
    print(json.dumps({**about, "results": found}, indent=1))


if __name__ == "__main__":
    main()
