"""Delimited bytes that can be split in one way only -> cells; knows no names and no problems.

Every line has as many delimiters outside quotation marks as the first; every quotation mark opens a
cell, closes one, or is one of a pair inside one; no quoted cell holds a line end. Then polars splits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from zhiyin.types import BoolArray

__all__ = ["Plain", "split_plain"]

QUOTE, LINE_END = ord('"'), ord("\n")


@dataclass(frozen=True, eq=False)
class Plain:
    """Cells of a block; ``lines`` [rows] counted from 0; ``header`` is empty where there was none."""

    header: tuple[str, ...]
    frame: pl.DataFrame

    @property
    def lines(self) -> npt.NDArray[np.int64]:
        """Where the rows stand."""
        return np.arange(self.frame.height) + bool(self.header)

    @property
    def next_line(self) -> int:
        """Where the next block begins."""
        return self.frame.height + bool(self.header)


def split_plain(data: bytes, delimiter: str, *, header: bool) -> Plain | None:
    """Split a block; None where that is not certain."""
    data = data.replace(b"\r\n", b"\n") if b"\r" in data else data
    if b"\r" in data or b"\0" in data or delimiter.encode() not in data or not _is_utf8(data):
        return None
    array = np.frombuffer(data, np.uint8)
    marks = array == ord(delimiter)
    quoted = b'"' in data
    if quoted:
        inside = _inside_quotes(array, ord(delimiter))
        if inside is None:
            return None
        marks &= ~inside
    width = _width(array, marks)
    if width is None:
        return None
    first, _, body = data.partition(b"\n") if header else (b"", b"", data)
    names = _header(first, delimiter, quoted=quoted) if header else ()
    frame = _cells(body, delimiter, width, quoted=quoted)
    rows = int((array == LINE_END).sum()) + (not data.endswith(b"\n")) - header
    if frame is None or frame.height != rows or (header and len(names) != width):
        return None
    return Plain(tuple(names), frame)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _inside_quotes(array: npt.NDArray[np.uint8], delimiter: int) -> BoolArray | None:
    """Which bytes are in quotation marks; None where the marks do not stand around whole cells."""
    quotes = array == QUOTE
    inside = (np.cumsum(quotes, dtype=np.uint8) & 1).astype(bool)
    at = np.flatnonzero(quotes)
    opening, closing = at[::2], at[1::2]
    if len(opening) != len(closing) or (inside & (array == LINE_END)).any():
        return None
    around = np.zeros(256, bool)
    around[[delimiter, LINE_END, QUOTE]] = True
    before = around[array[opening - 1]] | (opening == 0)
    after = around[array[(closing + 1) % len(array)]] | (closing == len(array) - 1)
    return inside if before.all() and after.all() else None


def _width(array: npt.NDArray[np.uint8], marks: BoolArray) -> int | None:
    """Number of cells of each line; None where the lines differ."""
    starts = np.concatenate([[0], np.flatnonzero(array == LINE_END) + 1])
    starts = starts[starts < len(array)]
    counts = np.add.reduceat(marks, starts, dtype=np.int32)
    return int(counts[0]) + 1 if counts[0] and (counts == counts[0]).all() else None


def _header(line: bytes, delimiter: str, *, quoted: bool) -> tuple[str, ...]:
    if not quoted:
        return tuple(line.decode().split(delimiter))
    frame = _cells(line, delimiter, None, quoted=True)
    return () if frame is None or frame.height != 1 else tuple(cell or "" for cell in frame.row(0))


def _cells(body: bytes, delimiter: str, width: int | None, *, quoted: bool) -> pl.DataFrame | None:
    schema = None if width is None else {f"column_{place + 1}": pl.String for place in range(width)}
    if not body:
        return pl.DataFrame(schema=schema)
    if body[:1] == b"x" and not body[1:2].isalnum():
        return None  # polars takes an "x" with certain second bytes for a compressed file
    try:
        return pl.read_csv(
            body,
            separator=delimiter,
            quote_char='"' if quoted else None,
            has_header=False,
            schema=schema,
            infer_schema=False,
        )
    except pl.exceptions.PolarsError:
        return None
