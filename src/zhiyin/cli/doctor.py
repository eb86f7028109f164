"""zhiyin doctor."""

from __future__ import annotations

from typing import Annotated

import typer

from zhiyin.cli.output import JsonOption, print_json, say, table
from zhiyin.pipeline.doctor import examine

__all__ = ["doctor"]


def doctor(
    recipe: Annotated[str, typer.Option(help="Whose values to show.")] = "retail",
    check: Annotated[bool, typer.Option(help="Fit and ask a small recommender (about a minute).")] = True,
    as_json: JsonOption = False,
) -> None:
    """Versions, extras, models, machine, where each setting comes from, and a self-check."""
    found = examine(recipe, check=check, say=say)
    if as_json:
        print_json(found)
    else:
        for section in ("machine", "versions", "extras", "models", "settings"):
            table(section, ("", "", ""), [(row["name"], row["value"], row["note"]) for row in found[section]])
        for row in found["check"]:
            say(f"{'ok  ' if row['ok'] else 'FAIL'} {row['name']}: {row['note']}")
    if not found["healthy"]:
        raise typer.Exit(1)
