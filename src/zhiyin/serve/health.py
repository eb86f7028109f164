"""Liveness, readiness, measures."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from zhiyin.serve.access import needs
from zhiyin.serve.state import state_of

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@router.get("/health/ready", responses={503: {"description": "The store or the model is not there."}})
async def ready(request: Request) -> Response:
    """The model is loaded and the store can be read; "degraded" where an older version had to step in."""
    state = state_of(request)
    try:
        await asyncio.to_thread(state.store.catalogue_revision)
    except Exception as error:
        return JSONResponse({"status": "not ready", "problem": str(error)[:300]}, status_code=503)
    problem = state.versions.problem
    state.measures.healthy(problem is None)
    status = "ready" if problem is None else "degraded"
    return JSONResponse({"status": status, "model": state.versions.current.name, "problem": problem})


@router.get("/metrics", dependencies=[Depends(needs("reader"))], response_class=Response)
async def metrics(request: Request) -> Response:
    """Measures for Prometheus."""
    text = await asyncio.to_thread(state_of(request).measures.render)
    return Response(text, media_type="text/plain; version=0.0.4")
