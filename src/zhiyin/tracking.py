"""Numbers of a long run, written where people look at them; knows no run."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from zhiyin.errors import ConfigError
from zhiyin.extras import require

__all__ = ["TRACKERS", "Tracker"]

TRACKERS = ("tensorboard",)
FOLDER = "runs/track"


class Tracker:
    """A run of one of ``TRACKERS``, by the library accelerate; or none, which keeps silent."""

    def __init__(self, run: Any = None) -> None:
        self._run = run

    @classmethod
    def of(cls, target: str | None, name: str, config: Mapping[str, Any]) -> Self:
        """Open a run.

        Parameters
        ----------
        target : str or None
            "tensorboard:folder"; the folder is "runs/track" where none is given. None: no tracker.
        name : str
            Of what runs.
        config : Mapping
            Settings, written with the run.

        Raises
        ------
        ConfigError
            When there is no such tracker.
        MissingExtraError
            When its library is not installed.
        """
        if target is None:
            return cls()
        kind, _, folder = target.partition(":")
        if kind not in TRACKERS:
            raise ConfigError(f"No tracker is called {kind!r}", expected=", ".join(TRACKERS), received=target)
        require(kind)
        require("accelerate").PartialState(cpu=True)
        made = require("accelerate.tracking").LOGGER_TYPE_TO_CLASS[kind]
        run = made(name, logging_dir=folder or FOLDER)
        try:
            run.start()
        except OSError as error:
            raise ConfigError("The tracker cannot write there", received=f"{target}: {error}") from error
        run.store_init_configuration({key: str(value) for key, value in config.items()})
        return cls(run)

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Write numbers of one step."""
        if self._run is not None:
            self._run.log(dict(values), step=step)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._run is not None:
            self._run.finish()
