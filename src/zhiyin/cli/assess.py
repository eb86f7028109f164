"""zhiyin assess."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zhiyin.cli.files import (
    ColumnsOption,
    DatesOption,
    DelimiterOption,
    EventsArgument,
    ItemsArgument,
    MaxRejectedOption,
    UsersOption,
    check_outputs,
    describe_data,
    read_described,
)
from zhiyin.cli.output import JsonOption, print_json, say
from zhiyin.errors import InputError
from zhiyin.pipeline.assessment import assess as assess_dataset
from zhiyin.pipeline.assessment import write_assessment

__all__ = ["assess"]


def assess(
    events: EventsArgument,
    items: ItemsArgument = None,
    users: UsersOption = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Places of the rules' lists.")] = 10,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report here.")] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write what was found out about the files as a description (TOML).")
    ] = None,
    rejected: Annotated[Path | None, typer.Option(help="Write rejected rows here (JSON Lines).")] = None,
    columns: ColumnsOption = None,
    delimiter: DelimiterOption = ",",
    dates: DatesOption = None,
    max_rejected: MaxRejectedOption = 0.1,
    seed: Annotated[int, typer.Option(help="Of samples and intervals.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Say what the data supports, before anything is trained."""
    check_outputs((report, write, rejected), (events, items, users), ".html", ".toml", ".jsonl")
    described = events.lower().endswith(".toml")
    description, folder = describe_data(
        events,
        items,
        users,
        columns,
        delimiter,
        max_rejected=max_rejected,
        dates=dates,
        guess=not described,
        yes=True,
    )
    if description is None and write is not None:
        raise InputError("Bundled data needs no description", expected="no --write", received=str(write))
    dataset = read_described(description, folder, rejected=rejected, bundled=events)
    found = assess_dataset(dataset, k=k, seed=seed)
    if write is not None and description is not None:
        description.moved(folder, write.parent).write(write)
        say(f"Description of the data: {write}")
    if report is not None:
        write_assessment(report, found, title=f"assessment of {Path(events).name}")
        say(f"Report: {report}")
    if as_json:
        print_json(found.to_dict())
    else:
        typer.echo(found.summary())
