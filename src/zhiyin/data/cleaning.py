"""Events without duplicates and impossible values; titles that can be read; knows no files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

import ftfy
import numpy as np
import polars as pl

from zhiyin.data.reading.collecting import Collector
from zhiyin.data.columns import Columns
from zhiyin.data.reading.problems import ProblemReport
from zhiyin.errors import DataError
from zhiyin.types import BoolArray

__all__ = ["clean_events", "clean_titles"]

SAME: Final = (
    Columns.USER_ID,
    Columns.ITEM_ID,
    Columns.TIMESTAMP,
    Columns.EVENT,
    Columns.SESSION_ID,
)
ROUNDS: Final = 16
_AMPERSANDS: Final = re.compile("&(?:amp;)+")
_PHRASES: Final = re.compile("([\ufdfa\ufdfb])")  # one character each, whole phrases under NFKC
_CONTROL: Final = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u200b\u2060\ufeff\ud800-\udfff]+")


def clean_events(frame: pl.DataFrame) -> tuple[pl.DataFrame, ProblemReport]:
    """Keep aside duplicate events and impossible values.

    Rejected are: a row whose user, item, time, type and session all equal an earlier row's; a
    quantity <= 0 (a return); a value, quantity or time that is not finite. Rows without a time are
    no duplicates of each other: without it a repeated purchase cannot be told from a copy.
    ``clean_events(clean_events(x)[0])`` changes nothing.

    Parameters
    ----------
    frame : polars.DataFrame
        As ``read_events`` returns it: ``user_id``, ``item_id`` and any of ``timestamp``, ``event``,
        ``value``, ``quantity``, ``session_id``.

    Returns
    -------
    frame : polars.DataFrame
        The kept rows in their order, with the same columns.
    report : ProblemReport
        Counts and examples; ``n_rows`` is 0 because they were counted when they were read, and places
        are rows of ``frame`` counted from 1.

    Raises
    ------
    DataError
        When ``user_id`` or ``item_id`` is missing.

    Examples
    --------
    >>> events = pl.DataFrame({"user_id": ["a"] * 3, "item_id": ["x"] * 3,
    ...     "timestamp": [1.0, 1.0, 2.0], "quantity": [1.0, 1.0, -1.0]})
    >>> kept, report = clean_events(events)
    >>> kept.height, report.counts["duplicate event"], report.counts["quantity is not positive"]
    (1, 1, 1)
    """
    missing = [name for name in (Columns.USER_ID, Columns.ITEM_ID) if name not in frame.columns]
    if missing:
        raise DataError(
            "Events cannot be cleaned",
            expected="columns user_id and item_id",
            received=", ".join(frame.columns),
            hint=f"Add {' and '.join(missing)}.",
        )
    collector = Collector("events, usable rows")
    collector.attach(frame, np.arange(1, frame.height + 1))
    _reject_values(frame, collector)
    _reject_duplicates(frame, collector)
    return frame.filter(pl.Series(~collector.bad)), collector.report(rows=0)


def _reject_values(frame: pl.DataFrame, collector: Collector) -> None:
    for name in (Columns.TIMESTAMP, Columns.VALUE, Columns.QUANTITY):
        if name in frame.columns:
            collector.reject(
                ~frame[name].cast(pl.Float64).is_finite(),
                name,
                kind=f"{name} is not finite",
                expected="a finite number",
                remedy="Fill in the true number, or leave it empty.",
            )
    if Columns.QUANTITY in frame.columns:
        quantity = frame[Columns.QUANTITY].cast(pl.Float64)
        collector.reject(
            quantity.is_finite() & (quantity <= 0),
            Columns.QUANTITY,
            kind="quantity is not positive",
            expected="a quantity above 0",
            remedy="Nothing to do for returns and corrections: they are no sign of interest.",
        )


def _reject_duplicates(frame: pl.DataFrame, collector: Collector) -> None:
    if Columns.TIMESTAMP not in frame.columns:
        return
    good: BoolArray = ~collector.bad & frame[Columns.TIMESTAMP].is_not_null().to_numpy()
    keys = frame.select(name for name in SAME if name in frame.columns).filter(pl.Series(good))
    first = keys.select(pl.struct(pl.all()).is_first_distinct()).to_series().to_numpy()
    repeated = np.zeros(frame.height, bool)
    repeated[np.flatnonzero(good)[~first]] = True
    collector.reject(
        repeated,
        Columns.ITEM_ID,
        kind="duplicate event",
        expected="user, item, time, type and session not all as in an earlier row",
        remedy="Nothing to do: the first was kept.",
    )


def clean_titles(titles: Sequence[str]) -> list[str]:
    r"""Repair titles: mojibake undone, one normal form, no control characters.

    ftfy repairs text that was decoded with the wrong encoding ("cafÃ©") and unescapes HTML; then
    Unicode NFKC, control and zero-width characters removed, white space collapsed; repeated until
    nothing changes, so that cleaning twice is cleaning once. No character becomes more than six: the
    two ligatures that stand for whole phrases (U+FDFA, U+FDFB) are kept.

    Parameters
    ----------
    titles : sequence of str
        One title an item; "" where unknown.

    Returns
    -------
    list of str
        One a title, in order.

    Notes
    -----
    ftfy: Speer, R. (2019), "ftfy", doi:10.5281/zenodo.2591652. NFKC: Unicode Standard Annex #15.

    Examples
    --------
    >>> clean_titles(["CAFÃ‰ SIGN", "ＲＥＤ  MUG&amp;SAUCER", "TEA\x00 SET", ""])
    ['CAFÉ SIGN', 'RED MUG&SAUCER', 'TEA SET', '']
    """
    return [_clean_title(title) for title in titles]


def _clean_title(title: str) -> str:
    if title.isascii() and title.isprintable() and "&" not in title and "  " not in title:
        return title.strip()
    text = title
    for _ in range(ROUNDS):
        once = _tidy(ftfy.fix_text(text, normalization="NFC", uncurl_quotes=False))
        if once == text:
            return text
        text = once
    return _tidy(title)


def _tidy(text: str) -> str:
    seen = _AMPERSANDS.sub("&", _CONTROL.sub("", text))
    parts = _PHRASES.split(seen)
    parts[::2] = [unicodedata.normalize("NFKC", part) for part in parts[::2]]
    return " ".join("".join(parts).split())
