"""POST /v1/recommend and a user's description."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request, Response
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from zhiyin.pipeline import Ask, Filters
from zhiyin.serve import schemas
from zhiyin.serve.access import needs
from zhiyin.serve.rendering import render, render_reasons
from zhiyin.serve.state import state_of

__all__ = ["router"]

EVERYTHING = Filters()
router = APIRouter(prefix="/v1", tags=["recommend"], dependencies=[Depends(needs("reader"))])


@router.post("/recommend", response_model=schemas.RecommendResponse)
async def recommend(request: Request, body: Annotated[schemas.RecommendRequest, Body()]) -> Response:
    """Slates for users, sessions or stated wishes, with the propensities that feedback is weighed by."""
    state = state_of(request)
    answer = await asyncio.wrap_future(state.answering.submit(_asks(body), body.k))
    # Finding reasons takes long; the thread that answers goes on with others meanwhile.
    reasons = await asyncio.to_thread(render_reasons, answer) if body.explain else None
    trace = answer.trace
    share = len(answer.asks) / len(trace.slates.ids)
    state.measures.recommended(len(answer.asks), trace.milliseconds, share, len(trace.notes))
    return Response(to_json(render(answer, reasons)), media_type="application/json")


@router.get("/users/{user:path}/description", response_model=schemas.Description)
async def describe(request: Request, user: str) -> Response:
    """What the shop knows of a user, in words, each sentence with the items behind it."""
    if not 1 <= len(user) <= 256:
        raise HTTPException(422, "A user id has 1 to 256 characters")
    return Response(await asyncio.to_thread(_describe, request, user), media_type="application/json")


def _describe(request: Request, user: str) -> bytes:
    state = state_of(request)
    live = state.versions.refresh().live
    history = state.store.histories([user], [None], types=live.event_codes, weights=live.event_weights)
    found = live.describe(user, history, now=time.time())
    claims = [{"text": claim.text, "items": list(claim.items)} for claim in found.claims]
    return to_json({"user": user, "text": found.text, "claims": claims, "source": found.source})


def _filters(given: schemas.FiltersIn) -> Filters:
    return Filters(
        items=None if given.items is None else tuple(given.items),
        block=tuple(given.block),
        attributes=tuple((name, tuple(values)) for name, values in sorted(given.attributes.items())),
        min_price=given.min_price,
        max_price=given.max_price,
    )


def _asks(body: schemas.RecommendRequest) -> list[Ask]:
    filters = EVERYTHING if body.filters is None else _filters(body.filters)
    return [
        Ask(
            key=secrets.randbits(64),
            user=ask.user,
            session=ask.session,
            text=ask.text,
            filters=filters,
            exclude_seen=body.exclude_seen,
            scenario=body.scenario,
            context=body.context,
        )
        for ask in body.asks
    ]
