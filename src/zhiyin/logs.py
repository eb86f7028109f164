"""Structured logging and progress bars; both go to stderr, so stdout stays for results."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import Literal, TypeVar

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["configure", "current_level", "get_logger", "progress", "quiet"]

T = TypeVar("T")
_shown: Literal["bars", "lines", "nothing"] = "nothing"
_level = "warning"
LINE_SECONDS = 60.0


def current_level() -> str:
    """The level that was configured last."""
    return _level


def configure(*, level: str = "warning", as_json: bool = False, bars: bool = True) -> None:
    """Set the level ("debug" to "error"), JSON or readable lines, and whether progress is shown."""
    global _shown, _level
    _level = level
    _shown = "nothing"
    if bars:
        _shown = "bars" if sys.stderr.isatty() else "nothing" if as_json else "lines"
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # as it is when a line is written
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger of key-value events: ``get_logger(__name__).info("fitted", items=3145)``."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(room=name)
    return logger


def progress(values: Iterable[T], title: str, *, total: int | None = None) -> Iterator[T]:
    """Yield the values and draw a bar on a terminal; elsewhere a line each minute."""
    if _shown != "bars":
        yield from values if _shown == "nothing" else _with_lines(values, title, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield from bars.track(values, total=total, description=title)


def _with_lines(values: Iterable[T], title: str, total: int | None) -> Iterator[T]:
    """How far it is, on stderr, once a minute."""
    whole = total if total is not None else len(values) if isinstance(values, Sized) else None
    told = time.monotonic()
    for done, value in enumerate(values):
        if time.monotonic() - told > LINE_SECONDS:
            told = time.monotonic()
            beside = "" if whole is None else f" of {whole:,}"
            sys.stderr.write(f"{title}: {done:,}{beside}\n")
            sys.stderr.flush()
        yield value


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No bars inside the block."""
    global _shown
    before, _shown = _shown, "nothing"
    try:
        yield
    finally:
        _shown = before


configure()
