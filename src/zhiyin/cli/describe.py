"""zhiyin describe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zhiyin.cli.output import JsonOption, print_json, say, table
from zhiyin.cli.recommend import model_folder
from zhiyin.pipeline import Recommender

__all__ = ["describe"]


def describe(
    folder: Annotated[Path, typer.Argument(help="A folder written by fit or demo.")],
    users: Annotated[list[str], typer.Argument(help="User ids.")],
    as_json: JsonOption = False,
) -> None:
    """Describe users in words, with the evidence behind every claim."""
    recommender = Recommender.load(model_folder(folder))
    found = [recommender.describe(user) for user in users]
    if as_json:
        print_json({"users": [one.to_dict() for one in found]})
        return
    for one in found:
        if not one.claims:
            say(f"Nothing is known of {one.user!r}")
            continue
        typer.echo(one.text)
        rows = [(line.kind, line.name, line.value, line.count) for line in one.evidence.lines]
        for sentence in one.rejected:
            say(f"Dropped, not in the evidence: {sentence}")
        table(f"Evidence for {one.user}", ("kind", "name", "value", "events"), rows)
