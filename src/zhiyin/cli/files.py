"""The options that name a user's files, shared by the commands that read them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from zhiyin.cli.output import say, show_problems
from zhiyin.config import Recipe
from zhiyin.data import DataDescription, Dataset, ProblemReport, infer_schema, load_bundled
from zhiyin.data.bundled import BUNDLED
from zhiyin.data.loading import Options
from zhiyin.data.reading.problems import RejectedRowsError
from zhiyin.data.reading.times import DATES, DateOrder
from zhiyin.errors import ConfigError, InputError

__all__ = [
    "REJECTED",
    "ColumnsOption",
    "DatesOption",
    "DelimiterOption",
    "EventsArgument",
    "InferOption",
    "ItemsArgument",
    "MaxRejectedOption",
    "UsersOption",
    "YesOption",
    "check_outputs",
    "describe_data",
    "read_dataset",
    "read_described",
]

REJECTED: Final = "rejected.jsonl"
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
DatesOption = Annotated[
    str | None, typer.Option(help="Order of dates with the year last: dmy or mdy.", metavar="ORDER")
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
    recipe: Recipe | None = None,
    dates: str | None = None,
    infer: bool = False,
    yes: bool = False,
) -> Dataset:
    """Read what is named and report what was odd; rejected rows and changed cells go to ``rejected``."""
    description, folder = describe_data(
        events,
        items,
        users,
        columns,
        delimiter,
        max_rejected=max_rejected,
        dates=dates,
        guess=infer,
        yes=yes,
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
    dates: str | None = None,
    guess: bool = False,
    yes: bool = False,
) -> tuple[DataDescription | None, Path]:
    """What the arguments say of the data, and what its paths are relative to; None: it is bundled."""
    if events in BUNDLED and not Path(events).exists():
        return None, Path()
    if events.lower().endswith(".toml"):
        if items is not None or users is not None or columns or guess or dates:
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
        dates=_date_order(dates),
        max_rejected=max_rejected,
    )
    return (guessed(made, yes=yes, dated=dates is not None) if guess else made), Path()


def _date_order(dates: str | None) -> DateOrder:
    for order in DATES:
        if dates in (order, None):
            return order
    raise InputError("--dates is unknown", expected=", ".join(DATES), received=str(dates))


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


def guessed(description: DataDescription, *, yes: bool, dated: bool = False) -> DataDescription:
    """The description with columns, delimiter and dates as they were guessed and confirmed.

    Raises
    ------
    InputError
        When a required column is missing, or nobody is there to confirm.
    """
    asked = Options(columns=description.columns)
    schemas = {
        kind: infer_schema(place, kind, columns={k: v for k, (v, _) in asked.columns_of(kind).items()})
        for kind in ("events", "items", "users")
        if (place := getattr(description, kind)) is not None
    }
    for kind, schema in schemas.items():
        say(schema.summary())
        if schema.missing:
            raise InputError(
                f"{schema.file}: nothing looks like {', '.join(schema.missing)}",
                expected=", ".join(schema.missing),
                received=", ".join(schema.unused) or "no other columns with fitting cells",
                hint=f"Name it: --column {kind}.{schema.missing[0]}=NAME.",
            )
        if schema.doubts and kind == "events":
            raise InputError(
                f"{schema.file}: {schema.doubts[0]}",
                expected="times as in 2011-12-09 12:50, or seconds",
                received="something else",
                hint="Write the column in one of these ways, or rename it if it is no part of this.",
            )
    if not (yes or (sys.stdin.isatty() and typer.confirm("Is that right?", err=True))):
        raise InputError(
            "What was guessed is not confirmed", expected="yes", received="no answer, or no",
            hint="Add --yes, or name the columns: --column user_id=NAME.",
        )  # fmt: skip
    told = description.delimiter != ","
    return description.model_copy(
        update={
            "columns": {
                f"{kind}.{ours}": theirs
                for kind, schema in schemas.items()
                for ours, theirs in schema.columns.items()
            },
            "delimiter": description.delimiter
            if told
            else _same({k: one.delimiter for k, one in schemas.items()}),
            "dates": description.dates
            if dated
            else _same({k: one.dates or "ymd" for k, one in schemas.items()}),
        }
    )


def _same(by_table: dict[str, Any]) -> Any:
    """One value where all tables have the same, else by table."""
    return next(iter(by_table.values())) if len(set(by_table.values())) == 1 else by_table


def check_outputs(
    outputs: Sequence[Path | None], inputs: Sequence[str | Path | None], *suffixes: str
) -> None:
    """What is written goes to files of its own, never over what is read.

    Raises
    ------
    InputError
        When an output is one of the inputs, or has another suffix than is expected of it.
    """
    read = {Path(one).resolve() for one in inputs if one is not None}
    for path, suffix in zip(outputs, suffixes, strict=True):
        if path is None:
            continue
        if path.resolve() in read:
            raise InputError(f"{path} is an input", expected="a name of its own", received=str(path))
        if path.suffix.lower() != suffix:
            raise InputError(
                f"{path} has another suffix", expected=f"a name ending in {suffix}", received=path.name
            )


def _keep_rejected(report: ProblemReport, path: Path | None) -> None:
    """Write the rejected rows of this run; those of an earlier one go."""
    if path is None:
        return
    if report.n_rejected or report.changed_rows.height:
        report.write_rejected(path)
        say(f"Rejected rows and changed cells are in {path}")
    elif path.name == REJECTED:
        path.unlink(missing_ok=True)


def _mapping(pairs: Sequence[str] | None) -> dict[str, str] | None:
    mapping = {}
    for pair in pairs or ():
        ours, sign, theirs = pair.partition("=")
        if not sign:
            raise ConfigError(f"--column {pair} is not understood", expected="ours=theirs", received=pair)
        mapping[ours] = theirs
    return mapping or None
