"""Items and users: insert, replace, hide, delete; effective for the next recommendation."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException

from zhiyin.serve import schemas
from zhiyin.serve.access import needs
from zhiyin.serve.state import state_of
from zhiyin.store import Item, User

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["edit"], dependencies=[Depends(needs("admin"))])


@router.put("/items")
async def put_items(request: Request, body: schemas.Items) -> schemas.Done:
    """Insert or replace items; a new one needs a text only."""
    items = [
        Item(one.id, one.title, one.price, one.available_from, one.hidden, one.attributes)
        for one in body.items
    ]
    await asyncio.to_thread(state_of(request).store.put_items, items)
    return schemas.Done(changed=len(items))


@router.post("/items/hide")
async def hide_items(request: Request, body: schemas.Hide) -> schemas.Done:
    """Hide items at once, or show them again."""
    store = state_of(request).store
    unknown = await asyncio.to_thread(store.hide_items, body.ids, hidden=body.hidden)
    return schemas.Done(changed=len(set(body.ids)) - len(set(unknown)), unknown=unknown)


@router.delete("/items/{item:path}", responses={404: {"model": schemas.Problem}})
async def delete_item(request: Request, item: str) -> schemas.Done:
    """Hide an item for good and forget its text; what users did with it stays."""
    unknown = await asyncio.to_thread(state_of(request).store.erase_items, [item])
    if unknown:
        raise HTTPException(404, f"No item has the id {item[:100]!r}")
    return schemas.Done(changed=1)


@router.put("/users")
async def put_users(request: Request, body: schemas.Users) -> schemas.Done:
    """Insert or replace users and their attributes."""
    users = [User(one.id, one.attributes) for one in body.users]
    await asyncio.to_thread(state_of(request).store.put_users, users)
    return schemas.Done(changed=len(users))


@router.delete("/users/{user:path}")
async def delete_user(request: Request, user: str) -> schemas.Done:
    """Forget a user: events, attributes and stated wishes go; slates lose the name."""
    gone = await asyncio.to_thread(state_of(request).store.delete_users, [user])
    return schemas.Done(changed=gone)
