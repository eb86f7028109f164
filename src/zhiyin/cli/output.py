"""Printing for people and for machines; results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from zhiyin.data import Dataset
from zhiyin.errors import ConfigError, ZhiyinError
from zhiyin.evaluate.table import EvaluationTable
from zhiyin.safety import printable

__all__ = [
    "JsonOption",
    "SetOption",
    "overrides_of",
    "print_json",
    "say",
    "show_error",
    "show_learned",
    "show_problems",
    "show_steps",
    "show_table",
    "table",
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a recipe value: stages.rank.method=none. Repeatable."),
]


def print_json(value: Any) -> None:
    """One JSON object to stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1, default=str) + "\n")


def _safe(text: str) -> str:
    """Neither terminal sequences nor rich's markup."""
    return escape("\n".join(map(printable, text.splitlines())))


def say(line: str) -> None:
    """A line for people, to stderr."""
    Console(stderr=True, highlight=False).print(_safe(line))


def show_error(error: ZhiyinError) -> None:
    """What went wrong and what to do, without a traceback."""
    text = _spoken(_safe(str(error)))
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]Error[/]: {text}")


def _spoken(text: str) -> str:
    """Hints name arguments of Python; here they are options."""
    text = re.sub(r"Pass columns=\{'(\w+)': '([^']*)'\}", r"Pass --column \1=\2", text)
    text = re.sub(r"pass columns=\{'(\w+)': '([^']*)'\}", r"pass --column \1=\2", text)
    text = re.sub(r"delimiter=('[^']*')", r"--delimiter \1", text)
    text = re.sub(r"dates='(dmy|mdy)'", r"--dates \1", text)
    return text.replace("max_rejected=1.0", "--max-rejected 1")


def show_problems(dataset: Dataset) -> None:
    """The reader's report, if there is anything to report."""
    report = dataset.report
    if report.n_rejected or report.counts or report.notes:
        say(report.summary())


def show_table(found: EvaluationTable) -> None:
    """An evaluation to stdout, with as many metrics as the terminal has room for."""
    console = Console(highlight=False)
    wide = console.width >= 150
    shown = ("ndcg", "recall", "intra_list_distance", "catalogue_coverage") if wide else ("ndcg",)
    console.print(found.render(shown))


def show_learned(found: Mapping[str, Any]) -> None:
    """The weights that were learned on validation, with their intervals."""
    if found["retrieval"]:
        told = ", ".join(f"{name} {weight:.3g}" for name, weight in found["retrieval"].items())
        say(f"Weights of retrieval: {told}")
    if found["behaviour"]:
        blend = found["behaviour"]
        interval = f"{blend['weight']:.2f} [{blend['low']:.2f}, {blend['high']:.2f}]"
        say(f"Weight of the expected behaviour: {interval}, {blend['users']} users")
    for way, blend in found["language_model"].items():
        interval = f"{blend['weight']:.2f} [{blend['low']:.2f}, {blend['high']:.2f}]"
        note = " (chosen)" if blend["chosen"] else ""
        say(f"Weight of the language model, {way}{note}: {interval}, {blend['users']} users")
    if found["language_model"]:
        used = f"used with {found['weight']:.2f}" if found["weight"] else "not used: its interval reaches 0"
        say(f"The language model is {used}")


def show_steps(steps: Mapping[str, Mapping[str, Any]]) -> None:
    """What each stage adds to the one before."""
    for name, gain in steps.items():
        interval = f"{gain['mean']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]"
        say(f"{name}: NDCG {interval} from the stage before")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table to stdout; nothing in it is read as markup."""
    drawn = Table(title=escape(title), title_justify="left")
    for column in columns:
        drawn.add_column(escape(column))
    for row in rows:
        drawn.add_row(*(_safe(str(cell)) for cell in row))
    Console(highlight=False).print(drawn)


def overrides_of(pairs: Sequence[str] | None, *, option: str = "--set") -> dict[str, Any]:
    """``key=value`` pairs of an option; values are read as JSON where they are JSON, else as text.

    Raises
    ------
    ConfigError
        When a pair has no "=".

    Examples
    --------
    >>> overrides_of(["seed=3", "stages.rank.method=none"])
    {'seed': 3, 'stages.rank.method': 'none'}
    """
    values: dict[str, Any] = {}
    for pair in pairs or ():
        key, sign, value = pair.partition("=")
        if not sign or not key:
            raise ConfigError(f"{option} {pair} is not understood", expected="key=value", received=pair)
        try:
            values[key] = json.loads(value)
        except ValueError:
            values[key] = value
    return values
