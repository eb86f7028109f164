"""CSV and TSV bytes -> cells, none lost; knows cells and lines, not what they mean.

The fast path is taken when the bytes hold no quote and every line has as many delimiters as the
header: then splitting is unambiguous and polars does it. Anything else goes record by record
through the csv module (RFC 4180), which finds the true line of every record and of every problem.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Collection, Iterator
from typing import Final

import numpy as np
import polars as pl

from zhiyin.data._collecting import Collector
from zhiyin.data._headers import checked_names
from zhiyin.data.problems import quoted
from zhiyin.errors import DataError

__all__ = ["read_csv"]

BATCH: Final = 65_536  # records turned into columns at a time
_BAD_BYTE: Final = re.compile("[\udc80-\udcff]")


def read_csv(data: bytes, collector: Collector, *, delimiter: str, ids: Collection[str] = ()) -> pl.DataFrame:
    """Split a file into cells, text, empty ones null; ``collector`` gets the lines that have none.

    Parameters
    ----------
    data : bytes
        The whole file.
    delimiter : str
        One ASCII character.
    ids : collection of str
        Names of columns that hold ids, which cannot contain a line end.

    Raises
    ------
    DataError
        When the header cannot be used.
    """
    frame = _fast(data, collector, delimiter)
    return frame if frame is not None else _slow(data, collector, delimiter, ids)


def _fast(data: bytes, collector: Collector, delimiter: str) -> pl.DataFrame | None:
    data = data.replace(b"\r\n", b"\n")
    odd = b'"' in data or b"\r" in data or b"\0" in data
    if odd or not _is_utf8(data) or delimiter.encode() not in data:
        return None
    array = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(array == ord("\n"))
    starts = np.concatenate([[0], ends + 1])
    starts = starts[starts < len(data)]
    counts = np.add.reduceat(array == ord(delimiter), starts, dtype=np.int32)
    if counts[0] == 0 or (counts != counts[0]).any():
        return None
    first, _, body = data.partition(b"\n")
    names = checked_names(collector.file, first.decode().split(delimiter), delimiter=delimiter)
    schema = dict.fromkeys(names, pl.String)
    if body[:1] == b"x" and not body[1:2].isalnum():
        return None  # polars takes an "x" with certain second bytes for a compressed file
    if len(starts) == 1:
        frame = pl.DataFrame(schema=schema)
    else:
        try:
            frame = pl.read_csv(body, separator=delimiter, quote_char=None, has_header=False, schema=schema)
        except pl.exceptions.PolarsError:
            return None
    if frame.height != len(starts) - 1:
        return None
    collector.attach(frame, np.arange(2, frame.height + 2))
    return frame


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


class _Lines:
    """The physical lines of a text, remembering those of the current record."""

    def __init__(self, text: str) -> None:
        self._source = io.StringIO(text, newline="")
        self._ahead: deque[str] = deque()
        self.taken: list[str] = []
        self.start = 1
        self._budget = 1_000 + 3 * text.count("\n")

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else next(self._source)
        self.taken.append(line)
        return line

    def begin(self) -> None:
        """Forget the lines taken so far."""
        self.start += len(self.taken)
        self.taken.clear()

    def keep_first(self) -> bool:
        """Give back all lines of the current record but the first.

        False, and nothing is given back, once that was done so often that a hostile file could
        make the time grow with the square of its length.
        """
        self._budget -= len(self.taken) - 1
        if self._budget < 0:
            return False
        self._ahead.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]
        return True


def _slow(data: bytes, collector: Collector, delimiter: str, ids: Collection[str]) -> pl.DataFrame:
    text = data.decode("utf-8", "surrogateescape")
    # The limit belongs to the process and guards against a stray quote; here such a record is
    # found by other means, and a title of a megabyte is legitimate.
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    lines = _Lines(text)
    records = _records(lines, collector, delimiter, ids, checked=not _is_utf8(data))
    header = next(records, None)
    if header is None:
        raise DataError(
            f"{collector.file} is empty",
            expected="a header line and rows",
            received="white space only",
            hint="Export the file again.",
        )
    names = header[1]
    frames, starts = [], []
    batch: list[list[str]] = []
    for start, cells in records:
        starts.append(start)
        batch.append(cells)
        if len(batch) == BATCH:
            frames.append(_frame(batch, names))
            batch.clear()
    frames.append(_frame(batch, names))
    frame = pl.concat(frames)
    collector.attach(frame, np.array(starts, dtype=np.int64))
    return frame


def _frame(batch: list[list[str]], names: list[str]) -> pl.DataFrame:
    columns = zip(*batch, strict=True) if batch else [[] for _ in names]
    return pl.DataFrame(
        [pl.Series(name, cells, dtype=pl.String) for name, cells in zip(names, columns, strict=True)]
    )


def _records(
    lines: _Lines, collector: Collector, delimiter: str, ids: Collection[str], *, checked: bool
) -> Iterator[tuple[int, list[str]]]:
    """Yield the header's names, then (line, cells) of every usable record; ``checked``: bytes may be bad."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    names: list[str] | None = None
    while True:
        lines.begin()
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error:
            _reject_quote(lines, collector, header=names is None)
            continue
        if not cells or (len(cells) == 1 and not lines.taken[0].strip()):
            continue
        if names is None:
            names = checked_names(collector.file, cells, delimiter=delimiter)
            yield lines.start, names
        elif checked and any(map(_BAD_BYTE.search, lines.taken)):
            _reject_bytes(lines, collector)
        elif len(cells) != len(names):
            _reject_ragged(lines, collector, cells, len(names), delimiter)
        elif len(lines.taken) > 1 and _id_spans_lines(names, cells, ids):
            _reject_quote(lines, collector, header=False)
        else:
            yield lines.start, cells


def _id_spans_lines(names: list[str], cells: list[str], ids: Collection[str]) -> bool:
    return any("\n" in cell.strip() for name, cell in zip(names, cells, strict=True) if name in ids)


def _raw(*lines: str) -> str:
    return (
        "".join(lines).rstrip("\r\n").encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    )


def _reject_quote(lines: _Lines, collector: Collector, *, header: bool) -> None:
    lines.keep_first()
    received = quoted(_raw(lines.taken[0]))
    if header:
        raise DataError(
            f"{collector.file}, line {lines.start}: the header has a stray quotation mark",
            expected="names, each quoted wholly or not at all",
            received=received,
            hint="Remove the quotation mark, or double it inside a quoted name.",
        )
    for place, line in enumerate(lines.taken):
        collector.reject_text(
            lines.start + place,
            _raw(line),
            kind="stray quotation mark",
            expected="cells quoted wholly or not at all",
            received=quoted(_raw(line)),
            remedy='Quote the whole cell and double the marks inside it: "5"" nail".',
        )


def _reject_bytes(lines: _Lines, collector: Collector) -> None:
    place, found = next(
        (place, match) for place, line in enumerate(lines.taken) if (match := _BAD_BYTE.search(line))
    )
    before = lines.taken[place][max(0, found.start() - 20) : found.start()]
    collector.reject_text(
        lines.start + place,
        _raw(*lines.taken),
        kind="not UTF-8",
        expected="text in UTF-8",
        received=f"byte 0x{ord(found.group()) - 0xDC00:02X} after {before!r}",
        remedy="Save the file again as UTF-8 (in Excel: CSV UTF-8).",
    )


def _reject_ragged(lines: _Lines, collector: Collector, cells: list[str], width: int, delimiter: str) -> None:
    last = lines.start + len(lines.taken) - 1
    # Where the first line alone has all its cells, its quote is a stray one that swallowed the next.
    whole = len(lines.taken) > 1 and lines.taken[0].count(delimiter) == width - 1
    if whole and lines.keep_first():
        last = lines.start
    span = "" if last == lines.start else f" (lines {lines.start} to {last})"
    collector.reject_text(
        lines.start,
        _raw(*lines.taken),
        kind="too few cells" if len(cells) < width else "too many cells",
        expected=f"{width} cells",
        received=f"{len(cells)}{span}",
        remedy=f"Add or remove cells; quote a cell that contains {delimiter!r}.",
    )
