"""zhiyin demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
from zhiyin.pipeline.demo import run_demo

__all__ = ["demo"]


def demo(
    out: Annotated[
        Path, typer.Option(help="Folder for the recommender, results.json and report.html.")
    ] = Path("runs/demo"),
    valid_users: Annotated[
        int, typer.Option(min=1, help="Users the language model learns its weight on.")
    ] = 60,
    test_users: Annotated[int, typer.Option(min=1, help="Users every stage is measured on.")] = 120,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Real purchases from files to a report: every stage measured, three users described."""
    done = run_demo(
        out, valid_users=valid_users, test_users=test_users, overrides=overrides_of(settings), say=say
    )
    if as_json:
        print_json(done.results)
        return
    show_table(done.table)
    show_steps(done.results["steps"])
    show_learned(done.results["learned"])
    say(f"Took {done.results['seconds']} s. Open {done.report}")
