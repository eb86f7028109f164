"""The options that name a user's files, shared by the commands that read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from zhiyin.cli.output import say, show_problems
from zhiyin.data import Dataset, ProblemReport, load_bundled
from zhiyin.data.bundled import BUNDLED
from zhiyin.data.reading.problems import RejectedRowsError
from zhiyin.errors import ConfigError

__all__ = [
    "ColumnsOption",
    "DelimiterOption",
    "EventsArgument",
    "ItemsArgument",
    "MaxRejectedOption",
    "UsersOption",
    "read_dataset",
]

EventsArgument = Annotated[
    str, typer.Argument(help="Events (CSV, CSV.GZ, Parquet, JSONL), or a bundled name: online-retail.")
]
ItemsArgument = Annotated[Path | None, typer.Argument(help="Items: item_id, title, price, …")]
UsersOption = Annotated[Path | None, typer.Option("--users", help="Users: user_id, …")]
ColumnsOption = Annotated[
    list[str] | None,
    typer.Option("--column", help="Our column name=the file's: user_id=CustomerID. Repeatable."),
]
MaxRejectedOption = Annotated[
    float, typer.Option(min=0, max=1, help="Share of rows that may be kept aside as unusable.")
]
DelimiterOption = Annotated[str, typer.Option(help="Delimiter of CSV files.")]


def read_dataset(
    events: str,
    items: Path | None,
    users: Path | None,
    columns: Sequence[str] | None,
    delimiter: str,
    *,
    max_rejected: float = 0.1,
    rejected: Path | None = None,
    event_weights: Mapping[str, float] | None = None,
) -> Dataset:
    """Read files (or bundled data) and report what was odd; rejected rows go to ``rejected``."""
    if events in BUNDLED and not Path(events).exists():
        dataset = load_bundled(events)
    else:
        mapping = _mapping(columns)
        try:
            dataset = Dataset.from_files(
                events,
                items,
                users,
                columns=mapping,
                delimiter=delimiter,
                max_rejected=max_rejected,
                event_weights=event_weights,
            )
        except RejectedRowsError as error:
            _keep_rejected(error.report, rejected)
            raise
    show_problems(dataset)
    _keep_rejected(dataset.report, rejected)
    return dataset


def _keep_rejected(report: ProblemReport, path: Path | None) -> None:
    """Write the rejected rows of this run; those of an earlier one go."""
    if path is None:
        return
    if report.n_rejected:
        report.write_rejected(path)
        say(f"The rejected rows are in {path}")
    else:
        path.unlink(missing_ok=True)


def _mapping(pairs: Sequence[str] | None) -> dict[str, str] | None:
    mapping = {}
    for pair in pairs or ():
        ours, sign, theirs = pair.partition("=")
        if not sign:
            raise ConfigError(f"--column {pair} is not understood", expected="ours=theirs", received=pair)
        mapping[ours] = theirs
    return mapping or None
