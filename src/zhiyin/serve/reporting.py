"""POST /v1/events and /v1/feedback: what has a receipt is on disk, and counted once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future

from fastapi import APIRouter, Depends, Request, Response
from pydantic_core import to_json

from zhiyin.serve import schemas
from zhiyin.serve.access import needs
from zhiyin.serve.state import state_of
from zhiyin.store import Event, Feedback

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["report"], dependencies=[Depends(needs("writer"))])


@router.post("/events", response_model=schemas.Receipts)
async def events(request: Request, body: schemas.Events) -> Response:
    """Events; the next recommendation for the user sees them."""
    now = time.time()
    new = [
        Event(
            one.item,
            now if one.time is None else one.time,
            one.user,
            one.session,
            one.type,
            one.value,
            one.quantity,
            one.key,
        )
        for one in body.events
    ]
    kept = state_of(request).store.add_events_later(new)
    return await _receipts(request, "events", [one.key for one in body.events], kept)


@router.post("/feedback", response_model=schemas.Receipts)
async def feedback(request: Request, body: schemas.FeedbackBatch) -> Response:
    """How slates were received; in any order, as late as it comes, as often as the network repeats it."""
    now = time.time()
    new = [
        Feedback(one.key, one.slate, now if one.time is None else one.time, one.item, one.type, one.value)
        for one in body.feedback
    ]
    kept = state_of(request).store.add_feedback_later(new)
    return await _receipts(request, "feedback", [one.key for one in body.feedback], kept)


async def _receipts(
    request: Request, kind: str, keys: Sequence[str | None], kept: Future[list[str]]
) -> Response:
    found = await asyncio.wrap_future(kept)
    for status, n in Counter(found).items():
        state_of(request).measures.kept(kind, status, n)
    receipts = [{"key": key, "status": status} for key, status in zip(keys, found, strict=True)]
    return Response(to_json({"receipts": receipts}), media_type="application/json")
