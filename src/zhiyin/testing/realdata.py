"""Public data sets that may not ship: found beside the checkout or where ``ZHIYIN_DATA`` says.

Expected folders and files: ``movielens-100k`` (events.csv.gz, items.csv, users.csv), ``amazon-beauty``
(sequences.txt.gz, items.csv), ``collm-movielens-1m`` (train, valid and test.parquet, items.csv),
``tallrec-movie`` (train, valid and test.jsonl.gz).
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import polars as pl

from zhiyin.data import Columns, Dataset
from zhiyin.errors import DataError

__all__ = [
    "amazon_beauty",
    "collm_items",
    "collm_movielens",
    "data_folder",
    "movielens",
    "shared_path",
    "tallrec_movie",
]

TEXT = {"user_id": pl.String, "item_id": pl.String}


def data_folder() -> Path | None:
    """Where the data sets lie; None: nowhere."""
    told = os.environ.get("ZHIYIN_DATA")
    folder = Path(told) if told else Path(__file__).parents[3].parent / "shared" / "data"
    return folder if folder.is_dir() else None


def shared_path(*parts: str) -> Path:
    """A file of the data sets, by its folder and name.

    Raises
    ------
    DataError
        When it is not there.
    """
    folder = data_folder()
    path = None if folder is None else folder.joinpath(*parts)
    if path is None or not path.exists():
        raise DataError(
            f"The data set {parts[0]} was not found",
            expected=" / ".join(parts),
            hint="Set ZHIYIN_DATA to the folder that holds it.",
        )
    return path


def movielens(*, least: float | None = 4.0) -> Dataset:
    """MovieLens-100K; ratings of at least ``least`` are events (Harper & Konstan 2015).

    ``least`` None: all ratings are, and their values are the stars.
    """
    events = pl.read_csv(shared_path("movielens-100k", "events.csv.gz"), schema_overrides=TEXT)
    items = pl.read_csv(shared_path("movielens-100k", "items.csv"), infer_schema=False)
    users = pl.read_csv(
        shared_path("movielens-100k", "users.csv"), schema_overrides={**TEXT, "zip_code": pl.String}
    )
    events = events.cast({"timestamp": pl.Float64})
    if least is None:
        return Dataset.from_frames(events.rename({"rating": Columns.VALUE}), items, users)
    return Dataset.from_frames(events.filter(pl.col("rating") >= least).drop("rating"), items, users)


def amazon_beauty() -> Dataset:
    """Amazon Beauty, 5-core (McAuley et al. 2015); an event's time is its place in the user's sequence."""
    with gzip.open(shared_path("amazon-beauty", "sequences.txt.gz"), "rt", encoding="utf-8") as lines:
        rows = [line.split() for line in lines]
    events = pl.DataFrame(
        {
            Columns.USER_ID: [row[0] for row in rows for _ in row[1:]],
            Columns.ITEM_ID: [item for row in rows for item in row[1:]],
            Columns.TIMESTAMP: [float(place) for row in rows for place in range(len(row) - 1)],
        }
    )
    items = pl.read_csv(shared_path("amazon-beauty", "items.csv"), infer_schema=False)
    return Dataset.from_frames(events, items)


def collm_movielens(part: str) -> pl.DataFrame:
    """CoLLM's like and dislike pairs of MovieLens-1M (Zhang et al. 2023); "train", "valid" or "test".

    Columns ``user_id item_id label timestamp not_cold history``.
    """
    return pl.read_parquet(shared_path("collm-movielens-1m", f"{part}.parquet"))


def collm_items() -> pl.DataFrame:
    """CoLLM's films: ``item_id`` (whole numbers), ``title`` with the year at its end."""
    return pl.read_csv(shared_path("collm-movielens-1m", "items.csv"))


def tallrec_movie(part: str) -> list[dict[str, Any]]:
    """TALLRec's prompts from MovieLens-100K (Bao et al. 2023): dictionaries instruction, input, output."""
    path = shared_path("tallrec-movie", f"{part}.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
