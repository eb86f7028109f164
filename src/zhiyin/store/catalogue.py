"""Items and users: upsert, hide, delete; every change of an item raises the catalogue's revision."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from zhiyin.store.records import Item, User
from zhiyin.store.schema import counters, decisions, events, items, users
from zhiyin.store.upsert import insert

__all__ = [
    "catalogue_revision",
    "delete_users",
    "erase_items",
    "hide_items",
    "items_since",
    "numbers_of",
    "put_items",
    "put_users",
]

REVISION = "items"


def catalogue_revision(connection: Connection) -> int:
    """A number that grows with each change of an item; 0: no item yet."""
    found = connection.execute(select(counters.c.value).where(counters.c.name == REVISION)).scalar()
    return int(found or 0)


def next_revision(connection: Connection) -> int:
    """Raise the revision; others who change items wait here until this transaction ends."""
    start = insert(connection, counters).values(name=REVISION, value=1)
    raised = start.on_conflict_do_update(index_elements=["name"], set_={"value": counters.c.value + 1})
    connection.execute(raised)
    return catalogue_revision(connection)


def items_since(connection: Connection, revision: int) -> list[tuple[int, Item]]:
    """Items that changed after a revision, with theirs, by number."""
    rows = connection.execute(select(items).where(items.c.revision > revision).order_by(items.c.number))
    return [(row.revision, _item(row)) for row in rows]


def numbers_of(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """The numbers of the items among ``ids`` that the store knows."""
    unique = list(dict.fromkeys(ids))
    found: dict[str, int] = {}
    for at in range(0, len(unique), 500):
        rows = connection.execute(
            select(items.c.id, items.c.number).where(items.c.id.in_(unique[at : at + 500]))
        )
        found.update({row.id: row.number for row in rows})
    return found


def put_items(connection: Connection, changed: Sequence[Item]) -> list[str]:
    """Insert or replace items; "created" or "updated" for each. The last of an id counts."""
    if not changed:
        return []
    revision = next_revision(connection)
    known = numbers_of(connection, [item.id for item in changed])
    last = {item.id: item for item in changed}
    for item in last.values():
        if item.id in known:
            row = _values(item, known[item.id], revision)
            connection.execute(update(items).where(items.c.number == row["number"]).values(row))
    _append(connection, [item for item in last.values() if item.id not in known], revision)
    return ["updated" if item.id in known else "created" for item in changed]


def list_unknown(connection: Connection, ids: Sequence[str]) -> dict[str, int]:
    """Numbers of ``ids``; those never heard of are listed, hidden until they are described."""
    known = numbers_of(connection, ids)
    if any(one not in known for one in ids):
        revision = next_revision(connection)  # from here on nobody else adds items
        known = numbers_of(connection, ids)
        missing = [Item(one, hidden=True) for one in dict.fromkeys(ids) if one not in known]
        known |= _append(connection, missing, revision)
    return known


def _append(connection: Connection, new: Sequence[Item], revision: int) -> dict[str, int]:
    """Give items the next numbers; the caller holds the revision."""
    if not new:
        return {}
    start = connection.execute(select(func.max(items.c.number))).scalar()
    first = 0 if start is None else int(start) + 1
    rows = [_values(item, first + at, revision) for at, item in enumerate(new)]
    connection.execute(items.insert(), rows)
    return {row["id"]: row["number"] for row in rows}


def hide_items(connection: Connection, ids: Sequence[str], *, hidden: bool) -> list[str]:
    """Hide or show items; the ids that are unknown come back."""
    return _change(connection, ids, {"hidden": hidden})


def erase_items(connection: Connection, ids: Sequence[str]) -> list[str]:
    """Hide items for good and forget their texts; numbers and events stay. Unknown ids come back."""
    return _change(connection, ids, {"hidden": True, "title": "", "price": None, "attributes": {}})


def _change(connection: Connection, ids: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    known = numbers_of(connection, ids)
    if known:
        revision = next_revision(connection)
        where = items.c.number.in_(list(known.values()))
        connection.execute(update(items).where(where).values(**values, revision=revision))
    return [one for one in ids if one not in known]


def put_users(connection: Connection, changed: Sequence[User]) -> None:
    """Insert or replace users."""
    for user in changed:
        values = {"attributes": dict(user.attributes), "changed": time.time()}
        statement = insert(connection, users).values(id=user.id, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))


def delete_users(connection: Connection, ids: Sequence[str]) -> int:
    """Forget users: their events, attributes and stated wishes go, their decisions lose the name.

    The number of events that went is returned.
    """
    gone = 0
    for user in ids:
        gone += connection.execute(delete(events).where(events.c.user == user)).rowcount
        connection.execute(delete(users).where(users.c.id == user))
        nameless: dict[str, Any] = {"user": None, "session": None, "text": None, "context": {}}
        connection.execute(update(decisions).where(decisions.c.user == user).values(**nameless))
    return gone


def _values(item: Item, number: int, revision: int) -> dict[str, Any]:
    return {
        "number": number,
        "id": item.id,
        "title": item.title,
        "price": item.price,
        "available_from": item.available_from,
        "hidden": item.hidden,
        "attributes": dict(item.attributes),
        "revision": revision,
    }


def _item(row: Any) -> Item:
    return Item(
        row.id, row.title, row.price, row.available_from, bool(row.hidden), row.attributes, int(row.number)
    )
