"""What a worker process holds while it serves: store, model, answering thread, measures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from starlette.requests import HTTPConnection

from zhiyin.serve.access import Access
from zhiyin.serve.answering import Answering
from zhiyin.serve.measures import Measures
from zhiyin.serve.settings import ServeSettings
from zhiyin.serve.versions import Versions
from zhiyin.store import Store

__all__ = ["State", "open_state", "state_of"]


@dataclass(frozen=True)
class State:
    """The parts of a running worker."""

    settings: ServeSettings
    store: Store
    versions: Versions
    answering: Answering
    measures: Measures
    access: Access

    def close(self) -> None:
        """Answer and write what is queued, then let go."""
        self.answering.close()
        self.versions.close()
        self.store.close()


def open_state(folder: Path, place: str, settings: ServeSettings, measures: Measures) -> State:
    """Open the store and load the model.

    Raises
    ------
    ZhiyinError
        When the store cannot be opened or no version can be loaded.
    """
    store = Store.open(place)
    try:
        versions = Versions(folder, store, watch_seconds=settings.watch_seconds)
    except BaseException:
        store.close()
        raise
    answering = Answering(versions, store, batch=settings.batch)
    return State(settings, store, versions, answering, measures, Access(settings.keys))


def state_of(connection: HTTPConnection) -> State:
    """The state of the app that handles a request."""
    state: State = connection.app.state.parts
    return state
