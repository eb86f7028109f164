"""zhiyin refit and zhiyin rollback."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zhiyin.cli.output import JsonOption, SetOption, overrides_of, print_json, say, table
from zhiyin.cli.recommend import model_folder
from zhiyin.pipeline import RefitReport, roll_back
from zhiyin.pipeline import refit as make_version
from zhiyin.serve.running import prepare, store_place
from zhiyin.serve.settings import load_serve_settings
from zhiyin.store import Store

__all__ = ["refit", "rollback"]

FolderArgument = Annotated[Path, typer.Argument(help="A folder written by fit or demo.")]
StoreOption = Annotated[str | None, typer.Option(help="A file or URL; default: store.db in the folder.")]
ConfigOption = Annotated[Path | None, typer.Option(help="The server's TOML file.")]


def refit(
    folder: FolderArgument,
    store: StoreOption = None,
    config: ConfigOption = None,
    promote: Annotated[
        bool | None,
        typer.Option(help="Go live in any case, or never; default: unless it is significantly worse."),
    ] = None,
    settings: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a new version from the store's events, compare it with the current one, go live."""
    inner = model_folder(folder)
    place = _place(inner, store, config)
    prepare(inner, place)
    with Store.open(place) as opened:
        report = make_version(inner, opened, overrides=overrides_of(settings), promote=promote)
    if as_json:
        print_json(report.to_dict())
    else:
        _show(report)


def rollback(
    folder: FolderArgument,
    store: StoreOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the version before the current one answer again."""
    inner = model_folder(folder)
    with Store.open(_place(inner, store, config)) as opened:
        name = roll_back(inner, opened)
    if as_json:
        print_json({"version": name})
    else:
        say(f"Version {name} answers again; a running server switches within a second or two")


def _place(folder: Path, store: str | None, config: Path | None) -> str:
    return store_place(folder, load_serve_settings(config, {} if store is None else {"store": store}))


def _show(report: RefitReport) -> None:
    if report.comparison is not None:
        found, metric = report.comparison, f"ndcg@{report.comparison['k']}"
        rows = [
            (name, f"{one[metric]['mean']:.4f}", f"[{one[metric]['low']:.4f}, {one[metric]['high']:.4f}]")
            for name, one in found["lists"].items()
        ]
        table(f"{found['users']} users, events new to both", ("list", metric, "95 % interval"), rows)
    state = "answers now" if report.promoted else "is kept aside"
    say(f"Version {report.version} ({report.events:,} events) {state}: {report.verdict}")
