"""zhiyin evaluate."""

from __future__ import annotations

from typing import Annotated

import typer

from zhiyin.cli.files import (
    ColumnsOption,
    DelimiterOption,
    EventsArgument,
    ItemsArgument,
    UsersOption,
    read_dataset,
)
from zhiyin.cli.output import JsonOption, SetOption, overrides_of, print_json, say, show_table
from zhiyin.data import split_by_time
from zhiyin.pipeline import Recommender, evaluate_recommender

__all__ = ["evaluate"]


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
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Split by time, fit, and measure every stage beside the trivial rules."""
    made = Recommender.from_recipe(recipe, overrides_of(settings))
    dataset = read_dataset(events, items, users, columns, delimiter, event_weights=made.recipe.event_weights)
    split = split_by_time(dataset, valid=valid, test=test)
    made.fit(split.train, split.valid)
    task = split.task("test")
    if sample is not None:
        task = task.sample(sample, seed=made.recipe.seed)
    table, _, trace = evaluate_recommender(made, task, k=k, seed=made.recipe.seed)
    for note in trace.notes:
        say(note)
    if as_json:
        print_json(table.to_dict())
    else:
        show_table(table)
