"""One thread that writes; what arrives together is committed together.

A caller waits until its change is committed. Changes that queue up meanwhile share the next
transaction, so that a slow disk costs one sync a group rather than one a change. A change that
fails takes none of its group with it: the group is undone and each change is tried alone.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from zhiyin.errors import StoreError
from zhiyin.logs import get_logger
from zhiyin.store.engine import begin, explain

__all__ = ["Writer"]

R = TypeVar("R")
Change = Callable[[Connection], R]


GROUP = 256
WAITING = 10_000
log = get_logger("store")


@dataclass(frozen=True)
class _Pending:
    change: Callable[[Connection], Any]
    done: Future[Any]
    lasting: bool


class Writer:
    """Runs changes in order, in groups; safe to use from many threads.

    A change is a function of a connection. It may run more than once, so it must do nothing but
    write to that connection.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: queue.Queue[_Pending | None] = queue.Queue(maxsize=WAITING)
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="zhiyin-writer", daemon=True)
        self._thread.start()

    def submit(self, change: Change[R], *, lasting: bool = True) -> Future[R]:
        """Queue a change; the future is done when it is committed, or has failed.

        ``lasting``: forced to disk first, so that it survives a power cut. Otherwise it survives the
        end of this process, however sudden, and is forced to disk with the next lasting change.

        Raises
        ------
        StoreError
            When the writer is closed or too much is waiting.
        """
        done: Future[R] = Future()
        # From here on nobody can cancel it: a caller who goes away must not stop the thread.
        done.set_running_or_notify_cancel()
        with self._closing:
            if self._closed:
                raise StoreError("The store is closed", hint="Open it again.")
            try:
                self._queue.put_nowait(_Pending(change, done, lasting))
            except queue.Full as error:
                raise StoreError(
                    "The store cannot keep up",
                    expected=f"at most {WAITING} changes waiting",
                    hint="Send less, or use a faster disk.",
                ) from error
        return done

    def run(self, change: Change[R]) -> R:
        """Make a change and wait for it."""
        return self.submit(change).result()

    def close(self) -> None:
        """Write what is queued, then stop."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()
        self._engine.dispose()

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            group, last = self._gather(first)
            self._commit(group)
            if last:
                return

    def _gather(self, first: _Pending) -> tuple[list[_Pending], bool]:
        group = [first]
        while len(group) < GROUP:
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                return group, False
            if waiting is None:
                return group, True
            group.append(waiting)
        return group, False

    def _commit(self, group: list[_Pending]) -> None:
        try:
            with begin(self._engine, lasting=any(one.lasting for one in group)) as connection:
                results = [one.change(connection) for one in group]
        except BaseException as error:
            if len(group) == 1:
                group[0].done.set_exception(_plain(error))
                return
            log.info("group undone, each change is tried alone", changes=len(group))
            for one in group:
                self._commit([one])
            return
        for one, result in zip(group, results, strict=True):
            one.done.set_result(result)


def _plain(error: BaseException) -> BaseException:
    if isinstance(error, DBAPIError | OSError) and not isinstance(error, StoreError):
        found = explain(error, "keep this")
        found.__cause__ = error
        return found
    return error
