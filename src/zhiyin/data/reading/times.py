"""Cells -> seconds since 1970, UTC; knows spellings of time, not files.

Numbers are seconds; beyond 1e11 (the year 5138) they are milliseconds; eight or fourteen digits that are
a date are one (``20111209``). Texts have year, month and day in this order (``2011-12-09``,
``2011/12/9 12:50``, ``2011-12-09T12:50:00.123Z``, ``2011年12月9日``), or in the order that is told
(``9/12/2011 8:26 PM``); a text without a zone is UTC.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import polars as pl

from zhiyin.data.reading.collecting import Collector

__all__ = ["DATES", "DateOrder", "times"]

DateOrder = Literal["ymd", "dmy", "mdy"]
DATES: Final[tuple[DateOrder, ...]] = ("ymd", "dmy", "mdy")
MILLISECONDS: Final = 1e11
LATEST: Final = 7_258_118_400.0  # 2200-01-01T00:00Z
EXPECTED: Final = "seconds since 1970 or an ISO 8601 time"
_YEAR_FIRST: Final = r"(?<year>\d{4})(?:-|/|\.|年)(?<month>\d{1,2})(?:-|/|\.|月)(?<day>\d{1,2})日?"
_YEAR_LAST: Final = {
    "ymd": None,
    "dmy": r"(?<day>\d{1,2})[-/.](?<month>\d{1,2})[-/.](?<year>\d{4})",
    "mdy": r"(?<month>\d{1,2})[-/.](?<day>\d{1,2})[-/.](?<year>\d{4})",
}
_CLOCK: Final = (
    r"(?:(?:[Tt]|,? *)(?<hour>[01]?\d|2[0-3]):(?<minute>[0-5]\d)(?::(?<second>[0-5]\d(?:[.,]\d{1,9})?))?"
    r" ?(?<half>[AaPp][Mm])?"
    r" ?(?<zone>Z|z|UTC|(?<sign>[+-])(?<zhour>[01]\d):?(?<zminute>[0-5]\d)?)?)?"
)


def times(cells: pl.Series, collector: Collector, *, required: bool, dates: DateOrder = "ymd") -> pl.Series:
    """Seconds, Float64; rows that have no usable time are rejected in ``collector``.

    Parameters
    ----------
    cells : Series of String
        Named as in the file.
    required : bool
        Whether an empty cell is rejected; else it stays null.
    dates : {"ymd", "dmy", "mdy"}
        Order of day, month and year where the year is last; "ymd": such a cell is no time.
    """
    column = cells.name
    text = cells.str.strip_chars().fill_null("")
    empty = text == ""
    if required:
        collector.reject(empty, column, kind="no time", expected=EXPECTED, remedy="Fill the cell.")
    seconds = _whole_dates(text, text.cast(pl.Float64, strict=False), column, collector)
    odd = seconds.is_null() & ~empty
    if odd.any():
        parsed, zoneless = _parsed(text.filter(odd), dates)
        seconds = seconds.scatter(odd.arg_true(), parsed)
        if zoneless:
            collector.remark(f"column {column}: times without a zone were read as UTC")
    unknown = seconds.is_null() & ~empty
    last = text.str.contains(r"^\d{1,2}[-/.]\d{1,2}[-/.]\d{4}") & unknown
    collector.reject(
        last,
        column,
        kind="day or month first is not certain",
        expected=EXPECTED,
        remedy="Pass dates='dmy' (31/12/2011) or dates='mdy' (12/31/2011).",
    )
    collector.reject(
        unknown & ~last,
        column,
        kind="not a time",
        expected=EXPECTED,
        remedy="Write it as 2011-12-09T12:50:00Z.",
    )
    collector.reject(
        ~seconds.is_finite(),
        column,
        kind="time is not finite",
        expected="a finite number of seconds",
        remedy="Fill in the true time, or remove the row.",
    )
    return _in_range(_from_milliseconds(seconds, column, collector), column, collector)


def _whole_dates(text: pl.Series, seconds: pl.Series, column: str, collector: Collector) -> pl.Series:
    """The seconds, with 20111209 and 20111209125000 read as dates: as seconds they would be in 1970."""
    likely = text.str.contains(r"^(?:19[7-9]\d|20\d\d|21\d\d)(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])(?:\d{6})?$")
    if not likely.any():
        return seconds
    padded = text.filter(likely).str.pad_end(14, "0")
    when = padded.str.to_datetime("%Y%m%d%H%M%S", strict=False).dt.epoch("s").cast(pl.Float64)
    rows = likely.arg_true().filter(when.is_not_null())
    found = pl.Series(np.zeros(len(text), dtype=bool)).scatter(rows, True)
    collector.note(
        found,
        column,
        kind="whole dates, read as year, month and day",
        expected="seconds since 1970",
        remedy="Nothing to do, unless these are seconds.",
    )
    return seconds.scatter(rows, when.drop_nulls())


def _from_milliseconds(seconds: pl.Series, column: str, collector: Collector) -> pl.Series:
    large = (seconds > MILLISECONDS) & (seconds < LATEST * 1000)
    if not large.any():
        return seconds
    collector.note(
        large,
        column,
        kind="milliseconds, read as seconds",
        expected="seconds since 1970",
        remedy="Nothing to do: they were divided by 1000.",
    )
    factor = pl.Series(large.fill_null(False)).cast(pl.Float64) * 999.0 + 1.0
    return seconds / factor


def _in_range(seconds: pl.Series, column: str, collector: Collector) -> pl.Series:
    collector.reject(
        seconds.is_finite() & (seconds < 0),
        column,
        kind="time is negative",
        expected="a time from 1970 on",
        remedy="Fill in the true time, or remove the row.",
    )
    collector.reject(
        seconds.is_finite() & (seconds >= LATEST),
        column,
        kind="time is after the year 2200",
        expected="seconds since 1970, or milliseconds",
        remedy="Divide microseconds by 1e6 and nanoseconds by 1e9.",
    )
    return seconds


def _parsed(text: pl.Series, dates: DateOrder) -> tuple[pl.Series, bool]:
    """Seconds (null where it is no time), and whether any time of day has no zone."""
    seconds, zoneless = _by(text, _YEAR_FIRST)
    last = _YEAR_LAST[dates]
    if last is not None and seconds.null_count():
        others, more = _by(text, last)
        seconds, zoneless = seconds.fill_null(others), zoneless or more
    return seconds, zoneless


def _by(text: pl.Series, date: str) -> tuple[pl.Series, bool]:
    parts = text.str.extract_groups(f"^{date}{_CLOCK}$").struct.unnest()
    number = {
        name: parts[name].str.replace(",", ".", literal=True).cast(pl.Float64, strict=False).fill_null(0.0)
        for name in ("hour", "minute", "second", "zhour", "zminute")
    }
    half = parts["half"].str.to_lowercase()
    wrong = half.is_not_null() & ((number["hour"] < 1) | (number["hour"] > 12))
    hour = number["hour"] % 12 + (half == "pm").cast(pl.Float64) * 12
    number["hour"] = number["hour"].zip_with(half.is_null(), hour)
    whole = parts.select(
        pl.concat_str(pl.col("year"), pl.col("month").str.zfill(2), pl.col("day").str.zfill(2), separator="-")
    ).to_series()
    days = whole.str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32).cast(pl.Float64)
    offset = number["zhour"] * 3600 + number["zminute"] * 60
    east = (parts["sign"] == "-").fill_null(False).cast(pl.Float64) * -2.0 + 1.0
    seconds = days * 86_400 + number["hour"] * 3600 + number["minute"] * 60 + number["second"]
    seconds = seconds.set(wrong, None)
    zoneless = (seconds.is_not_null() & parts["zone"].is_null()).any()
    return seconds - east * offset, bool(zoneless)
