"""The commands in one place, and what happens when one fails."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

import typer
from threadpoolctl import threadpool_limits

from zhiyin import __version__
from zhiyin.cli.assess import assess
from zhiyin.cli.demo import demo
from zhiyin.cli.describe import describe
from zhiyin.cli.doctor import doctor
from zhiyin.cli.evaluate import evaluate
from zhiyin.cli.fit import fit
from zhiyin.cli.output import show_error
from zhiyin.cli.recommend import recommend
from zhiyin.cli.refit import refit, rollback
from zhiyin.cli.serve import serve
from zhiyin.cli.tune import tune
from zhiyin.config import load_settings
from zhiyin.errors import ZhiyinError
from zhiyin.logs import configure

__all__ = ["app", "run"]

INTERRUPTED, TERMINATED = 130, 143

app = typer.Typer(
    name="zhiyin",
    help="Recommendation with language models: describe, retrieve, rank, diversify, explore, prove.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (demo, assess, fit, recommend, describe, evaluate, tune, serve, refit, rollback, doctor):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", is_eager=True, callback=_print_version, help="Print the version."
    ),
    log_level: str | None = typer.Option(None, help="debug, info, warning or error."),
    log_json: bool = typer.Option(False, help="Log as JSON lines."),
) -> None:
    overrides = {} if log_level is None else {"log_level": log_level}
    settings = load_settings(overrides)
    configure(level=settings.log_level, as_json=log_json)
    if settings.threads:
        os.environ["OMP_NUM_THREADS"] = str(settings.threads)  # torch, which is loaded later
        threadpool_limits(settings.threads)  # what is loaded already


def _terminated(number: int, frame: FrameType | None) -> None:
    """End by an exception, so that what is half written is removed."""
    sys.exit(TERMINATED)


def run() -> None:
    """Run the command line; exit code 0 only on success (2 bad input, 3 missing extra)."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app(standalone_mode=True)
    except ZhiyinError as error:
        show_error(error)
        sys.exit(error.exit_code)
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            typer.echo("Stopped. Run the same command again: the cache keeps what was computed.", err=True)
        raise
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OSError as error:
        # Nothing more can be said there; what is buffered must not be tried again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader (head, less) has gone
            sys.exit(0)
        show_error(ZhiyinError("The output cannot be written", received=error.strerror or str(error)))
        sys.exit(2)
