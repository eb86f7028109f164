"""The command line: parse, call, print; no logic."""

from __future__ import annotations

import importlib
import signal
import sys

__all__ = ["main"]

INTERRUPTED = 130


def main() -> None:
    """Run the command line; exit code 0 only on success (2 bad input, 3 missing extra, 130 interrupted)."""
    # Loading takes a second or two: an interrupt meanwhile ends as quietly as a later one.
    signal.signal(signal.SIGINT, _quit)
    run = importlib.import_module("zhiyin.cli.app").run

    signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _quit(_signal: int, _frame: object) -> None:
    sys.exit(INTERRUPTED)
