"""CSV and TSV blocks -> cells, none lost; knows cells and lines, not what they mean.

Where the bytes can be split in one way only, polars splits them (``plain``); anything else goes
record by record through the csv module (``records``), which finds the true line of every record and
of every problem. A record that is still open where a block ends is read with the next block.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

import polars as pl

from zhiyin.data.reading.collecting import Collector
from zhiyin.data.reading.headers import checked_names
from zhiyin.data.reading.plain import split_plain
from zhiyin.data.reading.records import split_records
from zhiyin.errors import DataError

__all__ = ["read_delimited"]

LONGEST_CELL: Final = 2**27  # bytes after which an open quotation mark is a stray one


def read_delimited(
    blocks: Iterable[bytes],
    collector: Collector,
    *,
    delimiter: str,
    ids: Collection[str] = (),
    longest: int = LONGEST_CELL,
) -> Iterator[pl.DataFrame]:
    """Yield cells, text, empty ones null, each table attached to ``collector``.

    Parameters
    ----------
    blocks : iterable of bytes
        The file in blocks of whole lines, the first of which holds the header.
    delimiter : str
        One ASCII character.
    ids : collection of str
        Names of columns that hold ids, which cannot contain a line end.
    longest : int
        Bytes that a record may span beyond its block.

    Raises
    ------
    DataError
        When the header cannot be used.
    """
    names: list[str] | None = None
    line, rest = 1, b""
    for block, last in _with_last(blocks):
        data = rest + block
        rest = b""
        plain = split_plain(data, delimiter, header=names is None)
        frame: pl.DataFrame | None
        if plain is not None and (names is None or plain.frame.width == len(names)):
            names = names or checked_names(collector.file, plain.header, delimiter=delimiter)
            frame = plain.frame.rename(dict(zip(plain.frame.columns, names, strict=True)))
            collector.attach(frame, plain.lines + line)
            line = plain.next_line + line
        else:
            may_go_on = not last and len(data) < longest + len(block)
            found = split_records(data, collector, delimiter, ids, names=names, line=line, open_end=may_go_on)
            names, frame, rest, line = found.names, found.frame, found.rest, found.line
        if frame is not None:
            yield frame
    if names is None:
        raise DataError(
            f"{collector.file} is empty",
            expected="a header line and rows",
            received="white space only",
            hint="Export the file again.",
        )


def _with_last(blocks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The blocks, each with whether it is the last."""
    before: bytes | None = None
    for block in blocks:
        if before is not None:
            yield before, False
        before = block
    if before is not None:
        yield before, True
