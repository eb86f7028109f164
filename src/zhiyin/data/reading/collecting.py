"""Gathers problems while one file is read, and ends in a ``ProblemReport``; knows no file format.

A row may have several problems and is still one rejected row. Rows are found by position in a table
of cells; lines that never became cells are handed in as text.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from zhiyin.data.reading.problems import EXAMPLES, REJECTED_SCHEMA, Problem, ProblemReport, bounded, quoted
from zhiyin.types import BoolArray

__all__ = ["Collector"]

SEPARATOR: Final = "; "


class Collector:
    """Problems of one file.

    Parameters
    ----------
    file : str
        Name of the file, as shown to people.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.notes: list[str] = []
        self._problems: list[Problem] = []
        self._counts: Counter[str] = Counter()
        self._shown: Counter[str] = Counter()
        self._texts: list[tuple[str, int, str, str]] = []
        self._reasons: list[pl.DataFrame] = []
        self._rejected: list[pl.DataFrame] = []
        self._n_rows = 0
        self.touched = 0  # rows rejected or noted, each time it happens
        self._cells = pl.DataFrame()
        self.lines: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        self.bad: BoolArray = np.zeros(0, bool)

    def attach(self, cells: pl.DataFrame, lines: npt.NDArray[np.int64]) -> None:
        """Set the table that ``reject`` and ``note`` speak of; ``lines`` [rows] are places in the file.

        What was said of the table before it stays, in its own words.
        """
        self._rejected.append(self._rejected_cells())
        self._reasons.clear()
        self._n_rows += cells.height
        self._cells, self.lines = cells, lines
        self.bad = np.zeros(cells.height, bool)

    def reject_text(
        self, line: int, text: str, *, kind: str, expected: str, received: str, remedy: str
    ) -> None:
        """Keep aside a line that could not be split into cells."""
        self._add(Problem(self.file, line, None, expected, received, remedy, kind))
        self._texts.append((self.file, line, kind, json.dumps(text)))

    def reject(
        self,
        wrong: pl.Series | BoolArray,
        column: str,
        *,
        kind: str,
        expected: str,
        remedy: str,
        received: Callable[[int], str] | None = None,
    ) -> None:
        """Keep rows aside.

        Parameters
        ----------
        wrong : bool [rows]
            Which rows; null counts as no.
        column : str
            Name in the file; its cell is shown as received, unless ``received`` (row -> text) is given.
        """
        rows = self._mark(wrong, column, kind, expected, remedy, received, severity="rejected")
        self.bad[rows] = True
        reason = f"{column}: {kind}"
        self._reasons.append(pl.DataFrame({"at": rows}).with_columns(pl.lit(reason).alias("reason")))

    def note(
        self,
        odd: pl.Series | BoolArray,
        column: str,
        *,
        kind: str,
        expected: str,
        remedy: str,
    ) -> None:
        """Remember rows that are kept although they were changed or look odd."""
        self._mark(odd, column, kind, expected, remedy, None, severity="note")

    def remark(self, text: str) -> None:
        """Remember something that belongs to no single row."""
        self.notes.append(f"{self.file}: {text}")

    def report(self, *, rows: int | None = None) -> ProblemReport:
        """Return all of it, in the order of the file; ``rows`` None: count the rows that were seen."""
        texts = pl.DataFrame(self._texts, schema=REJECTED_SCHEMA, orient="row")
        rejected = pl.concat([texts, *self._rejected, self._rejected_cells()])
        return ProblemReport(
            n_rows=self._n_rows + len(self._texts) if rows is None else rows,
            problems=bounded(sorted(self._problems, key=lambda problem: problem.line or 0)),
            counts=dict(self._counts),
            notes=tuple(dict.fromkeys(self.notes)),
            rejected_rows=rejected.sort("line", maintain_order=True),
        )

    def _rejected_cells(self) -> pl.DataFrame:
        if not self._reasons or not self.bad.any():
            return pl.DataFrame(schema=REJECTED_SCHEMA)
        reasons = (
            pl.concat(self._reasons)
            .group_by("at")
            .agg(pl.col("reason").unique(maintain_order=True).str.join(SEPARATOR))
            .sort("at")
        )
        at = reasons["at"].to_numpy()
        cells = self._cells[at].select(pl.struct(pl.all()).struct.json_encode().alias("row"))
        return pl.DataFrame(
            {
                "file": pl.repeat(self.file, len(at), dtype=pl.String, eager=True),
                "line": self.lines[at],
                "reason": reasons["reason"],
                "row": cells["row"],
            },
            schema=REJECTED_SCHEMA,
        )

    def _mark(
        self,
        wrong: pl.Series | BoolArray,
        column: str,
        kind: str,
        expected: str,
        remedy: str,
        received: Callable[[int], str] | None,
        *,
        severity: Literal["rejected", "note"],
    ) -> npt.NDArray[np.int64]:
        mask = wrong.fill_null(False).to_numpy() if isinstance(wrong, pl.Series) else wrong
        rows = np.flatnonzero(mask)
        for row in rows[:EXAMPLES]:
            shown = self._shown_cell(column, int(row)) if received is None else received(int(row))
            line = int(self.lines[row])
            self._add(
                Problem(self.file, line, column, expected, shown, remedy, kind, severity), counted=False
            )
        self.touched += len(rows)
        if len(rows):
            self._counts[kind] += len(rows)
        return rows

    def _shown_cell(self, column: str, row: int) -> str:
        cell = self._cells[column][row]
        return "an empty cell" if cell is None or cell == "" else quoted(cell)

    def _add(self, problem: Problem, *, counted: bool = True) -> None:
        self._counts[problem.kind] += counted
        self._shown[problem.kind] += 1
        if self._shown[problem.kind] <= EXAMPLES:
            self._problems.append(problem)
