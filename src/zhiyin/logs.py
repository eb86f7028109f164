"""Structured logging and progress bars; both go to stderr, so stdout stays for results."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["configure", "current_level", "get_logger", "progress", "quiet"]

T = TypeVar("T")
_shown = False
_level = "warning"


def current_level() -> str:
    """The level that was configured last."""
    return _level


def configure(*, level: str = "warning", as_json: bool = False, bars: bool = True) -> None:
    """Set the level ("debug" to "error"), JSON or readable lines, and whether bars are drawn."""
    global _shown, _level
    _level = level
    _shown = bars and sys.stderr.isatty()
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
    """Yield the values and draw a bar on a terminal (nothing when stderr is a file)."""
    if not _shown:
        yield from values
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield from bars.track(values, total=total, description=title)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No bars inside the block."""
    global _shown
    before, _shown = _shown, False
    try:
        yield
    finally:
        _shown = before


configure()
