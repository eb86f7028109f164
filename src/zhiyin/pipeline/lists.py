"""Lists of other systems from a Parquet file, with remarks on what is odd in them; knows no metric."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from zhiyin.data import Catalogue, Columns, Task
from zhiyin.errors import DataError
from zhiyin.types import IntArray

__all__ = ["SavedLists", "read_lists"]

RANK: Final = "rank"
SCORE: Final = "score"
ROW: Final = "_row"


@dataclass(frozen=True, eq=False)
class SavedLists:
    """Lists as indices, int32 [U, k] in the order of the task's users, -1 where short; ``notes``."""

    items: IntArray
    notes: tuple[str, ...]


def read_lists(path: str | Path, task: Task, catalogue: Catalogue, k: int, *, name: str) -> SavedLists:
    """Read ``user_id``, ``item_id`` and ``rank`` (1 = best) or ``score`` (largest = best).

    With both, the rank counts; with neither, the order of the rows. An item that the catalogue does not
    know keeps its place and counts as a miss. Missing users, short lists, repeated or seen items are
    measured as they are, and told in ``notes``.

    Raises
    ------
    DataError
        When the file cannot be read, lacks a column, holds none of the users or of the items, has ids
        that are neither text nor integers, ranks that are missing or twice the same for a user, or
        scores that are no numbers.
    """
    frame = _ordered(Path(path))
    asked = pl.DataFrame({Columns.USER_ID: task.queries.users}, schema={Columns.USER_ID: pl.String})
    used = frame.join(asked.unique(), on=Columns.USER_ID, how="semi")
    if used.height == 0:
        raise DataError(
            f"{path} holds none of the test users",
            expected=f"ids such as {', '.join(map(repr, asked[Columns.USER_ID][:3]))}",
            received=", ".join(map(repr, frame[Columns.USER_ID][:3])),
            hint="Write the user ids as they are spelled in the events.",
        )
    by_user = used.group_by(Columns.USER_ID, maintain_order=True).agg(pl.col(Columns.ITEM_ID).head(k))
    saved = dict(by_user.iter_rows())
    items = np.full((len(task.queries), k), -1, dtype=np.int32)
    lengths = np.zeros(len(items), dtype=np.int32)
    for row, user in enumerate(task.queries.users):
        found = catalogue.index_of(saved.get(user, []))
        items[row, : len(found)], lengths[row] = found, len(found)
    if (items < 0).all():
        raise DataError(
            f"{path} holds none of the catalogue's items",
            expected=f"ids such as {', '.join(map(repr, catalogue.ids[:3]))}",
            received=", ".join(map(repr, used[Columns.ITEM_ID][:3])),
            hint="Write the item ids as they are spelled in the items.",
        )
    return SavedLists(items, tuple(f"{name}: {note}" for note in _notes(items, lengths, task, frame, saved)))


def _ordered(path: Path) -> pl.DataFrame:
    """The rows, ids as text, best first."""
    try:
        frame = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        received = str(error).strip().split("\n")[0]
        raise DataError(f"{path} cannot be read", expected="a Parquet file", received=received) from error
    missing = {Columns.USER_ID, Columns.ITEM_ID} - set(frame.columns)
    if missing:
        raise DataError(
            f"{path} lacks {', '.join(sorted(missing))}",
            expected="user_id, item_id and optionally rank or score",
            received=", ".join(frame.columns),
        )
    frame = frame.with_columns(_ids(path, frame[name]) for name in (Columns.USER_ID, Columns.ITEM_ID))
    frame = frame.with_row_index(ROW, offset=1)
    if RANK in frame.columns:
        return _by_rank(path, frame)
    if SCORE in frame.columns:
        _check_numbers(path, frame, SCORE)
        return frame.sort(SCORE, descending=True, maintain_order=True)
    return frame


def _ids(path: Path, column: pl.Series) -> pl.Series:
    kind = column.dtype
    if not (isinstance(kind, pl.String | pl.Categorical | pl.Enum) or kind.is_integer()):
        raise DataError(
            f"{path}, column {column.name}: ids of type {kind} have no certain spelling",
            expected="text or integers",
            received=str(kind),
            hint="One row a place; a column with gaps becomes decimal in pandas: write it as text.",
        )
    if column.null_count():
        raise DataError(
            f"{path}, row {int(column.is_null().arg_max() or 0) + 1}: no {column.name}",
            expected="an id in each row",
            received=f"{column.null_count()} empty",
        )
    return column.cast(pl.String)


def _by_rank(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    if frame[RANK].dtype == pl.String:
        frame = frame.with_columns(pl.col(RANK).cast(pl.Float64, strict=False))
    _check_numbers(path, frame, RANK)
    twice = frame.filter(pl.struct(Columns.USER_ID, RANK).is_duplicated())
    if twice.height:
        user, rank = twice[Columns.USER_ID][0], twice[RANK][0]
        raise DataError(
            f"{path}: user {user!r} has rank {rank:g} twice",
            expected="each rank once a user",
            received=f"rows {', '.join(map(str, _same(twice, user, rank)))}",
            hint="Keep the lists of one system in one file.",
        )
    return frame.sort(RANK, maintain_order=True)


def _same(twice: pl.DataFrame, user: str, rank: float) -> list[int]:
    return twice.filter((pl.col(Columns.USER_ID) == user) & (pl.col(RANK) == rank))[ROW].to_list()[:5]


def _check_numbers(path: Path, frame: pl.DataFrame, name: str) -> None:
    if not frame[name].dtype.is_numeric():
        raise DataError(f"{path}: {name} is no number", expected="numbers", received=str(frame[name].dtype))
    numbers = frame[name].cast(pl.Float64)
    wrong = (numbers.is_null() | numbers.is_nan()).fill_null(True)
    if wrong.any():
        rows = frame.filter(wrong)[ROW].to_list()
        raise DataError(
            f"{path}: {len(rows)} rows have no {name}",
            expected=f"a number in each row, or no column {name}",
            received=f"rows {', '.join(map(str, rows[:5]))}{' …' if len(rows) > 5 else ''}",
            hint="Leave out what was not ranked.",
        )


def _notes(
    items: IntArray, lengths: IntArray, task: Task, frame: pl.DataFrame, saved: dict[str, list[str]]
) -> list[str]:
    notes = []
    n, k = items.shape
    none = int((lengths == 0).sum())
    if none:
        notes.append(f"{none} of {n} test users have no list: they count as missed, and have no diversity")
    short = int(((lengths > 0) & (lengths < k)).sum())
    if short:
        notes.append(f"{short} lists are shorter than {k}")
    unknown = int(lengths.sum() - (items >= 0).sum())
    if unknown:
        notes.append(f"{unknown} of {int(lengths.sum())} places hold items that the catalogue does not know")
    repeated = sum(len(set(found)) < len(found) for found in saved.values())
    if repeated:
        notes.append(f"{repeated} lists hold an item twice: the second place is a miss")
    if task.queries.exclude_seen:
        histories = task.queries.histories
        width = int(max(items.max(initial=0), histories.items.max(initial=0))) + 1
        seen = np.isin(
            np.arange(n)[:, None] * width + np.maximum(items, 0), histories.rows * width + histories.items
        )
        places = int((seen & (items >= 0)).sum())
        if places:
            notes.append(f"{places} places hold items that the user has seen: these cannot be right")
    if RANK in frame.columns and SCORE in frame.columns:
        falls = frame.select((pl.col(SCORE).diff().over(Columns.USER_ID) > 0).sum()).item()
        if falls:
            notes.append(f"rank and score disagree in {falls} places: the rank counts")
    return notes
