"""zhiyin tune."""

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
from zhiyin.cli.output import JsonOption, SetOption, overrides_of, print_json, say
from zhiyin.config import nested
from zhiyin.extras import available
from zhiyin.pipeline import Recommender
from zhiyin.pipeline.tuning import tune as tune_model

__all__ = ["tune"]


def tune(
    events: EventsArgument,
    items: ItemsArgument = None,
    users: UsersOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the adapter.")] = Path("runs/tuned"),
    recipe: Annotated[str, typer.Option(help="A recipe's name or TOML file.")] = "retail",
    method: Annotated[str, typer.Option(help="lora, dora or full.")] = "lora",
    valid: Annotated[float, typer.Option(help="Share of the newest events to validate on.")] = 0.1,
    likes: Annotated[
        float | None,
        typer.Option(help="Least strength (value x weight) of an event that is liked; without: purchases."),
    ] = None,
    people: Annotated[
        int, typer.Option(min=2, help="Users to learn from, at most; half as many to validate on.")
    ] = 300,
    scales: Annotated[
        list[float] | None,
        typer.Option("--scale", min=0.01, max=1, help="How much of the adapter may be used. Repeatable."),
    ] = None,
    tuner: Annotated[
        list[str] | None, typer.Option("--tuner", help="A setting of the tuner: guard.kl=2. Repeatable.")
    ] = None,
    columns: ColumnsOption = None,
    delimiter: DelimiterOption = ",",
    max_rejected: MaxRejectedOption = 0.1,
    dates: DatesOption = None,
    infer: InferOption = False,
    yes: YesOption = False,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tune the recipe's language model on behaviour, without losing its ability to write.

    With --likes every rated event is asked about, after what the user rated before it. Without, the model
    learns which of the items that retrieval puts first are taken next. A run that was killed goes on where it
    was; tensorboard --logdir runs/track shows it. Use the result with:
    zhiyin fit ... --set stages.rank.params.adapter=FOLDER

    Of several --scale the one is used that keeps 97 % of what validation gained and forgets least;
    retention.html in the folder shows what each costs the model's writing.
    """
    made = Recommender.from_recipe(recipe, overrides_of(settings))
    dataset = read_dataset(
        events,
        items,
        users,
        columns,
        delimiter,
        max_rejected=max_rejected,
        rejected=out.parent / f"{out.name}-{REJECTED}",
        recipe=made.recipe,
        dates=dates,
        infer=infer,
        yes=yes,
    )
    tracker = "tensorboard" if available("tensorboard") else None
    params = {"track": tracker, **nested(overrides_of(tuner))}
    report = tune_model(
        made.recipe,
        dataset,
        out,
        method=method,
        valid=valid,
        likes=likes,
        people=people,
        scales=scales or (),
        params=params,
    )
    if as_json:
        print_json(report.to_dict())
        return
    say(f"Asked about {report.train_labels:,} items of {report.train_users:,} users")
    for look in report.looks:
        say(f"after {look['labels']:7,} labels: {_told(look)}")
    say(f"Kept the weights of step {report.best_step}; saved in {report.folder}")
    if scales:
        say(f"Uses {report.scale:g} of the adapter; see {report.folder}/retention.html")


def _told(look: dict[str, Any]) -> str:
    auc = "no validation" if look["auc"] is None else f"AUC {look['auc']:.4f} on validation"
    return auc if look["kl"] is None else f"{auc}, KL {look['kl']:.5f} a token from the base model"
