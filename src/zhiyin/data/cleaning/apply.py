"""Applies the rules, in the order of the registry; knows no single rule."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl

from zhiyin.data.cleaning.base import Rule, TableKind, TextRule, text_columns
from zhiyin.data.columns import Columns
from zhiyin.data.reading.collecting import Collector
from zhiyin.data.reading.problems import CHANGED_SCHEMA, ProblemReport
from zhiyin.errors import ConfigError, DataError
from zhiyin.registry import names, resolve

__all__ = ["Switches", "clean", "clean_events", "clean_titles", "rule_names"]

Switches = Mapping[str, bool | Mapping[str, Any]]
ROUNDS: Final = 16
NEEDED: Final[Mapping[TableKind, tuple[str, ...]]] = {
    "events": (Columns.USER_ID, Columns.ITEM_ID), "items": (Columns.ITEM_ID,), "texts": (Columns.USER_ID,),
}  # fmt: skip


def rule_names(table: TableKind | None = None) -> dict[str, bool]:
    """Name -> whether it runs by default, of all rules or of those that look at ``table``.

    Examples
    --------
    >>> rule_names("events")["duplicates"], rule_names("events")["inhuman-rates"]
    (True, False)
    """
    found = {name: resolve("cleaner", name) for name in names("cleaner")}
    return {name: kind.default for name, kind in found.items() if table is None or table in kind.tables}


def clean(
    frame: pl.DataFrame, table: TableKind, switches: Switches | None = None, *, file: str | None = None
) -> tuple[pl.DataFrame, ProblemReport]:
    """Keep aside rows that are wrong and mend texts, by the rules that are switched on.

    Parameters
    ----------
    frame : polars.DataFrame
        As ``zhiyin.data.reading`` returns it; with a column ``_line`` the report speaks of these lines.
    table : {"events", "items", "texts"}
        What the rows are.
    switches : Mapping, optional
        Name of a rule -> True, False, or its parameters; others as ``rule_names`` says.
    file : str, optional
        Where the rows come from, for the report.

    Returns
    -------
    frame : polars.DataFrame
        The kept rows in their order, with the same columns.
    report : ProblemReport
        ``rules`` tells how many rows each rule touched; ``n_rows`` is 0 because they were counted when
        they were read; ``changed_rows`` holds the cells that were mended, as they were and are.

    Raises
    ------
    ConfigError
        When a rule is unknown or its parameters are wrong.
    DataError
        When a column is missing.
    """
    missing = [name for name in NEEDED[table] if name not in frame.columns]
    if missing:
        raise DataError(
            f"{table.capitalize()} cannot be cleaned",
            expected=f"columns {' and '.join(NEEDED[table])}",
            received=", ".join(frame.columns),
            hint=f"Add {' and '.join(missing)}.",
        )
    chosen = _chosen(table, switches or {})
    collector = Collector(file or f"{table}, usable rows")
    placed = Columns.LINE in frame.columns
    if not placed:
        frame = frame.with_row_index(Columns.LINE, offset=1)
    frame, changed = _mended(frame, chosen, collector)
    touched = {name: changed.filter(pl.col("rule") == name)["line"].n_unique() for name in chosen}
    for name, rule in chosen.items():
        if isinstance(rule, Rule):
            before = collector.touched
            _attach(frame, collector)
            rule.apply(frame.drop(Columns.LINE), collector)
            touched[name] = collector.touched - before
            if collector.bad.any():
                frame = frame.filter(pl.Series(~collector.bad))
    report = collector.report(rows=0)
    frame = frame if placed else frame.drop(Columns.LINE)
    return frame, replace(report, rules=touched, changed_rows=changed)


def clean_events(frame: pl.DataFrame, switches: Switches | None = None) -> tuple[pl.DataFrame, ProblemReport]:
    """Clean events: ``clean(frame, "events", switches)``.

    Examples
    --------
    >>> events = pl.DataFrame({"user_id": ["a"] * 3, "item_id": ["x"] * 3,
    ...     "timestamp": [1.0, 1.0, 2.0], "quantity": [1.0, 1.0, -1.0]})
    >>> kept, report = clean_events(events)
    >>> kept.height, report.rules["duplicates"], report.rules["returns"]
    (1, 1, 1)
    """
    return clean(frame, "events", switches)


def clean_titles(titles: Sequence[str]) -> list[str]:
    r"""Mend texts by all text rules, in order.

    Examples
    --------
    >>> clean_titles(["CAFÃ‰ SIGN", "ＲＥＤ  MUG&amp;SAUCER", "TEA\x00 SET", ""])
    ['CAFÉ SIGN', 'RED MUG&SAUCER', 'TEA SET', '']
    """
    rules = {name: rule for name, rule in _chosen("items", {}).items() if isinstance(rule, TextRule)}
    return [_mend(title, rules)[0] for title in titles]


def _chosen(table: TableKind, switches: Switches) -> dict[str, Rule | TextRule]:
    """The rules that run, in the order in which the registry lists them."""
    known = rule_names()
    for name in switches:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(
                f"No rule of cleaning is called {name!r}",
                expected=", ".join(known),
                received=name,
                hint=f"Did you mean {near[0]!r}?" if near else "Use one of these.",
            )
    chosen = {}
    for name in rule_names(table):
        switch = switches.get(name, known[name])
        if switch is not False:
            params = {} if switch is True else dict(switch)
            chosen[name] = resolve("cleaner", name)(**params)
    return chosen


def _attach(frame: pl.DataFrame, collector: Collector) -> None:
    collector.attach(frame.drop(Columns.LINE), frame[Columns.LINE].to_numpy().astype(np.int64))


def _mended(
    frame: pl.DataFrame, chosen: Mapping[str, Rule | TextRule], collector: Collector
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The frame with mended texts, and the changed cells."""
    rules = {name: rule for name, rule in chosen.items() if isinstance(rule, TextRule)}
    changes = [pl.DataFrame(schema=CHANGED_SCHEMA)]
    if not rules:
        return frame, changes[0]
    _attach(frame, collector)
    for column in text_columns(frame.drop(Columns.LINE)):
        mended = {text: _mend(text, rules) for text in frame[column].drop_nulls().unique()}
        mended = {text: (new, by) for text, (new, by) in mended.items() if new != text}
        if not mended:
            continue
        rows = frame[column].is_in(list(mended)).fill_null(False).arg_true().to_numpy()
        old = frame[column].gather(rows).to_list()
        for name, rule in rules.items():
            odd = np.zeros(frame.height, bool)
            odd[rows[[name in mended[text][1] and _shows(text, mended[text][0]) for text in old]]] = True
            collector.note(odd, column, kind=rule.kind, expected="clean text", remedy="Nothing to do.")
        changes += [
            pl.DataFrame(
                [
                    (collector.file, int(collector.lines[row]), column, name, text, mended[text][0])
                    for row, text in zip(rows, old, strict=True)
                    for name in mended[text][1]
                ],
                schema=CHANGED_SCHEMA,
                orient="row",
            )
        ]
        new = pl.Series([mended[text][0] or None for text in old], dtype=pl.String)
        frame = frame.with_columns(frame[column].scatter(rows, new))
    return frame, pl.concat(changes)


def _shows(before: str, after: str) -> bool:
    """Whether more than white space has changed: only that is worth a note."""
    return "".join(before.split()) != "".join(after.split())


def _mend(text: str, rules: Mapping[str, TextRule]) -> tuple[str, set[str]]:
    """The text when no rule changes it any more, and the rules that changed it."""
    by: set[str] = set()
    first = text
    for _ in range(ROUNDS):
        before = text
        for name, rule in rules.items():
            after = rule.mend(text)
            if after != text:
                by.add(name)
                text = after
        if text == before:
            return text, by
    calm = {name: rule for name, rule in rules.items() if not rule.restless}
    return _mend(first, calm) if len(calm) < len(rules) else (first, set())
