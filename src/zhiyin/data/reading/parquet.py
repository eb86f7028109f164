"""A Parquet file -> cells as text; knows types, not what the columns mean.

pyarrow reads, because with it a damaged file ends in an exception and not in a panic.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from zhiyin.data.reading.collecting import Collector
from zhiyin.data.reading.headers import checked_names
from zhiyin.data.reading.sources import Source
from zhiyin.errors import DataError

__all__ = ["as_text", "read_parquet"]

ROWS: Final = 500_000  # that are in memory at a time


def read_parquet(source: Source, collector: Collector, *, ids: Collection[str]) -> Iterator[pl.DataFrame]:
    """Yield cells as text, missing ones null, each table attached to ``collector``.

    Dates and times become seconds since 1970, UTC.

    Parameters
    ----------
    ids : collection of str
        Names of columns that hold ids, which may be text or integers only.

    Raises
    ------
    DataError
        When the file is damaged, a name repeats, or an id column has another type.
    """
    row = 1
    for table in _tables(source):
        frame = as_text(table, source.name, collector, ids=ids)
        collector.attach(frame, np.arange(row, row + frame.height))
        row += frame.height
        yield frame


def as_text(table: pa.Table, name: str, collector: Collector, *, ids: Collection[str]) -> pl.DataFrame:
    """The columns of a table as text; those that have none are left out with a remark.

    Raises
    ------
    DataError
        When a name repeats, or an id column has a type without a certain spelling.
    """
    columns = []
    for header, column in zip(checked_names(name, table.column_names), table.columns, strict=True):
        if header in ids:
            _check_id(name, header, column.type)
        text = _as_text(column)
        if text is None:
            collector.remark(f"column {header} of type {column.type} was left out: it is not text")
        else:
            columns.append(text.alias(header))
    return pl.DataFrame(columns)


def _tables(source: Source) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(source.path, page_checksum_verification=True) as file:
            empty = True
            for batch in file.iter_batches(ROWS):
                empty = False
                batch.validate(full=True)
                yield pa.Table.from_batches([batch])
            if empty:
                yield file.schema_arrow.empty_table()
    except (pa.ArrowException, OSError, ValueError) as error:  # bad UTF-8 is a ValueError
        raise DataError(
            f"{source.name} is damaged",
            expected="a complete Parquet file",
            received=str(error).strip().split("\n")[0][:200] or type(error).__name__,
            hint="Copy or write the file again.",
        ) from error


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
