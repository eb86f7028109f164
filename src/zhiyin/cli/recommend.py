"""zhiyin recommend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zhiyin.cli.output import JsonOption, print_json, say, table
from zhiyin.pipeline import Recommender

__all__ = ["model_folder", "recommend"]


def recommend(
    folder: Annotated[Path, typer.Argument(help="A folder written by fit or demo.")],
    users: Annotated[list[str] | None, typer.Argument(help="User ids; none: someone new.")] = None,
    text: Annotated[str | None, typer.Option(help="What the user wants, in words.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Places.")] = 10,
    reasons: Annotated[bool, typer.Option(help="Say why, where a reason passes its test.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Recommend items to users."""
    asked: list[str | None] = [*users] if users else [None]
    recommender = Recommender.load(model_folder(folder))
    unknown = [user for user in asked if user and recommender.dataset.index_of_users([user])[0] < 0]
    if unknown:
        say(f"Not known, answered as someone new: {', '.join(map(repr, unknown))}")
    found = recommender.recommend(asked, text=text, k=k, reasons=reasons)
    for note in found.notes:
        say(note)
    if as_json:
        print_json(found.to_dict())
        return
    for number, user in enumerate(asked):
        places = [
            (row["place"], row["item"], row["title"], f"{row['marginal'] or float('nan'):.3f}", row["reason"])
            for row in found.places(number)
        ]
        table(f"For {user or 'someone new'}", ("", "item", "title", "propensity", "reason"), places)


def model_folder(folder: Path) -> Path:
    """The recommender in a folder of ``demo``, or the folder itself."""
    inner = folder / "recommender"
    return inner if inner.is_dir() and not (folder / "current").exists() else folder
