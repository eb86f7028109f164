"""JSON Lines blocks -> cells as text, none lost; knows lines and values, not what they mean.

Numbers keep the spelling of the file: 12345678901234567890 and 1.10 come out as written.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

import numpy as np
import polars as pl

from zhiyin.data.reading.collecting import Collector
from zhiyin.data.reading.headers import checked_names
from zhiyin.data.reading.problems import quoted
from zhiyin.errors import DataError

__all__ = ["read_jsonl"]

REMEDY: Final = "Write one JSON object a line, in UTF-8."
MAX_COLUMNS: Final = 1_000


class _Float(str):
    """A number that is not an integer, as spelled in the file."""


class _Refused(ValueError):
    """A line that cannot be used: kind, expected, received, remedy."""


def read_jsonl(
    blocks: Iterable[bytes], collector: Collector, *, ids: Collection[str]
) -> Iterator[pl.DataFrame]:
    """Yield cells, text, absent ones null, each table attached to ``collector``.

    Parameters
    ----------
    blocks : iterable of bytes
        The file in blocks of whole lines.
    ids : collection of str
        Names of columns that hold ids, which may be strings or integers only.

    Raises
    ------
    DataError
        When no line is an object.
    """
    start, first, some = 1, b"", False
    known: dict[str, None] = {}
    for data in blocks:
        first = first or data.lstrip()[:60]
        rows, lines = _rows(data, start, collector, ids)
        start += data.count(b"\n")
        known.update(dict.fromkeys(name for row in rows for name in row))
        if len(known) > MAX_COLUMNS:
            raise DataError(
                f"{collector.file} has too many different keys",
                expected=f"at most {MAX_COLUMNS} keys",
                received=f"{len(known)}, for example {quoted(list(known)[-1])}",
                hint="Put what varies into values, not into keys.",
            )
        if not rows and not some:
            continue
        some = True
        names = zip(checked_names(collector.file, list(known)), known, strict=True)
        frame = pl.DataFrame(
            [pl.Series(clean, [row.get(name) for row in rows], dtype=pl.String) for clean, name in names]
        )
        collector.attach(frame, np.array(lines, dtype=np.int64))
        yield frame
    if not some:
        raise DataError(
            f"{collector.file} holds no usable JSON object",
            expected="one JSON object a line",
            received=quoted(first.decode("utf-8", "replace")),
            hint=REMEDY,
            problems=collector.report().problems,
        )


def _rows(
    data: bytes, start: int, collector: Collector, ids: Collection[str]
) -> tuple[list[dict[str, str | None]], list[int]]:
    """The objects of a block and their lines."""
    rows: list[dict[str, str | None]] = []
    lines: list[int] = []
    for number, line in enumerate(data.split(b"\n"), start=start):
        if not line.strip():
            continue
        try:
            rows.append(_row(line, ids))
            lines.append(number)
        except _Refused as refused:
            kind, expected, received, remedy = refused.args
            raw = line.decode("utf-8", "backslashreplace").rstrip("\r")
            collector.reject_text(number, raw, kind=kind, expected=expected, received=received, remedy=remedy)
    return rows, lines


def _row(line: bytes, ids: Collection[str]) -> dict[str, str | None]:
    try:
        value = json.loads(line.decode("utf-8"), parse_int=str, parse_float=_Float, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        received = f"byte 0x{line[error.start]:02X} at place {error.start + 1}"
        raise _Refused("not UTF-8", "text in UTF-8", received, "Save the file again as UTF-8.") from None
    except (json.JSONDecodeError, RecursionError) as error:
        received = str(error) if isinstance(error, ValueError) else "values nested too deeply"
        raise _Refused("not JSON", "one JSON object", received, REMEDY) from None
    if not isinstance(value, dict) or not value:
        raise _Refused("not an object", "one JSON object", quoted(value), REMEDY)
    odd = next((name for name in value if not name.isprintable()), None)
    if odd is not None:
        raise _Refused("a key cannot be read", "keys without control characters", quoted(odd), "Rename it.")
    return {name: _cell(name, cell, is_id=name in ids) for name, cell in value.items()}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        names = quoted([name for name, _ in pairs])
        raise _Refused("a key occurs twice", "each key once", names, "Remove one of them.")
    return value


def _cell(name: str, value: Any, *, is_id: bool) -> str | None:
    if value is None:
        return None
    if is_id and not (isinstance(value, str) and not isinstance(value, _Float)):
        shown = str(value) if isinstance(value, _Float) else quoted(value)
        remedy = "Write the id in quotes, as it is spelled elsewhere."
        raise _Refused("an id is not text", f"a string or an integer as {name}", shown, remedy)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        text = ", ".join(value)
    else:
        text = str(value) if isinstance(value, str | float) else json.dumps(value, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        remedy = "Write the whole pair, or remove it."
        raise _Refused("half a surrogate pair", "valid Unicode text", quoted(text), remedy) from None
    return text
