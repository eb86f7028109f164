"""zhiyin tune."""

from __future__ import annotations

from collections.abc import Iterator
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
from zhiyin.pipeline.tuning import prepared
from zhiyin.pipeline.tuning import tune as tune_model

__all__ = ["tune"]


def tune(
    events: EventsArgument,
    items: ItemsArgument = None,
    users: UsersOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the adapter.")] = Path("runs/tuned"),
    recipe: Annotated[str, typer.Option(help="A recipe's name or TOML file.")] = "retail",
    method: Annotated[str, typer.Option(help="lora, dora or full.")] = "lora",
    valid: Annotated[
        float, typer.Option(help="Share of the events, after those that teach, that chooses.")
    ] = 0.1,
    test: Annotated[
        float, typer.Option(help="Share of the newest events, that nothing looks at before.")
    ] = 0.1,
    likes: Annotated[
        float | None,
        typer.Option(help="Least strength (value x weight) of what is liked; without: what is taken next."),
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

    A guard keeps the model near what it was, on texts of its own (--tuner guard.kl=3; 0: none). Of several
    --scale the one is used that keeps 97 % of what validation gained and forgets least; retention.html in the
    folder shows what each costs the model's writing. In the end the newest events say what came out.
    """
    made = Recommender.from_recipe(recipe, overrides_of(settings))
    tracker = "tensorboard" if available("tensorboard") else None
    params = {"track": tracker, **nested(overrides_of(tuner, option="--tuner"))}
    prepared(
        made.recipe,
        out,
        method=method,
        valid=valid,
        test=test,
        likes=likes,
        scales=scales or (),
        params=params,
    )
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
    report = tune_model(
        made.recipe,
        dataset,
        out,
        method=method,
        valid=valid,
        test=test,
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
    if report.best_step == 0:
        say(f"No weights were better than the base model's, so those are kept; saved in {report.folder}")
    else:
        say(f"Kept the weights of step {report.best_step}; saved in {report.folder}")
    if scales and report.best_step:
        say(f"Uses {report.scale:g} of the adapter; see {report.folder}/retention.html")
    if report.test is not None:
        for line in _verdict(report.test):
            say(line)


def _verdict(table: dict[str, Any]) -> Iterator[str]:
    yield f"The newest events, {table['examples']:,} answers of {table['users']:,} users:"
    for name, found in table["systems"].items():
        gain = table["differences"].get(name)
        beside = "" if gain is None else f", {_interval(gain['auc'], '+')} beside {table['baseline']}"
        yield f"  {name}: AUC {_interval(found['auc'])}{beside}"


def _interval(found: dict[str, Any], sign: str = "") -> str:
    mean, low, high = (
        "unknown" if found[name] is None else format(found[name], f"{sign}.4f")
        for name in ("mean", "low", "high")
    )
    return f"{mean} [{low}, {high}]"


def _told(look: dict[str, Any]) -> str:
    auc = "no validation" if look["auc"] is None else f"AUC {look['auc']:.4f} on validation"
    return auc if look["kl"] is None else f"{auc}, KL {look['kl']:.5f} a token from the base model"
