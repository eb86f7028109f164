"""Moves SQLite's write-ahead log into the database, beside the writing and not in its way.

SQLite would do it inside a commit, every thousand pages: that one commit then waits for the disk several
times over. A passive checkpoint on a connection of its own makes nobody wait.
"""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

__all__ = ["Checkpoints"]

SECONDS = 1.0
LARGE = 4 << 20


class Checkpoints:
    """A thread that looks at the log's size once a second."""

    def __init__(self, engine: Engine, file: Path) -> None:
        self._engine = engine
        self._log = file.with_name(file.name + "-wal")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="zhiyin-checkpoints", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(SECONDS):
            # A failure here costs nothing: the log stays longer, and the next round tries again.
            with contextlib.suppress(OSError, DBAPIError):
                if self._log.stat().st_size > LARGE:
                    with self._engine.connect() as connection:
                        connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")
