"""From a fitted recommender to listening processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from zhiyin.artifacts import current_name
from zhiyin.errors import StoreError
from zhiyin.extras import require
from zhiyin.logs import get_logger
from zhiyin.pipeline import Recommender
from zhiyin.serve.settings import WORKER, ServeSettings
from zhiyin.store import ModelVersion, Store

__all__ = ["prepare", "serve", "store_place"]

log = get_logger("serve")
GRACE = 10
# The HTTP server's own lines: only what goes wrong, and never to stdout.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {
        "_granian": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "granian.access": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
    },
}


def store_place(folder: Path, settings: ServeSettings) -> str:
    """Where the store is: as set, else ``store.db`` in the recommender's folder."""
    return settings.store or str(folder / "store.db")


def prepare(folder: Path, place: str) -> None:
    """Make the store ready: tables, and on first use the recommender's items, users and events.

    A version that was fitted into the folder by hand becomes the current one; else the store's
    pointer counts.

    Raises
    ------
    ZhiyinError
        When the folder or the store is unusable, or they belong to different shops.
    """
    name = current_name(folder)
    with Store.open(place) as store:
        known = {version.name for version in store.versions()}
        if name is not None and name in known and store.current_version() is not None:
            return
        recommender = Recommender.load(folder)
        dataset = recommender.dataset
        if store.catalogue_revision() == 0:
            store.seed(dataset.catalogue.frame, dataset.users, dataset.events)
        _same_shop(recommender, store)
        store.register_version(ModelVersion(str(name), time.time(), dataset.fingerprint))
        store.promote(str(name), reason="fitted by hand")


def serve(folder: Path, settings: ServeSettings, *, log_level: str) -> None:
    """Serve until stopped (SIGINT or SIGTERM); open requests are answered first.

    Raises
    ------
    ZhiyinError
        When there is nothing to serve.
    """
    granian = require("granian")
    place = store_place(folder, settings)
    prepare(folder, place)
    with tempfile.TemporaryDirectory(prefix="zhiyin-metrics-") as shared:
        if settings.workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared
        told = {
            "folder": str(folder),
            "store": place,
            "settings": settings.model_dump(mode="json"),
            "log_level": log_level,
        }
        os.environ[WORKER] = json.dumps(told)
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(name, "1")
        # A forked child of a process whose libraries hold threads waits for them for ever.
        multiprocessing.set_start_method("spawn", force=True)
        granian.Granian(
            "zhiyin.serve.app:app_from_environment",
            factory=True,
            address=settings.host,
            port=settings.port,
            interface="asgi",
            workers=settings.workers,
            respawn_failed_workers=True,
            workers_kill_timeout=GRACE,
            websockets=False,
            backlog=2048,
            log_dictconfig=LOGGING,
        ).serve()


def _same_shop(recommender: Recommender, store: Store) -> None:
    ids = recommender.dataset.catalogue.ids
    kept = [item.id for _, item in store.items_since()]
    if kept[: len(ids)] != list(ids):
        different = int(np.argmax([a != b for a, b in zip(kept, ids, strict=False)])) if kept else 0
        raise StoreError(
            "The store belongs to another catalogue",
            expected=f"item {ids[different]!r} at place {different}",
            received=repr(kept[different]) if kept else "nothing",
            hint="Choose another store (--store), or make a version from this one: zhiyin refit",
        )
