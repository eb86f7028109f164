"""zhiyin evaluate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from zhiyin.cli.files import (
    ColumnsOption,
    DelimiterOption,
    EventsArgument,
    ItemsArgument,
    MaxRejectedOption,
    UsersOption,
    read_dataset,
)
from zhiyin.cli.output import (
    JsonOption,
    SetOption,
    overrides_of,
    print_json,
    say,
    show_learned,
    show_steps,
    show_table,
)
from zhiyin.data import (
    Dataset,
    Split,
    leave_last_basket_out,
    leave_last_out,
    split_by_time,
    split_users_by_time,
)
from zhiyin.errors import InputError
from zhiyin.evaluate import leaks
from zhiyin.evaluate.report import write_evaluation_report
from zhiyin.pipeline import Recommender, evaluate_recommender, learned, read_lists, step_gains

__all__ = ["evaluate"]


class Way(StrEnum):
    """How the data are split."""

    TIME = "time"
    USERS = "users"
    LAST = "last"
    BASKET = "basket"


SPLITS: dict[Way, Callable[[Dataset, float, float], Split]] = {
    Way.TIME: lambda dataset, valid, test: split_by_time(dataset, valid=valid, test=test),
    Way.USERS: lambda dataset, valid, test: split_users_by_time(dataset, valid=valid, test=test),
    Way.LAST: lambda dataset, valid, test: leave_last_out(dataset),
    Way.BASKET: lambda dataset, valid, test: leave_last_basket_out(dataset),
}


def evaluate(
    events: EventsArgument,
    items: ItemsArgument = None,
    users: UsersOption = None,
    recipe: Annotated[str, typer.Option(help="A recipe's name or TOML file.")] = "retail",
    k: Annotated[int, typer.Option("-k", min=1, help="Places that count.")] = 10,
    lists: Annotated[
        list[str] | None,
        typer.Option(
            help="Lists of another system, name=file.parquet (user_id, item_id, rank or score); repeatable."
        ),
    ] = None,
    way: Annotated[
        Way,
        typer.Option("--split", help="By global time; or per user: newest share, last event, last basket."),
    ] = Way.TIME,
    baseline: Annotated[str, typer.Option(help="What differences are taken from.")] = "recent-popular",
    report: Annotated[Path | None, typer.Option(help="Write an HTML report here.")] = None,
    valid: Annotated[float, typer.Option(help="Share of events for validation.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share of events for the test.")] = 0.1,
    sample: Annotated[int | None, typer.Option(min=1, help="At most so many test users.")] = None,
    columns: ColumnsOption = None,
    delimiter: DelimiterOption = ",",
    max_rejected: MaxRejectedOption = 0.1,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Split, fit, and measure every stage, and other systems' lists, beside the trivial rules."""
    others = _named_files(lists)
    made = Recommender.from_recipe(recipe, overrides_of(settings))
    dataset = read_dataset(
        events,
        items,
        users,
        columns,
        delimiter,
        max_rejected=max_rejected,
        event_weights=made.recipe.event_weights,
    )
    if not dataset.has_times:
        raise InputError(
            "The events cannot be split by time",
            expected="timestamps that differ",
            received="no column timestamp, or the same time everywhere",
            hint="Add a column timestamp, or name it: --column timestamp=when",
        )
    split = SPLITS[way](dataset, valid, test)
    leaks.check_split(split)
    made.fit(split.train, split.valid)
    task = split.task("test")
    if sample is not None:
        task = task.sample(sample, seed=made.recipe.seed)
    read = {name: read_lists(path, task, split, k) for name, path in others.items()}
    table, _, trace = evaluate_recommender(
        made, task, k=k, baseline=baseline, seed=made.recipe.seed, others=read
    )
    for note in trace.notes:
        say(note)
    steps = {name: asdict(gain) for name, gain in step_gains(table, f"ndcg@{k}").items()}
    for note in table.notes:
        say(note)
    if report is not None:
        write_evaluation_report(report, table, title=f"{recipe}: {Path(events).name}")
        say(f"Report: {report}")
    if as_json:
        print_json({**table.to_dict(), "steps": steps, "learned": learned(made)})
        return
    show_table(table)
    show_steps(steps)
    show_learned(learned(made))


def _named_files(given: Sequence[str] | None) -> dict[str, Path]:
    """``name=file`` options as a mapping."""
    found: dict[str, Path] = {}
    for one in given or ():
        name, sign, path = one.partition("=")
        if not (name and sign and path) or name in found:
            raise InputError(
                "--lists is not understood", expected="name=file.parquet, each name once", received=one
            )
        found[name] = Path(path)
    return found
