"""Numbers of a long run, written where people look at them; knows no run."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from zhiyin.errors import ConfigError
from zhiyin.extras import require

__all__ = ["TRACKERS", "Tracker"]

TRACKERS = ("tensorboard", "mlflow")
FOLDER = "runs/track"


class Tracker:
    """A run of one of ``TRACKERS``, by the library accelerate; or none, which keeps silent."""

    def __init__(self, run: Any = None) -> None:
        self._run = run

    @classmethod
    def of(cls, target: str | None, name: str, config: Mapping[str, Any], *, begun: int = 0) -> Self:
        """Open a run.

        Parameters
        ----------
        target : str or None
            "tensorboard:folder", or "mlflow:folder", where numbers go into a SQLite file, or "mlflow:http…",
            a server; the folder is "runs/track" where none is given. None: no tracker.
        name : str
            Of what runs.
        config : Mapping
            Settings, written with the run.
        begun : int
            Steps that were done before: what tensorboard shows of later ones is of a run that was killed, and
            goes.

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
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when it is imported
        require(kind)
        require("accelerate").PartialState(cpu=True)
        made = require("accelerate.tracking").LOGGER_TYPE_TO_CLASS[kind]
        place = folder or FOLDER
        try:
            with warnings.catch_warnings():  # mlflow asks sqlalchemy by old names
                warnings.simplefilter("ignore", DeprecationWarning)
                if kind == "mlflow":
                    run = _mlflow(made, name, place)
                else:
                    run = made(name, logging_dir=place, purge_step=begun + 1 if begun else None)
                run.start()
        except Exception as error:  # trackers raise many kinds for one cause: it cannot be written
            told = (str(error) or repr(error)).splitlines()[0][:200]
            raise ConfigError("The tracker cannot write there", received=f"{target}: {told}") from error
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


def _mlflow(made: Any, name: str, place: str) -> Any:
    """A run of the experiment "zhiyin"; nothing is sent anywhere but to the server that is named."""
    mlflow = require("mlflow")
    if place.startswith("http"):
        mlflow.set_tracking_uri(place)
        return made("zhiyin", run_name=name)
    folder = Path(place).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    return made("zhiyin", run_name=name, logging_dir=str(folder / "artifacts"))
