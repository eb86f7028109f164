"""The options that name a user's files, shared by the commands that read them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from zhiyin.cli.output import say, show_problems
from zhiyin.config import Recipe
from zhiyin.data import DataDescription, Dataset, ProblemReport, infer_schema, load_bundled
from zhiyin.data.bundled import BUNDLED
from zhiyin.data.reading.problems import RejectedRowsError
from zhiyin.errors import ConfigError, InputError

__all__ = [
    "ColumnsOption",
    "DelimiterOption",
    "EventsArgument",
    "InferOption",
    "ItemsArgument",
    "MaxRejectedOption",
    "UsersOption",
    "YesOption",
    "describe_data",
    "read_dataset",
    "read_described",
]

EventsArgument = Annotated[
    str,
    typer.Argument(
        help="Events (CSV, CSV.GZ, Parquet, JSONL), a description of the data (TOML), or a bundled name: "
        "online-retail."
    ),
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
InferOption = Annotated[bool, typer.Option("--infer", help="Guess which column is which, show it, and ask.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Take what was guessed without asking.")]
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
    recipe: Recipe | None = None,
    infer: bool = False,
    yes: bool = False,
) -> Dataset:
    """Read what is named and report what was odd; rejected rows and changed cells go to ``rejected``."""
    description, folder = describe_data(
        events, items, users, columns, delimiter, max_rejected=max_rejected, guess=infer, yes=yes
    )
    return read_described(description, folder, recipe=recipe, rejected=rejected, bundled=events)


def describe_data(
    events: str,
    items: Path | None,
    users: Path | None,
    columns: Sequence[str] | None,
    delimiter: str,
    *,
    max_rejected: float = 0.1,
    guess: bool = False,
    yes: bool = False,
) -> tuple[DataDescription | None, Path]:
    """What the arguments say of the data, and what its paths are relative to; None: it is bundled."""
    if events in BUNDLED and not Path(events).exists():
        return None, Path()
    if events.lower().endswith(".toml"):
        if items is not None or users is not None or columns or guess:
            raise ConfigError(
                f"{events} describes the data alone",
                expected="no other files, no --column and no --infer beside it",
                received="items, users, columns or --infer",
                hint="Write them into the description.",
            )
        return DataDescription.read(events), Path(events).parent
    made = DataDescription(
        events=events,
        items=None if items is None else str(items),
        users=None if users is None else str(users),
        columns=_mapping(columns) or {},
        delimiter=delimiter,
        max_rejected=max_rejected,
    )
    return (guessed(made, yes=yes) if guess else made), Path()


def read_described(
    description: DataDescription | None,
    folder: Path,
    *,
    recipe: Recipe | None = None,
    rejected: Path | None = None,
    bundled: str = "online-retail",
) -> Dataset:
    """Read what is described; the recipe's weights and rules count where the description has none."""
    if description is None:
        dataset = load_bundled(bundled)
    else:
        weights = None if recipe is None else recipe.event_weights
        rules = {} if recipe is None else recipe.cleaning
        description = description.model_copy(update={"cleaning": {**rules, **description.cleaning}})
        try:
            dataset = description.dataset(folder, event_weights=weights)
        except RejectedRowsError as error:
            _keep_rejected(error.report, rejected)
            raise
    show_problems(dataset)
    _keep_rejected(dataset.report, rejected)
    return dataset


def guessed(description: DataDescription, *, yes: bool) -> DataDescription:
    """The description with columns, delimiter and dates as they were guessed and confirmed.

    Raises
    ------
    InputError
        When a required column is missing, or nobody is there to confirm.
    """
    schemas = {
        kind: infer_schema(place, kind)
        for kind in ("events", "items", "users")
        if (place := getattr(description, kind)) is not None
    }
    for schema in schemas.values():
        say(schema.summary())
        missing = [name for name in schema.missing if name not in description.columns]
        if missing:
            raise InputError(
                f"{schema.file}: nothing looks like {', '.join(missing)}",
                expected=", ".join(missing),
                received=", ".join(schema.unused) or "no other columns",
                hint=f"Name it: --column {missing[0]}=NAME.",
            )
    if not (yes or (sys.stdin.isatty() and typer.confirm("Is that right?", err=True))):
        raise InputError(
            "What was guessed is not confirmed", expected="yes", received="no answer, or no",
            hint="Add --yes, or name the columns: --column user_id=NAME.",
        )  # fmt: skip
    columns = {
        (ours if kind == "events" else f"{kind}.{ours}"): theirs
        for kind, schema in schemas.items()
        for ours, theirs in schema.columns.items()
    }
    return description.model_copy(
        update={
            "columns": {**columns, **description.columns},
            "delimiter": schemas["events"].delimiter
            if description.delimiter == ","
            else description.delimiter,
            "dates": schemas["events"].dates or description.dates,
        }
    )


def _keep_rejected(report: ProblemReport, path: Path | None) -> None:
    """Write the rejected rows of this run; those of an earlier one go."""
    if path is None:
        return
    if report.n_rejected or report.changed_rows.height:
        report.write_rejected(path)
        say(f"Rejected rows and changed cells are in {path}")
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
