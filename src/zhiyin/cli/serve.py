"""zhiyin serve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zhiyin.cli.output import SetOption, overrides_of, say
from zhiyin.cli.recommend import model_folder
from zhiyin.errors import ConfigError
from zhiyin.extras import require
from zhiyin.logs import current_level
from zhiyin.serve.running import serve as run
from zhiyin.serve.settings import load_serve_settings
from zhiyin.serve.settings import new_key as make_key

__all__ = ["serve"]


def serve(
    folder: Annotated[Path | None, typer.Argument(help="A folder written by fit or demo.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; default 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Default 8000.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; default 1.")] = None,
    store: Annotated[str | None, typer.Option(help="A file or URL; default: store.db in the folder.")] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file with these settings and API keys.")] = None,
    new_key: Annotated[
        str | None, typer.Option("--new-key", help="Print a fresh API key of a role: reader, writer, admin.")
    ] = None,
    settings: SetOption = None,
) -> None:
    """Serve recommendations over HTTP, remember what was shown, take feedback."""
    for library in ("fastapi", "granian", "alembic", "prometheus_client"):
        require(library)
    if new_key is not None:
        _print_key(new_key)
        return
    if folder is None:
        raise ConfigError(
            "serve needs a folder", expected="a folder written by fit or demo", received="nothing"
        )
    given = {"host": host, "port": port, "workers": workers, "store": store}
    chosen = {name: value for name, value in given.items() if value is not None}
    found = load_serve_settings(config, {**overrides_of(settings), **chosen})
    say(f"Serving {folder} on http://{found.host}:{found.port}; the form of requests is at /docs")
    run(model_folder(folder), found, log_level=current_level())


def _print_key(role: str) -> None:
    if role not in ("reader", "writer", "admin"):
        raise ConfigError(f"No role is called {role!r}", expected="reader, writer or admin", received=role)
    key, digest = make_key()
    typer.echo(key)
    say("This is shown once. Put its hash into the file that --config names:")
    say(f'[[keys]]\nname = "shop"\nrole = "{role}"\nsha256 = "{digest}"')
