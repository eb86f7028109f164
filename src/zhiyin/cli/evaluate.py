"""zhiyin evaluate."""

from __future__ import annotations

from dataclasses import asdict
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
from zhiyin.data import split_by_time
from zhiyin.errors import InputError
from zhiyin.pipeline import Recommender, evaluate_recommender, learned, step_gains

__all__ = ["evaluate"]

FEW = 30


def evaluate(
    events: EventsArgument,
    items: ItemsArgument = None,
    users: UsersOption = None,
    recipe: Annotated[str, typer.Option(help="A recipe's name or TOML file.")] = "retail",
    k: Annotated[int, typer.Option("-k", min=1, help="Places that count.")] = 10,
    valid: Annotated[float, typer.Option(help="Share of events for validation.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share of events for the test.")] = 0.1,
    sample: Annotated[int | None, typer.Option(min=1, help="At most so many test users.")] = None,
    columns: ColumnsOption = None,
    delimiter: DelimiterOption = ",",
    max_rejected: MaxRejectedOption = 0.1,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Split by time, fit, and measure every stage beside the trivial rules."""
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
    split = split_by_time(dataset, valid=valid, test=test)
    made.fit(split.train, split.valid)
    task = split.task("test")
    if sample is not None:
        task = task.sample(sample, seed=made.recipe.seed)
    table, _, trace = evaluate_recommender(made, task, k=k, seed=made.recipe.seed)
    for note in trace.notes:
        say(note)
    steps = {name: asdict(gain) for name, gain in step_gains(table, f"ndcg@{k}").items()}
    if table.users_with_truth < FEW:
        say(f"Only {table.users_with_truth} users took anything new in the test part: too few to conclude")
    if as_json:
        print_json({**table.to_dict(), "steps": steps, "learned": learned(made)})
        return
    show_table(table)
    show_steps(steps)
    show_learned(learned(made))
