"""zhiyin evaluate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from zhiyin.cli.files import (
    ColumnsOption,
    DatesOption,
    DelimiterOption,
    EventsArgument,
    InferOption,
    ItemsArgument,
    MaxRejectedOption,
    UsersOption,
    YesOption,
    check_outputs,
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
from zhiyin.evaluate.table import TRIVIAL_RULES
from zhiyin.pipeline import (
    Recommender,
    check_baseline,
    described,
    evaluate_recommender,
    learned,
    list_names,
    read_lists,
    step_gains,
)

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
SHARED = (Way.TIME, Way.USERS)


def evaluate(
    events: EventsArgument,
    items: ItemsArgument = None,
    users: UsersOption = None,
    recipe: Annotated[str, typer.Option(help="A recipe's name or TOML file.")] = "retail",
    k: Annotated[int, typer.Option("-k", min=1, help="Places that count.")] = 10,
    lists: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE",
            help="Lists of another system, name=file.parquet (user_id, item_id, rank or score); repeatable.",
        ),
    ] = None,
    way: Annotated[
        Way,
        typer.Option("--split", help="By global time; or per user: newest share, last event, last basket."),
    ] = Way.TIME,
    baseline: Annotated[str, typer.Option(help="What differences are taken from.")] = "recent-popular",
    report: Annotated[Path | None, typer.Option(help="Write an HTML report here.")] = None,
    valid: Annotated[
        float | None, typer.Option(help="Share of events for validation (time, users).", show_default="0.1")
    ] = None,
    test: Annotated[
        float | None, typer.Option(help="Share of events for the test (time, users).", show_default="0.1")
    ] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="At most so many test users.")] = None,
    columns: ColumnsOption = None,
    delimiter: DelimiterOption = ",",
    max_rejected: MaxRejectedOption = 0.1,
    dates: DatesOption = None,
    infer: InferOption = False,
    yes: YesOption = False,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Split, fit, and measure every stage, and other systems' lists, beside the trivial rules."""
    others = _named_files(lists)
    shares = _shares(way, valid, test)
    check_outputs((report,), [events, items, users, *others.values()], ".html")
    made = Recommender.from_recipe(recipe, overrides_of(settings))
    check_baseline(baseline, [*TRIVIAL_RULES, *others, *list_names(made.recipe)])
    dataset = read_dataset(
        events,
        items,
        users,
        columns,
        delimiter,
        max_rejected=max_rejected,
        recipe=made.recipe,
        dates=dates,
        infer=infer,
        yes=yes,
    )
    _check_dataset(dataset, k)
    split = SPLITS[way](dataset, *shares)
    leaks.check_split(split)
    task = split.task("test")
    if sample is not None:
        task = task.sample(sample, seed=made.recipe.seed)
    read = {name: read_lists(path, task, split.test.catalogue, k, name=name) for name, path in others.items()}
    made.fit(split.train, split.valid)
    files = [one for one in (events, items, users) if one is not None and Path(one).is_file()]
    about = {
        "command": "zhiyin evaluate",
        "split": str(way),
        "shares": list(shares) if way in SHARED else None,
        "sample": sample,
        "recipe": recipe,
        "set": overrides_of(settings),
        "files": {Path(one).name: described(one) for one in files},
        "lists": {name: described(path) for name, path in others.items()},
    }
    table, _, trace = evaluate_recommender(
        made,
        task,
        k=k,
        baseline=baseline,
        seed=made.recipe.seed,
        others={name: one.items for name, one in read.items()},
        notes=[*split.notes, *(note for one in read.values() for note in one.notes)],
        about=about,
    )
    table = replace(table, about={**table.about, "learned": learned(made)})
    steps = {name: asdict(gain) for name, gain in step_gains(table, f"ndcg@{k}").items()}
    for note in (*trace.notes, *table.notes):
        say(note)
    if report is not None:
        write_evaluation_report(report, table, title=f"{recipe}: {Path(events).name}")
        say(f"Report: {report}")
    if as_json:
        print_json({**table.to_dict(), "steps": steps, "learned": learned(made)})
        return
    show_table(table)
    say("All metrics, groups and how they were made: --json, or --report file.html")
    show_steps(steps)
    show_learned(learned(made))


def _shares(way: Way, valid: float | None, test: float | None) -> tuple[float, float]:
    """Shares of validation and test; refused where the way of splitting has none."""
    if way not in SHARED and (valid is not None or test is not None):
        raise InputError(
            f"--split {way} has no shares",
            expected="no --valid and --test",
            received="a share",
            hint="One event or basket a user is held out; use --split time or users for shares.",
        )
    return 0.1 if valid is None else valid, 0.1 if test is None else test


def _check_dataset(dataset: Dataset, k: int) -> None:
    if not dataset.has_times:
        raise InputError(
            "The events cannot be split by time",
            expected="timestamps that differ",
            received="no column timestamp, or the same time everywhere",
            hint="Add a column timestamp, or name it: --column timestamp=when",
        )
    if k > dataset.n_items:
        longest = f"-k of at most {dataset.n_items}"
        raise InputError("Lists cannot be longer than the catalogue", expected=longest, received=str(k))


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
