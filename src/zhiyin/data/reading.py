"""Files of events, items and users -> tables and a report; knows no dataset, model or network.

Formats by suffix: ``.csv``, ``.tsv``, ``.jsonl`` (each also ``.gz``) and ``.parquet``. Every row of a
file ends either in the table or in ``report.rejected_rows``, with its line number and the reason.
Ids stay the strings of the file: "0012" is not "12" and "1e5" is not a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import polars as pl

from zhiyin.data._cells import ids, numbers, reject_repeated, texts
from zhiyin.data._collecting import Collector
from zhiyin.data._csv import read_csv
from zhiyin.data._headers import EVENTS, ITEMS, USERS, Layout, resolve
from zhiyin.data._jsonl import read_jsonl
from zhiyin.data._parquet import read_parquet
from zhiyin.data._sources import Source, locate, read_bytes
from zhiyin.data._times import times
from zhiyin.data.columns import Columns
from zhiyin.data.problems import ProblemReport, RejectedRowsError
from zhiyin.errors import DataError, InputError

__all__ = ["read_events", "read_items", "read_users"]

STRIPPED: Final = (Columns.EVENT, Columns.SESSION_ID, Columns.CATEGORY)


def read_events(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    delimiter: str = ",",
    max_rejected: float = 0.1,
) -> tuple[pl.DataFrame, ProblemReport]:
    r"""Read who did what when.

    Parameters
    ----------
    path : path
        ``.csv``, ``.csv.gz``, ``.tsv``, ``.tsv.gz``, ``.jsonl``, ``.jsonl.gz`` or ``.parquet``.
    columns : Mapping[str, str], optional
        Our name -> the file's name, where they differ. Names that events do not have are passed
        over, so that one mapping serves several files.
    delimiter : str
        Of a CSV file, one ASCII character; a TSV file is always split at tabs.
    max_rejected : float
        Largest share of rejected rows, 0 to 1; 1.0 accepts a file in which every row is bad.

    Returns
    -------
    frame : polars.DataFrame
        ``user_id``, ``item_id`` (String, not null) and, where the file has them, ``timestamp``
        (Float64, seconds since 1970 UTC, not null), ``value``, ``quantity`` (Float64 or null),
        ``event``, ``session_id`` (String or null); in the order of the file. ``basket_id`` is read
        as ``session_id`` and ``rating`` as ``value``.
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
    return _read(path, EVENTS, columns, delimiter, max_rejected)


def read_items(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    delimiter: str = ",",
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
    return _read(path, ITEMS, columns, delimiter, max_rejected)


def read_users(
    path: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    delimiter: str = ",",
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
    return _read(path, USERS, columns, delimiter, max_rejected)


def _read(
    path: str | Path,
    layout: Layout,
    columns: Mapping[str, str] | None,
    delimiter: str,
    max_rejected: float,
) -> tuple[pl.DataFrame, ProblemReport]:
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
        raise InputError("delimiter is unusable", expected="one ASCII character", received=repr(delimiter))
    if not 0.0 <= max_rejected <= 1.0:
        raise InputError("max_rejected is out of range", expected="0 to 1", received=str(max_rejected))
    source = locate(path)
    collector = Collector(source.name)
    cells = _cells(source, collector, layout, columns, delimiter)
    found, rest = resolve(source.name, cells.columns, layout, columns)
    if rest:
        collector.remark(f"columns left out, as {layout.kind} do not have them: {', '.join(rest)}")
    frame = pl.DataFrame(
        [_column(cells[theirs], name, layout, collector).alias(name) for name, theirs in found.items()]
    )
    if layout.unique is not None:
        reject_repeated(frame[layout.unique], collector, found[layout.unique])
    report = collector.report()
    _check_share(source.name, report, max_rejected)
    return frame.filter(pl.Series(~collector.bad)), report


def _cells(
    source: Source,
    collector: Collector,
    layout: Layout,
    columns: Mapping[str, str] | None,
    delimiter: str,
) -> pl.DataFrame:
    known = {*layout.ids, *((columns or {}).get(name, name) for name in layout.ids)}
    if source.format == "parquet":
        return read_parquet(source, collector, ids=known)
    data = read_bytes(source)
    if source.format == "jsonl":
        return read_jsonl(data, collector, ids=known)
    split_at = "\t" if source.format == "tsv" else delimiter
    return read_csv(data, collector, delimiter=split_at, ids=known)


def _column(cells: pl.Series, name: str, layout: Layout, collector: Collector) -> pl.Series:
    if name in layout.times:
        return times(cells, collector, required=layout.time_required)
    if name in layout.numbers:
        return numbers(cells, collector)
    if name in layout.ids:
        return ids(cells, collector)
    return texts(cells, collector, strip=name in STRIPPED)


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
