"""What a first look by few dimensions costs in recall: the best n of a catalogue's titles, for made-up users.

Each user is the mean of 1 to 29 items drawn at random. Prints one JSON object.

    python benchmarks/first_look.py                          # Online Retail
    python benchmarks/first_look.py --items path/items.csv   # any table with a column "title"
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import polars as pl

from zhiyin.data import load_bundled
from zhiyin.lm import load_text_encoder
from zhiyin.retrieve import top_n
from zhiyin.retrieve.reduced import ReducedVectors
from zhiyin.types import ScoreArray


def unit(vectors: ScoreArray) -> ScoreArray:
    """Vectors of length 1."""
    return np.float32(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))


def main() -> None:
    """Encode, look, compare, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=Path)
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    titles = load_bundled("online-retail").catalogue.titles
    if options.items:
        titles = pl.read_csv(options.items, schema_overrides={"title": pl.String})["title"].fill_null("")
    raw = load_text_encoder("minilm-l6").encode(list(titles))
    vectors = unit(raw - raw.mean(axis=0))
    rng = np.random.default_rng(options.seed)
    taken = [rng.integers(0, len(vectors), rng.integers(1, 30)) for _ in range(options.users)]
    users = unit(np.stack([vectors[items].mean(axis=0) for items in taken]))
    recall = {}
    for dimensions in (32, 64, 96, 128):
        reduced = ReducedVectors.of(vectors, dimensions=dimensions)
        for n in (10, 100, 300):
            exact = top_n(users @ vectors.T, n).items
            found = reduced.best(users, n, hide=lambda scores: None).items
            hits = [np.isin(one, other).mean() for one, other in zip(exact, found, strict=True)]
            recall[f"{dimensions} dimensions, best {n}"] = round(float(np.mean(hits)), 4)
    about = {"date": time.strftime("%Y-%m-%d"), "seed": options.seed, "items": len(vectors)}
    print(json.dumps({**about, "users": options.users, "recall": recall}, indent=1))


if __name__ == "__main__":
    main()
