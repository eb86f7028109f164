"""What was wrong with a file, place by place; knows no file format and no dataset.

A *rejected* row is kept aside, counted and can be written out; a *note* tells of a row that was kept
although it was changed or looks odd. Counts are exact; only the number of examples is bounded.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, Self

import polars as pl

from zhiyin.artifacts import write_text
from zhiyin.errors import DataError

__all__ = ["CHANGED_SCHEMA", "EXAMPLES", "Problem", "ProblemReport", "RejectedRowsError", "quoted"]

EXAMPLES: Final = 20  # examples kept of each kind of problem
REJECTED_SCHEMA: Final = {"file": pl.String, "line": pl.Int64, "reason": pl.String, "row": pl.String}
CHANGED_SCHEMA: Final = {
    "file": pl.String, "line": pl.Int64, "column": pl.String, "rule": pl.String, "before": pl.String,
    "after": pl.String,
}  # fmt: skip


def quoted(value: object, *, longest: int = 60) -> str:
    r"""Quote a value for a message: on one line, at most ``longest`` characters.

    Examples
    --------
    >>> quoted("so\non")
    "'so\\non'"
    """
    text = repr(value[: longest + 1] if isinstance(value, str) else value)
    return text if len(text) <= longest else text[: longest - 1] + "…"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, where, and what to do.

    Parameters
    ----------
    file : str
        Name of the file.
    line : int or None
        Line of a text file, row of a Parquet file or a table; both counted from 1.
    column : str or None
        Name in the file.
    expected, received, remedy : str
        The two sides of the disagreement, and an instruction.
    kind : str
        What problems of this sort are counted under.
    severity : {"rejected", "note"}
        Whether the row was kept aside, or kept.

    Examples
    --------
    >>> print(Problem("e.csv", 7, "timestamp", "seconds", "'soon'", "Mend the cell.", "not a time"))
    e.csv, line 7, column timestamp: not a time; expected seconds, received 'soon'. Mend the cell.
    """

    file: str
    line: int | None
    column: str | None
    expected: str
    received: str
    remedy: str
    kind: str = "problem"
    severity: Literal["rejected", "note"] = "rejected"

    def __str__(self) -> str:
        unit = "line" if self.file.lower().endswith((".csv", ".tsv", ".jsonl", ".gz")) else "row"
        place = [self.file]
        place += [] if self.line is None else [f"{unit} {self.line}"]
        place += [] if self.column is None else [f"column {self.column}"]
        text = f"{', '.join(place)}: {self.kind}; expected {self.expected}, received {self.received}."
        return " ".join(f"{text} {self.remedy}".split())


@dataclass(frozen=True, eq=False)
class ProblemReport:
    """All that was wrong with one or several files.

    Parameters
    ----------
    n_rows : int
        Rows read, the rejected ones included.
    problems : tuple of Problem
        Examples, at most 20 of each kind in each file, by file and line.
    counts : Mapping[str, int]
        Kind of problem -> how often it occurs, exactly.
    notes : tuple of str
        Remarks that belong to no single row.
    rejected_rows : polars.DataFrame
        ``file``, ``line`` (Int64), ``reason``, ``row`` (JSON: an object of cells, or the text of a
        line that could not be split into cells); one row for each rejected row.
    rules : Mapping[str, int]
        Rule of cleaning -> rows that it touched, of the rules that ran.
    changed_rows : polars.DataFrame
        ``file``, ``line``, ``column``, ``rule``, ``before``, ``after`` of each cell that a rule changed.

    Examples
    --------
    >>> print(ProblemReport(n_rows=3).with_note("times without a zone were read as UTC").summary())
    3 rows read, 0 rejected
      times without a zone were read as UTC
    """

    n_rows: int = 0
    problems: tuple[Problem, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rejected_rows: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REJECTED_SCHEMA))
    rules: Mapping[str, int] = field(default_factory=dict)
    changed_rows: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CHANGED_SCHEMA))

    @property
    def n_rejected(self) -> int:
        """Number of rows kept aside."""
        return self.rejected_rows.height

    def merge(self, *others: ProblemReport) -> ProblemReport:
        """Join this report and others; counts add up."""
        reports: tuple[ProblemReport, ...] = (self, *others)
        counts: Counter[str] = Counter()
        rules: Counter[str] = Counter()
        for report in reports:
            counts.update(report.counts)
            rules.update(report.rules)
        return replace(
            self,
            n_rows=sum(report.n_rows for report in reports),
            problems=bounded(problem for report in reports for problem in report.problems),
            counts=dict(counts),
            notes=tuple(dict.fromkeys(note for report in reports for note in report.notes)),
            rejected_rows=pl.concat([report.rejected_rows for report in reports]),
            rules=dict(rules),
            changed_rows=pl.concat([report.changed_rows for report in reports]),
        )

    def with_note(self, note: str) -> Self:
        """Return the same report with one more remark."""
        return replace(self, notes=(*self.notes, note))

    def summary(self) -> str:
        """Put the report in words: one line for each kind of problem, with its first place."""
        lines = [f"{self.n_rows} rows read, {self.n_rejected} rejected"]
        firsts = {problem.kind: problem for problem in reversed(self.problems)}
        for kind, count in self.counts.items():
            first = firsts.get(kind)
            verdict = "" if first is None else f" ({'rejected' if first.severity == 'rejected' else 'kept'})"
            lines.append(f"  {count} x {kind}{verdict}" + ("" if first is None else f"; first: {first}"))
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, Any]:
        """Return the report for machines; it can be written as JSON."""
        return {
            "rows": self.n_rows,
            "rejected": self.n_rejected,
            "counts": dict(self.counts),
            "rules": dict(self.rules),
            "notes": list(self.notes),
            "problems": [asdict(problem) for problem in self.problems],
        }

    def write_rejected(self, path: str | Path) -> None:
        """Write the rejected rows as JSON Lines (file, line, reason, row), then the changed cells.

        Raises
        ------
        ArtifactError
            When the disk refuses; a file that was there before is unchanged.
        """
        lines = [
            f'{{"file": {json.dumps(file)}, "line": {json.dumps(line)}, '
            f'"reason": {json.dumps(reason)}, "row": {row}}}\n'
            for file, line, reason, row in self.rejected_rows.iter_rows()
        ]
        changed = self.changed_rows.write_ndjson() if self.changed_rows.height else ""
        write_text(Path(path), "".join(lines) + changed)


class RejectedRowsError(DataError):
    """So many rows of a file are bad that it is rather misread than dirty; carries ``report``."""

    def __init__(self, file: str, report: ProblemReport, *, allowed: float) -> None:
        worst = _most_frequent(report)
        share = report.n_rejected / max(report.n_rows, 1)
        super().__init__(
            f"{file}: {report.n_rejected} of {report.n_rows} rows cannot be used"
            + ("" if worst is None else f", mostly: {worst.kind}"),
            expected=f"at most {allowed:.0%} of the rows rejected",
            received=f"{share:.0%}",
            hint=("" if worst is None else f"{worst.remedy} ")
            + "Or pass max_rejected=1.0 to go on without these rows.",
            problems=[problem for problem in report.problems if problem.severity == "rejected"],
        )
        self.report = report


def bounded(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Keep the first ``EXAMPLES`` problems of each kind in each file."""
    seen: Counter[tuple[str, str]] = Counter()
    kept = []
    for problem in problems:
        seen[problem.file, problem.kind] += 1
        if seen[problem.file, problem.kind] <= EXAMPLES:
            kept.append(problem)
    return tuple(kept)


def _most_frequent(report: ProblemReport) -> Problem | None:
    rejecting = [problem for problem in report.problems if problem.severity == "rejected"]
    return max(rejecting, key=lambda problem: report.counts.get(problem.kind, 0), default=None)
