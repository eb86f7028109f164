"""A Parquet file -> cells as text; knows types, not what the columns mean.

pyarrow reads, because with it a damaged file ends in an exception and not in a panic.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from zhiyin.data._collecting import Collector
from zhiyin.data._headers import checked_names
from zhiyin.data._sources import Source
from zhiyin.errors import DataError

__all__ = ["read_parquet"]


def read_parquet(source: Source, collector: Collector, *, ids: Collection[str]) -> pl.DataFrame:
    """Read the cells as text, missing ones null; dates and times as seconds since 1970, UTC.

    Parameters
    ----------
    ids : collection of str
        Names of columns that hold ids, which may be text or integers only.

    Raises
    ------
    DataError
        When the file is damaged, a name repeats, or an id column has another type.
    """
    try:
        table = pq.read_table(source.path, page_checksum_verification=True)
        table.validate(full=True)
        found = table.column_names
    except (pa.ArrowException, OSError, ValueError) as error:  # bad UTF-8 is a ValueError
        raise DataError(
            f"{source.name} is damaged",
            expected="a complete Parquet file",
            received=str(error).strip().split("\n")[0][:200] or type(error).__name__,
            hint="Copy or write the file again.",
        ) from error
    columns = []
    for name, column in zip(checked_names(source.name, found), table.columns, strict=True):
        if name in ids:
            _check_id(source.name, name, column.type)
        text = _as_text(column)
        if text is None:
            collector.remark(f"column {name} of type {column.type} was left out: it is not text")
        else:
            columns.append(text.alias(name))
    frame = pl.DataFrame(columns)
    collector.attach(frame, np.arange(1, frame.height + 1))
    return frame


def _check_id(file: str, name: str, kind: pa.DataType) -> None:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_integer(plain) or _is_string(plain) or pa.types.is_null(plain):
        return
    number = pa.types.is_floating(plain) or pa.types.is_decimal(plain)
    raise DataError(
        f"{file}, column {name}: ids of type {kind} have no certain spelling",
        expected="text or integers",
        received=f"{kind}: the id 12 may be stored as 12.0" if number else str(kind),
        hint="Write the column as text, with the ids spelled as in the other files.",
    )


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _as_text(column: pa.ChunkedArray) -> pl.Series | None:
    """Text of a column; None for what has no plain text (nested values, bytes)."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and _is_string(kind.value_type):
        column = pc.binary_join(column.cast(pa.list_(pa.string())), ", ")
    elif pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return None
    try:
        # A fresh table carries no metadata, which polars would trust to be UTF-8.
        series = pl.DataFrame(pl.from_arrow(pa.table({"cells": column}))).to_series()
        if isinstance(series.dtype, pl.Datetime | pl.Date):
            series = series.dt.epoch("us").cast(pl.Float64) / 1e6
        return series.cast(pl.String)
    except (pa.ArrowException, pl.exceptions.PolarsError):
        return None
