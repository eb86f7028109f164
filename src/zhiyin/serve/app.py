"""The HTTP application: routes, guards and the parts they work with."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from threadpoolctl import threadpool_limits

from zhiyin import __version__
from zhiyin.config import parse
from zhiyin.logs import configure
from zhiyin.serve import editing, health, recommending, reporting, schemas
from zhiyin.serve.errors import install_errors
from zhiyin.serve.guard import Guard
from zhiyin.serve.measures import Measures
from zhiyin.serve.settings import WORKER, ServeSettings
from zhiyin.serve.state import open_state

__all__ = ["app_from_environment", "create_app"]

ANSWERS: dict[int | str, dict[str, Any]] = {
    code: {"model": schemas.Problem, "description": text}
    for code, text in {
        401: "No known API key.",
        403: "The key's role is too low.",
        408: "The body took too long.",
        413: "The body is too large.",
        422: "The request is not of the right form.",
        503: "The store cannot be reached or is full; try again.",
    }.items()
}


def create_app(folder: str | Path, store: str, settings: ServeSettings) -> FastAPI:
    """The application over a recommender's folder and a store's place.

    The model is loaded when the application starts.
    """
    measures = Measures()

    @contextlib.asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        app.state.parts = parts = open_state(Path(folder), store, settings, measures)
        app.state.access = parts.access
        try:
            yield
        finally:
            parts.close()

    app = FastAPI(
        title="zhiyin",
        version=__version__,
        description="Recommendations with propensities, a feedback loop, and descriptions of users.",
        lifespan=life,
        responses=ANSWERS,
    )
    install_errors(app)
    for part in (recommending, reporting, editing, health):
        app.include_router(part.router)
    app.add_middleware(
        Guard,
        body_bytes=settings.body_bytes,
        body_seconds=settings.body_seconds,
        measures=measures,
    )
    return app


def app_from_environment() -> FastAPI:
    """The application of a worker process, told by one variable what to serve."""
    told = json.loads(os.environ[WORKER])
    configure(level=told["log_level"], as_json=True, bars=False)
    # Workers share the cores: more threads in each would only wait for one another.
    threadpool_limits(1)
    settings = parse(ServeSettings, told["settings"], where="The server")
    return create_app(told["folder"], told["store"], settings)
