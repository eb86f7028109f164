"""Talk to a server: typed, patient, and safe to repeat.

A request that got no answer is sent again with the same keys, so that it counts once. ``Client``
waits; ``AsyncClient`` is awaited; both offer the same methods and share all that is not waiting.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from zhiyin.errors import InputError, ServerError
from zhiyin.extras import require

__all__ = ["AsyncClient", "Client", "Place", "Slate"]

AGAIN = (429, 502, 503, 504)
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
KEPT = 1000


@dataclass(frozen=True)
class Place:
    """One place of a slate, with the probability that the item stood there."""

    item: str
    title: str
    score: float
    conditional: float
    marginal: float | None
    reason: str | None


@dataclass(frozen=True)
class Slate:
    """What to show; name ``id`` in feedback."""

    id: str
    user: str | None
    session: str | None
    places: tuple[Place, ...]
    model: str
    policy: str

    @property
    def items(self) -> tuple[str, ...]:
        """The ids, in order."""
        return tuple(place.item for place in self.places)


@dataclass(frozen=True)
class _Call:
    method: str
    path: str
    body: Any = None


@dataclass
class _Patience:
    """When to try again, and when to give up."""

    seconds: float
    started: float = field(default_factory=time.monotonic)
    tries: int = 0

    def pause(self, problem: str) -> float:
        """Seconds to wait before the next try.

        Raises
        ------
        ServerError
            When the time is used up.
        """
        self.tries += 1
        wait: float = min(FIRST_PAUSE * 2 ** (self.tries - 1), LONGEST_PAUSE) * random.uniform(0.5, 1.0)
        if time.monotonic() + wait - self.started > self.seconds:
            raise ServerError(
                "The server did not answer",
                expected=f"an answer within {self.seconds:g} seconds",
                received=f"{problem} ({self.tries} tries)",
                hint="Check that it runs; sending the same keys again is harmless.",
            )
        return wait


def _recommend(
    users: Sequence[str | None],
    *,
    k: int = 10,
    text: str | None = None,
    session: str | None = None,
    filters: Mapping[str, Any] | None = None,
    exclude_seen: bool = True,
    explain: bool = False,
    scenario: str | None = None,
    context: Mapping[str, Any] | None = None,
) -> _Call:
    if isinstance(users, str):
        raise InputError("users is one string", expected="a list of ids", hint=f"Write [{users!r}].")
    body = {
        "asks": [{"user": user, "text": text, "session": session} for user in users],
        "k": k,
        "filters": dict(filters or {}),
        "exclude_seen": exclude_seen,
        "explain": explain,
        "scenario": scenario,
        "context": dict(context or {}),
    }
    return _Call("POST", "/v1/recommend", body)


def _slates(found: Any) -> list[Slate]:
    return [
        Slate(
            one["slate"],
            one["user"],
            one["session"],
            tuple(Place(**place) for place in one["places"]),
            found["model"],
            found["policy"],
        )
        for one in found["slates"]
    ]


def _keyed(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Entries with a key each, made before the first try and kept for all others."""
    return [{"key": uuid.uuid4().hex, **entry} for entry in entries]


def _parts(path: str, name: str, entries: Sequence[Mapping[str, Any]]) -> Iterator[_Call]:
    method = "POST" if name in ("events", "feedback") else "PUT"
    for at in range(0, len(entries), KEPT):
        yield _Call(method, path, {name: [dict(entry) for entry in entries[at : at + KEPT]]})


def _statuses(found: Any) -> list[str]:
    return [receipt["status"] for receipt in found["receipts"]]


class _Base:
    """Everything but the waiting."""

    def __init__(
        self, url: str = "http://127.0.0.1:8000", *, key: str | None = None, patience: float = 30.0
    ) -> None:
        """A client of the server at ``url``; ``patience`` in seconds, retries included."""
        self._library = require("httpx2")
        self.patience = patience
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        self._options = {"base_url": url, "headers": headers, "timeout": min(patience, 10.0)}

    def _read(self, answer: Any) -> Any:
        """The content of an answer; None: try again.

        Raises
        ------
        ServerError
            When the server refuses.
        """
        if answer.status_code in AGAIN:
            return None
        if answer.is_success:
            return answer.json()
        try:
            told = answer.json()
        except ValueError:
            told = {}
        raise ServerError(
            str(told.get("message") or f"The server answered {answer.status_code}"),
            expected=told.get("expected"),
            received=told.get("received"),
            hint=told.get("hint"),
        )


class Client(_Base):
    """A client that waits; use it in a ``with`` block or call ``close``.

    Parameters
    ----------
    url : str
        Where the server is.
    key : str or None
        API key.
    patience : float
        Seconds to go on trying when the server cannot be reached or is busy.

    Examples
    --------
    >>> with Client("http://127.0.0.1:8000", key="zy_…") as client:  # doctest: +SKIP
    ...     slate = client.recommend(["17850"], k=5)[0]
    ...     client.feedback([{"slate": slate.id, "item": slate.items[0], "type": "click"}])
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", *, key: str | None = None, patience: float = 30.0
    ) -> None:
        super().__init__(url, key=key, patience=patience)
        self._http = self._library.Client(**self._options)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, call: _Call) -> Any:
        patience = _Patience(self.patience)
        while True:
            try:
                answer = self._http.request(call.method, call.path, json=call.body)
                found = self._read(answer)
                if found is not None:
                    return found
                problem = f"status {answer.status_code}"
            except self._library.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            time.sleep(patience.pause(problem))

    def recommend(self, users: Sequence[str | None], **options: Any) -> list[Slate]:
        """Slates, one a user (None: nobody known).

        Options: ``k``, ``text``, ``session``, ``filters``, ``exclude_seen``, ``explain``,
        ``scenario``, ``context``, as in the API.
        """
        return _slates(self._ask(_recommend(users, **options)))

    def feedback(self, entries: Sequence[Mapping[str, Any]]) -> list[str]:
        """How slates were received: ``slate``, ``item``, ``type``, …; "added" or "known" for each."""
        calls = _parts("/v1/feedback", "feedback", _keyed(entries))
        return [status for call in calls for status in _statuses(self._ask(call))]

    def events(self, entries: Sequence[Mapping[str, Any]]) -> list[str]:
        """What users did: ``user`` or ``session``, ``item``, …; "added" or "known" for each."""
        calls = _parts("/v1/events", "events", _keyed(entries))
        return [status for call in calls for status in _statuses(self._ask(call))]

    def put_items(self, items: Sequence[Mapping[str, Any]]) -> int:
        """Insert or replace items: ``id``, ``title``, ``price``, and so on."""
        return sum(self._ask(call)["changed"] for call in _parts("/v1/items", "items", items))

    def hide_items(self, ids: Sequence[str], *, hidden: bool = True) -> list[str]:
        """Hide or show items; the unknown ids come back."""
        found: list[str] = self._ask(_Call("POST", "/v1/items/hide", {"ids": list(ids), "hidden": hidden}))[
            "unknown"
        ]
        return found

    def delete_item(self, item: str) -> None:
        """Hide an item for good and forget its text."""
        self._ask(_Call("DELETE", f"/v1/items/{quote(item, safe='')}"))

    def put_users(self, users: Sequence[Mapping[str, Any]]) -> int:
        """Insert or replace users: ``id``, ``attributes``."""
        return sum(self._ask(call)["changed"] for call in _parts("/v1/users", "users", users))

    def delete_user(self, user: str) -> int:
        """Forget a user; the number of events that went."""
        return int(self._ask(_Call("DELETE", f"/v1/users/{quote(user, safe='')}"))["changed"])

    def describe(self, user: str) -> dict[str, Any]:
        """A user in words: ``text`` and ``claims``."""
        found: dict[str, Any] = self._ask(_Call("GET", f"/v1/users/{quote(user, safe='')}/description"))
        return found

    def ready(self) -> dict[str, Any]:
        """The server's own word on whether it is ready."""
        found: dict[str, Any] = self._ask(_Call("GET", "/health/ready"))
        return found


class AsyncClient(_Base):
    """The same for asyncio: ``async with AsyncClient(url) as client: await client.recommend([…])``."""

    def __init__(
        self, url: str = "http://127.0.0.1:8000", *, key: str | None = None, patience: float = 30.0
    ) -> None:
        super().__init__(url, key=key, patience=patience)
        self._http = self._library.AsyncClient(**self._options)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(self, call: _Call) -> Any:
        patience = _Patience(self.patience)
        while True:
            try:
                answer = await self._http.request(call.method, call.path, json=call.body)
                found = self._read(answer)
                if found is not None:
                    return found
                problem = f"status {answer.status_code}"
            except self._library.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            await asyncio.sleep(patience.pause(problem))

    async def recommend(self, users: Sequence[str | None], **options: Any) -> list[Slate]:
        """As ``Client.recommend``."""
        return _slates(await self._ask(_recommend(users, **options)))

    async def feedback(self, entries: Sequence[Mapping[str, Any]]) -> list[str]:
        """As ``Client.feedback``."""
        calls = _parts("/v1/feedback", "feedback", _keyed(entries))
        return [status for call in calls for status in _statuses(await self._ask(call))]

    async def events(self, entries: Sequence[Mapping[str, Any]]) -> list[str]:
        """As ``Client.events``."""
        calls = _parts("/v1/events", "events", _keyed(entries))
        return [status for call in calls for status in _statuses(await self._ask(call))]

    async def put_items(self, items: Sequence[Mapping[str, Any]]) -> int:
        """As ``Client.put_items``."""
        found = [await self._ask(call) for call in _parts("/v1/items", "items", items)]
        return sum(one["changed"] for one in found)

    async def hide_items(self, ids: Sequence[str], *, hidden: bool = True) -> list[str]:
        """As ``Client.hide_items``."""
        body = {"ids": list(ids), "hidden": hidden}
        found: list[str] = (await self._ask(_Call("POST", "/v1/items/hide", body)))["unknown"]
        return found

    async def delete_item(self, item: str) -> None:
        """As ``Client.delete_item``."""
        await self._ask(_Call("DELETE", f"/v1/items/{quote(item, safe='')}"))

    async def put_users(self, users: Sequence[Mapping[str, Any]]) -> int:
        """As ``Client.put_users``."""
        found = [await self._ask(call) for call in _parts("/v1/users", "users", users)]
        return sum(one["changed"] for one in found)

    async def delete_user(self, user: str) -> int:
        """As ``Client.delete_user``."""
        return int((await self._ask(_Call("DELETE", f"/v1/users/{quote(user, safe='')}")))["changed"])

    async def describe(self, user: str) -> dict[str, Any]:
        """As ``Client.describe``."""
        found: dict[str, Any] = await self._ask(_Call("GET", f"/v1/users/{quote(user, safe='')}/description"))
        return found

    async def ready(self) -> dict[str, Any]:
        """As ``Client.ready``."""
        found: dict[str, Any] = await self._ask(_Call("GET", "/health/ready"))
        return found
