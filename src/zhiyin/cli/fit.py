"""zhiyin fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from zhiyin.artifacts import write_text
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
from zhiyin.data import Dataset, cut_by_time, split_by_time
from zhiyin.pipeline import Recommender, learned
from zhiyin.pipeline.search import Trial, search_retriever

__all__ = ["fit"]

TEST = 0.1  # of the newest events, looked at once when the search has ended


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
    search: Annotated[
        bool, typer.Option("--search", help="First try which way to retrieve suits the data; resumable.")
    ] = False,
    budget: Annotated[float, typer.Option(help="Seconds of the search, in all.")] = 600.0,
    trials: Annotated[int | None, typer.Option(help="Trials of the search at most, in all.")] = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit a recommender on events and items and save it.

    With --search the methods of retrieval and their settings are tried on validation within the budget, the
    best one is measured on the newest tenth of the events once, and the recommender is fitted with it. The
    trials are kept in the folder: called again, the search goes on.
    """
    if trials is not None and not search:
        raise typer.BadParameter("it belongs to --search", param_hint="--trials")
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
    found: dict[str, Any] | None = None
    if search:
        made, found = _searched(made, dataset, out, valid, budget, trials)
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
        **({} if found is None else {"search": found}),
    }
    if as_json:
        print_json(summary)
    else:
        show_learned(summary["learned"])
        say(f"Fitted on {dataset.n_events:,} events; saved in {out}")


def _searched(
    made: Recommender, dataset: Dataset, out: Path, valid: float, budget: float, trials: int | None
) -> tuple[Recommender, dict[str, Any]]:
    """The recipe with the best way to retrieve, and what the search found; both are kept in ``out``."""
    split = split_by_time(dataset, valid=valid, test=TEST)
    say(f"Searching for up to {budget:g} s; the trials are kept in {out / 'search.db'}")
    found = search_retriever(
        split,
        out / "search.db",
        budget=budget,
        trials=trials,
        given=made.recipe.stages.retrieve if made.recipe.stages.retrieve.active else None,
        seed=made.recipe.seed,
        tell=_tell,
    )
    write_text(out / "search.json", json.dumps(found.to_dict(), indent=1))
    say(
        f"Best: {found.best.method}, NDCG@10 on test {found.test}; {found.gain} above recent-popular"
        + ("" if found.looks == 1 else f" (look {found.looks} at the test part: no longer untouched)")
    )
    if found.untried:
        say(f"Not reached within the budget: {', '.join(found.untried)}; called again, the search goes on")
    stage = {"method": found.best.method, "params": found.best.params}
    return Recommender(made.recipe.changed({"stages.retrieve": stage})), found.to_dict()


def _tell(trial: Trial, best: Trial) -> None:
    quality = "does not suit the data" if trial.quality != trial.quality else f"{trial.quality:.4f}"
    shown = ", ".join(
        f"{name} {value:.4g}" for name, value in trial.params.items() if isinstance(value, int | float)
    )
    took = f"{trial.seconds:.0f} s  (best {best.quality:.4f})"
    say(f"{trial.number + 1:4d}  {trial.method} {shown}  {quality}  {took}")
