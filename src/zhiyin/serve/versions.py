"""The model that answers: loaded, kept level with the store's items, swapped when the pointer moves.

Knows no HTTP. ``refresh`` is called before each batch, so that a change of the catalogue is seen by the
next one; a new version is loaded beside, by a thread of its own, and takes over between two batches.
"""

from __future__ import annotations

import gc
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from zhiyin.errors import ArtifactError, StoreError, ZhiyinError
from zhiyin.logs import get_logger
from zhiyin.pipeline import LiveRecommender, Recommender
from zhiyin.store import Store

__all__ = ["Current", "Versions"]

log = get_logger("serve")


@dataclass(frozen=True)
class Current:
    """A snapshot: the model, its version's name, and the revision of the items it knows."""

    live: LiveRecommender
    name: str
    revision: int


class Versions:
    """Holds the current snapshot.

    Parameters
    ----------
    folder : Path
        Where the recommender's versions lie.
    store : Store
    watch_seconds : float
        How often the store is asked whether another version is current.
    """

    def __init__(self, folder: Path, store: Store, *, watch_seconds: float = 1.0) -> None:
        self.folder, self.store, self.watch_seconds = folder, store, watch_seconds
        self.problem: str | None = None
        self._refused: str | None = None
        self._swap = threading.Lock()
        self.current = self._first()
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="zhiyin-versions", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Stop looking for new versions."""
        self._stop.set()
        self._watcher.join()

    def refresh(self) -> Current:
        """The snapshot to answer from, level with the store's items."""
        if self.store.catalogue_revision() != self.current.revision:
            with self._swap:
                self.current = _level(self.current, self.store)
        return self.current

    def _first(self) -> Current:
        """The current version, or where it is damaged the newest one that is not."""
        wanted = self.store.current_version()
        known = [version.name for version in self.store.versions()]
        names = [wanted, *reversed([name for name in known if name != wanted])]
        failure: ZhiyinError | None = None
        for name in names:
            if name is None:
                continue
            try:
                found = self._load(name)
            except ArtifactError as error:
                log.error("version cannot be loaded", version=name, error=error.message)
                failure, self.problem, self._refused = failure or error, error.message, wanted
                continue
            return found
        raise failure or ArtifactError(f"{self.folder} has no version that can answer", hint="Fit again.")

    def _load(self, name: str) -> Current:
        live = LiveRecommender(Recommender.load(self.folder, version=name))
        found = _level(Current(live, name, -1), self.store)
        found.live.warm()
        # A full collection looks at every object of the model, which takes a third of a second in which
        # nobody is answered; what lives as long as the version need not be looked at.
        gc.freeze()
        return found

    def _watch(self) -> None:
        while not self._stop.wait(self.watch_seconds):
            wanted = None
            try:
                wanted = self.store.current_version()
                if wanted is None or wanted in (self.current.name, self._refused):
                    continue
                self._switch(self._load(wanted))
            except Exception as error:  # whatever it is, the watching goes on
                # The old version goes on answering; readiness tells that something is wrong.
                self.problem = getattr(error, "message", f"{type(error).__name__}: {error}")
                if not isinstance(error, StoreError):
                    self._refused = wanted
                log.error("version not switched", error=self.problem)

    def _switch(self, new: Current) -> None:
        with self._swap:
            self.current = _level(new, self.store)
        self.problem = self._refused = None
        log.info("version switched", version=new.name)


def _level(current: Current, store: Store) -> Current:
    """The same model with the items as the store has them."""
    started = time.perf_counter()
    changed = store.items_since(current.revision)
    if not changed:
        return current
    live = current.live.with_items([item for _, item in changed])
    revision = max(revision for revision, _ in changed)
    log.info("items updated", items=len(changed), seconds=round(time.perf_counter() - started, 3))
    return Current(live, current.name, revision)
