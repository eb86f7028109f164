"""zhiyin fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from zhiyin.cli.files import (
    REJECTED,
    ColumnsOption,
    DatesOption,
    DelimiterOption,
    EventsArgument,
    InferOption,
    ItemsArgument,
    MaxRejectedOption,
    UsersOption,
    YesOption,
    read_dataset,
)
from zhiyin.cli.output import JsonOption, SetOption, overrides_of, print_json, say, show_learned
from zhiyin.data import cut_by_time
from zhiyin.pipeline import Recommender, learned

__all__ = ["fit"]


def fit(
    events: EventsArgument,
    items: ItemsArgument = None,
    users: UsersOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the fitted recommender.")] = Path("runs/mine"),
    recipe: Annotated[str, typer.Option(help="A recipe's name or TOML file.")] = "retail",
    valid: Annotated[float, typer.Option(help="Share of the newest events to learn blends from.")] = 0.1,
    columns: ColumnsOption = None,
    delimiter: DelimiterOption = ",",
    max_rejected: MaxRejectedOption = 0.1,
    dates: DatesOption = None,
    infer: InferOption = False,
    yes: YesOption = False,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a recommender on events and items and save it."""
    made = Recommender.from_recipe(recipe, overrides_of(settings))
    dataset = read_dataset(
        events,
        items,
        users,
        columns,
        delimiter,
        max_rejected=max_rejected,
        rejected=out / REJECTED,
        recipe=made.recipe,
        dates=dates,
        infer=infer,
        yes=yes,
    )
    if dataset.has_times:
        made.fit(*cut_by_time(dataset, valid))
    else:
        say("The events have no different times: nothing can be held out, so no weight is learned")
        made.fit(dataset)
    made.save(out)
    summary: dict[str, Any] = {
        "folder": str(out),
        "recipe": made.recipe.name,
        "events": dataset.n_events,
        "users": dataset.n_users,
        "items": dataset.n_items,
        "rejected": dataset.report.n_rejected,
        "learned": learned(made),
    }
    if as_json:
        print_json(summary)
    else:
        show_learned(summary["learned"])
        say(f"Fitted on {dataset.n_events:,} events; saved in {out}")
