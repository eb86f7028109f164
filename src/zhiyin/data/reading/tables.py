"""The rows of one file or query, typed, table by table; knows kinds of columns, not what they are for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import polars as pl

from zhiyin.data.columns import Columns
from zhiyin.data.reading.cells import ids, numbers, reject_repeated, texts
from zhiyin.data.reading.collecting import Collector
from zhiyin.data.reading.delimited import read_delimited
from zhiyin.data.reading.headers import EVENTS, ITEMS, TEXTS, USERS, Layout, resolve
from zhiyin.data.reading.json_lines import read_jsonl
from zhiyin.data.reading.parquet import read_parquet
from zhiyin.data.reading.problems import ProblemReport, RejectedRowsError
from zhiyin.data.reading.sources import BLOCK, blocks, locate
from zhiyin.data.reading.sql import Query, read_query
from zhiyin.data.reading.times import DATES, DateOrder, times
from zhiyin.errors import DataError, InputError

__all__ = ["Place", "TableReader", "read_events", "read_items", "read_texts", "read_users"]

Place = str | Path | Query
STRIPPED: Final = (Columns.EVENT, Columns.SESSION_ID, Columns.CATEGORY, Columns.ITEM_ID)


class TableReader:
    """Reads one file or query in pieces, so that it need not fit in memory.

    Iterate over it once: each piece is a table of the usable rows, in the order of the file, typed as
    ``layout`` says, with their places in a column ``_line`` (UInt32). Then ask for ``report``.

    Parameters
    ----------
    place : path or Query
    layout : Layout
        Which columns there may be.
    columns, delimiter, dates, max_rejected
        As in ``read_events``.
    shared : bool
        Whether ``columns`` was made for several files: an optional column of it may be absent.
    block : int
        Bytes of text read at a time.
    """

    def __init__(
        self,
        place: Place,
        layout: Layout,
        *,
        columns: Mapping[str, str] | None = None,
        delimiter: str = ",",
        dates: DateOrder = "ymd",
        max_rejected: float = 0.1,
        shared: bool = False,
        block: int = BLOCK,
    ) -> None:
        if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
            raise InputError(
                "delimiter is unusable", expected="one ASCII character", received=repr(delimiter)
            )
        if not 0.0 <= max_rejected <= 1.0:
            raise InputError("max_rejected is out of range", expected="0 to 1", received=str(max_rejected))
        self._source = place if isinstance(place, Query) else locate(place)
        if dates not in DATES:
            raise InputError("dates is unknown", expected=", ".join(DATES), received=repr(dates))
        self._layout, self._columns, self._delimiter, self._dates = layout, columns, delimiter, dates
        self._max_rejected, self._shared, self._block = max_rejected, shared, block
        self.used: set[str] = set()  # names of ``columns`` that were found
        self._collector = Collector(self.name)

    @property
    def name(self) -> str:
        """The file, or the query, as messages call it."""
        return self._source.name

    @property
    def n_pieces(self) -> int | None:
        """About how many pieces there will be; None where that is not known beforehand."""
        if isinstance(self._source, Query) or self._source.compressed or self._source.format == "parquet":
            return None
        return -(-self._source.path.stat().st_size // self._block)

    def __iter__(self) -> Iterator[pl.DataFrame]:
        unique, seen = self._layout.unique, dict[str, int]()
        for cells in self._cells():
            frame = self._typed(cells)
            if unique is not None:
                reject_repeated(frame[unique], self._collector, unique, seen)
            places = pl.Series(Columns.LINE, self._collector.lines, pl.UInt32)
            yield frame.with_columns(places).filter(pl.Series(~self._collector.bad))

    def report(self) -> ProblemReport:
        """What was rejected or changed, by line.

        Raises
        ------
        DataError
            When there was no row; as ``RejectedRowsError`` when too many cannot be used.
        """
        report = self._collector.report()
        _check_share(self.name, report, self._max_rejected)
        return report

    def _cells(self) -> Iterator[pl.DataFrame]:
        known = {*self._layout.ids, *((self._columns or {}).get(name, name) for name in self._layout.ids)}
        if isinstance(self._source, Query):
            return read_query(self._source, self._collector, ids=known)
        if self._source.format == "parquet":
            return read_parquet(self._source, self._collector, ids=known)
        data = blocks(self._source, size=self._block)
        if self._source.format == "jsonl":
            return read_jsonl(data, self._collector, ids=known)
        delimiter = "\t" if self._source.format == "tsv" else self._delimiter
        return read_delimited(data, self._collector, delimiter=delimiter, ids=known)

    def _typed(self, cells: pl.DataFrame) -> pl.DataFrame:
        layout, collector = self._layout, self._collector
        found, rest = resolve(self.name, cells.columns, layout, self._columns, shared=self._shared)
        self.used |= {name for name, theirs in (self._columns or {}).items() if found.get(name) == theirs}
        if rest:
            collector.remark(f"columns left out, as {layout.kind} do not have them: {', '.join(rest)}")
        return pl.DataFrame(
            [self._column(cells, theirs, name, found).alias(name) for name, theirs in found.items()]
        )

    def _column(self, cells: pl.DataFrame, theirs: str, name: str, found: Mapping[str, str]) -> pl.Series:
        layout, collector, column = self._layout, self._collector, cells[theirs]
        if name in layout.times:
            return times(column, collector, required=layout.strict, dates=self._dates)
        if name in layout.numbers:
            return numbers(column, collector, strict=layout.strict)
        if name in layout.ids:
            other = found.get(layout.instead.get(name, ""))
            return ids(column, collector, instead=None if other is None else cells[other])
        text = texts(column, collector, strip=name in STRIPPED)
        if name == Columns.TEXT:
            text = text.set(text.str.strip_chars() == "", None)
        if name in layout.needed:
            collector.reject(
                text.is_null(), theirs, kind="no text", expected="a text", remedy="Remove the row."
            )
        return text


def read_events(
    path: Place,
    *,
    columns: Mapping[str, str] | None = None,
    delimiter: str = ",",
    dates: DateOrder = "ymd",
    max_rejected: float = 0.1,
) -> tuple[pl.DataFrame, ProblemReport]:
    r"""Read who did what when.

    Parameters
    ----------
    path : path or Query
        ``.csv``, ``.csv.gz``, ``.tsv``, ``.tsv.gz``, ``.jsonl``, ``.jsonl.gz``, ``.parquet``, or a query
        to a database.
    columns : Mapping[str, str], optional
        Our name -> the file's name, where they differ. Names that events do not have are passed
        over, so that one mapping serves several files.
    delimiter : str
        Of a CSV file, one ASCII character; a TSV file is always split at tabs.
    dates : {"ymd", "dmy", "mdy"}
        Order of day and month where the year is last; "ymd": such a date is refused.
    max_rejected : float
        Largest share of rejected rows, 0 to 1; 1.0 accepts a file in which every row is bad.

    Returns
    -------
    frame : polars.DataFrame
        ``user_id``, ``item_id`` (String, not null) and, where the file has them, ``timestamp``
        (Float64, seconds since 1970 UTC, not null), ``value``, ``quantity`` (Float64 or null),
        ``event``, ``session_id``, ``text`` (String or null); in the order of the file. ``basket_id``
        is read as ``session_id`` and ``rating`` as ``value``. ``item_id`` is null where ``text`` says
        what was searched for.
    report : ProblemReport
        What was rejected or changed, by line.

    Raises
    ------
    DataError
        When the file cannot be used as a whole: missing, damaged, empty, of another format, a
        required column missing, split at the wrong delimiter. As ``RejectedRowsError``, which
        carries the report, when more than ``max_rejected`` of the rows are bad.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "events.csv"
    >>> _ = path.write_text("user_id,item_id,timestamp\n0012,1e5,1291191960\n")
    >>> frame, report = read_events(path)
    >>> frame.rows(), report.n_rejected
    ([('0012', '1e5', 1291191960.0)], 0)
    >>> folder.cleanup()
    """
    return _read(path, EVENTS, columns, delimiter, dates, max_rejected)


def read_items(
    path: Place,
    *,
    columns: Mapping[str, str] | None = None,
    delimiter: str = ",",
    dates: DateOrder = "ymd",
    max_rejected: float = 0.1,
) -> tuple[pl.DataFrame, ProblemReport]:
    """Read what there is; parameters and errors as in ``read_events``.

    Returns
    -------
    frame : polars.DataFrame
        ``item_id`` (String, not null, each once: the first row of an id counts) and, where the file
        has them, ``available_from`` (Float64 seconds or null), ``price`` (Float64 or null),
        ``title``, ``category`` and every other column (String or null).
    report : ProblemReport
        What was rejected or changed, by line.
    """
    return _read(path, ITEMS, columns, delimiter, dates, max_rejected)


def read_users(
    path: Place,
    *,
    columns: Mapping[str, str] | None = None,
    delimiter: str = ",",
    dates: DateOrder = "ymd",
    max_rejected: float = 0.1,
) -> tuple[pl.DataFrame, ProblemReport]:
    """Read who there is; parameters and errors as in ``read_events``.

    Returns
    -------
    frame : polars.DataFrame
        ``user_id`` (String, not null, each once) and every other column (String or null).
    report : ProblemReport
        What was rejected or changed, by line.
    """
    return _read(path, USERS, columns, delimiter, dates, max_rejected)


def read_texts(
    path: Place,
    *,
    columns: Mapping[str, str] | None = None,
    delimiter: str = ",",
    dates: DateOrder = "ymd",
    max_rejected: float = 0.1,
) -> tuple[pl.DataFrame, ProblemReport]:
    """Read what users wrote: searches, comments; parameters and errors as in ``read_events``.

    Returns
    -------
    frame : polars.DataFrame
        ``user_id`` (String, not null) and, where the file has them, ``timestamp`` (Float64 seconds),
        ``text``, ``event``, ``item_id`` (String or null). ``comment`` is read as ``text``.
    report : ProblemReport
        What was rejected or changed, by line.
    """
    return _read(path, TEXTS, columns, delimiter, dates, max_rejected)


def _read(
    place: Place,
    layout: Layout,
    columns: Mapping[str, str] | None,
    delimiter: str,
    dates: DateOrder,
    max_rejected: float,
) -> tuple[pl.DataFrame, ProblemReport]:
    reader = TableReader(
        place, layout, columns=columns, delimiter=delimiter, dates=dates, max_rejected=max_rejected
    )
    frames = list(reader)
    report = reader.report()
    return pl.concat(frames, how="diagonal").drop(Columns.LINE), report


def _check_share(file: str, report: ProblemReport, allowed: float) -> None:
    if report.n_rows == 0:
        raise DataError(
            f"{file} has a header and no rows",
            expected="at least one row",
            received="0 rows",
            hint="Export the file again.",
        )
    if report.n_rejected > allowed * report.n_rows:
        raise RejectedRowsError(file, report, allowed=allowed)
