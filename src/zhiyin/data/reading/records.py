"""Delimited text, record by record, as the csv module reads it (RFC 4180); knows where a problem is."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from zhiyin.data.reading.collecting import Collector
from zhiyin.data.reading.headers import checked_names
from zhiyin.data.reading.problems import quoted
from zhiyin.errors import DataError

__all__ = ["Records", "split_records"]

BATCH: Final = 65_536  # records turned into columns at a time
_BAD_BYTE: Final = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, eq=False)
class Records:
    """Cells of a block; ``names`` and ``frame`` are None where no header was found.

    ``rest`` is unread and begins at ``line``.
    """

    names: list[str] | None
    frame: pl.DataFrame | None
    rest: bytes
    line: int


def split_records(
    data: bytes,
    collector: Collector,
    delimiter: str,
    ids: Collection[str],
    *,
    names: list[str] | None,
    line: int,
    open_end: bool,
) -> Records:
    """Split a block; ``collector`` gets the cells and the lines that have none.

    Parameters
    ----------
    names : list of str or None
        The header, if it was read before.
    line : int
        Place of the block's first line in the file, from 1.
    open_end : bool
        Whether more follows: a record that is open at the end is then left in ``rest``.
    """
    text = data.decode("utf-8", "surrogateescape")
    # The limit belongs to the process and guards against a stray quote; here such a record is
    # found by other means, and a title of a megabyte is legitimate.
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    lines = _Lines(text, line)
    state = _State(collector, delimiter, ids, names, open_end, checked=_BAD_BYTE.search(text) is not None)
    frames, starts = [], []
    batch: list[list[str]] = []
    for start, cells in state.records(lines):
        starts.append(start)
        batch.append(cells)
        if len(batch) == BATCH:
            frames.append(_frame(batch, state.names or []))
            batch.clear()
    rest = "".join(lines.taken).encode("utf-8", "surrogateescape") if state.open else b""
    if state.names is None:
        return Records(None, None, rest, lines.start)
    frame = pl.concat([*frames, _frame(batch, state.names)])
    collector.attach(frame, np.array(starts, dtype=np.int64))
    return Records(state.names, frame, rest, lines.start)


class _Lines:
    """The physical lines of a text, remembering those of the current record."""

    def __init__(self, text: str, start: int) -> None:
        self._source = io.StringIO(text, newline="")
        self._ahead: deque[str] = deque()
        self.exhausted = False
        self.taken: list[str] = []
        self.start = start
        self._budget = 1_000 + 3 * text.count("\n")

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else next(self._source, None)
        if line is None:
            self.exhausted = True
            raise StopIteration
        self.taken.append(line)
        return line

    def begin(self) -> None:
        """Forget the lines taken so far."""
        self.exhausted = False
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


def _frame(batch: list[list[str]], names: list[str]) -> pl.DataFrame:
    columns = zip(*batch, strict=True) if batch else [[] for _ in names]
    frame = pl.DataFrame(
        [pl.Series(name, cells, dtype=pl.String) for name, cells in zip(names, columns, strict=True)]
    )
    return frame.with_columns(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)))


class _State:
    """What is known while a block is read: the header, and whether the last record is open."""

    def __init__(
        self,
        collector: Collector,
        delimiter: str,
        ids: Collection[str],
        names: list[str] | None,
        open_end: bool,
        *,
        checked: bool,
    ) -> None:
        self.collector, self.delimiter, self.ids = collector, delimiter, ids
        self.names, self.open_end, self.checked = names, open_end, checked
        self.open = False

    def records(self, lines: _Lines) -> Iterator[tuple[int, list[str]]]:
        """Yield (line, cells) of every usable record."""
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        while True:
            lines.begin()
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error:
                if self.open_end and lines.exhausted:
                    self.open = True
                    break
                _reject_quote(lines, self.collector, header=self.names is None)
                continue
            if not cells or (len(cells) == 1 and not lines.taken[0].strip()):
                continue
            if self.names is None:
                self.names = checked_names(self.collector.file, cells, delimiter=self.delimiter)
            elif self._usable(cells, self.names, lines):
                yield lines.start, cells

    def _usable(self, cells: list[str], names: list[str], lines: _Lines) -> bool:
        if self.checked and any(map(_BAD_BYTE.search, lines.taken)):
            _reject_bytes(lines, self.collector)
        elif len(cells) != len(names):
            _reject_ragged(lines, self.collector, cells, len(names), self.delimiter)
        elif len(lines.taken) > 1 and _id_spans_lines(names, cells, self.ids):
            _reject_quote(lines, self.collector, header=False)
        else:
            return True
        return False


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
