"""Vectors of items that somebody else made (of images, sounds, texts) -> one table; knows no catalogue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from zhiyin.data.columns import Columns
from zhiyin.errors import DataError
from zhiyin.types import ScoreArray

__all__ = ["read_vectors"]


def read_vectors(path: str | Path) -> tuple[list[str], ScoreArray]:
    """Read a Parquet file of ``item_id`` and either one list column or number columns only.

    Returns
    -------
    ids : list of str
        In the order of the file.
    vectors : float32 [len(ids), d]

    Raises
    ------
    DataError
        When the file is damaged, an id is missing or repeated, lengths differ, or a number is not finite.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "item_vectors.parquet"
    >>> pl.DataFrame({"item_id": ["a", "b"], "vector": [[1.0, 0.0], [0.0, 1.0]]}).write_parquet(path)
    >>> ids, vectors = read_vectors(path)
    >>> ids, vectors.shape
    (['a', 'b'], (2, 2))
    >>> folder.cleanup()
    """
    path = Path(path)
    table = _table(path)
    if Columns.ITEM_ID not in table.column_names:
        raise _unusable(path, "no column 'item_id'", ", ".join(table.column_names), "Name the ids item_id.")
    ids = _ids(path, table[Columns.ITEM_ID])
    vectors = _numbers(path, table.drop_columns([Columns.ITEM_ID]))
    wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(wrong):
        raise _unusable(
            path, f"row {wrong[0] + 1} holds a number that is not finite", ids[wrong[0]],
            "Leave items without a vector out.",
        )  # fmt: skip
    return ids, vectors


def _table(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except FileNotFoundError as error:
        raise _unusable(path, "does not exist", "no such file", "Check the path.") from error
    except (pa.ArrowException, OSError, ValueError) as error:
        received = str(error).strip().split("\n")[0][:200]
        raise _unusable(path, "cannot be read as Parquet", received, "Write the file again.") from error


def _ids(path: Path, column: pa.ChunkedArray) -> list[str]:
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
            or pa.types.is_integer(column.type)):  # fmt: skip
        raise _unusable(path, "ids are neither text nor integers", str(column.type), "Write them as text.")
    ids = pl.Series(column.to_pylist()).cast(pl.String)
    if ids.null_count():
        raise _unusable(path, f"row {ids.is_null().arg_max()} has no id", "null", "Remove the row.")
    if ids.n_unique() < len(ids):
        raise _unusable(path, "an id is repeated", repr(ids.filter(ids.is_duplicated())[0]), "Keep one row.")
    return list(ids)


def _numbers(path: Path, table: pa.Table) -> ScoreArray:
    if table.num_columns == 1 and pa.types.is_nested(table.column(0).type):
        column = table.column(0)
        lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
        if len(lengths) == 0 or np.isnan(lengths.astype(float)).any() or len(set(lengths)) != 1:
            raise _unusable(
                path, "vectors differ in length", f"{sorted(set(lengths))[:5]}", "Make them equal."
            )
        flat = pc.list_flatten(column)
        return np.asarray(flat.to_numpy(), dtype=np.float32).reshape(len(column), int(lengths[0]))
    odd = [
        name for name, kind in zip(table.column_names, table.schema.types, strict=True)
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind))
    ]  # fmt: skip
    if odd or table.num_columns == 0:
        raise _unusable(
            path, "is no table of vectors", f"columns {', '.join(odd) or 'none'}",
            "Keep item_id and one column of lists, or item_id and number columns.",
        )  # fmt: skip
    columns = [column.to_numpy() for column in table.columns]
    return np.stack(columns, axis=1).astype(np.float32)


def _unusable(path: Path, what: str, received: str, hint: str) -> DataError:
    return DataError(
        f"{path.name}: {what}",
        expected="item_id and a vector of numbers for each",
        received=received,
        hint=hint,
    )
