"""What every request passes first: an id, a bound on its body and its patience, a line in the log.

Plain ASGI, so that it costs microseconds. The log names the path and the key's name, never the key,
the query or the body.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException

from zhiyin.logs import get_logger
from zhiyin.serve.errors import problem
from zhiyin.serve.measures import Measures

__all__ = ["Guard"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = get_logger("access")
ALLOWED = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Guard:
    """Middleware; ``body_bytes`` and ``body_seconds`` as in the settings."""

    def __init__(self, app: App, *, body_bytes: int, body_seconds: float, measures: Measures) -> None:
        self.app, self.body_bytes, self.body_seconds, self.measures = app, body_bytes, body_seconds, measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection's request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request = given if ALLOWED.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request"] = request
        answer = _Answer(send, request)
        try:
            declared = headers.get(b"content-length", b"0")
            if not declared.isdigit() or int(declared) > self.body_bytes:
                refusal = problem(413, self._too_large, headers={"connection": "close"})
                await refusal(scope, receive, answer)
                return
            await self.app(scope, self._bounded(receive), answer)
        except Exception as error:
            log.error("request failed", request=request, kind=type(error).__name__, exc_info=error)
            if answer.status == 0:
                await problem(500, "The server made a mistake", request=request)(scope, receive, answer)
        finally:
            self._note(scope, answer, time.perf_counter() - started)

    @property
    def _too_large(self) -> str:
        return f"The body is longer than {self.body_bytes} bytes"

    def _bounded(self, receive: Receive) -> Receive:
        size, complete, deadline = 0, False, time.monotonic() + self.body_seconds

        async def bounded() -> Message:
            nonlocal size, complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout(max(deadline - time.monotonic(), 0.001)):
                    message = await receive()
            except TimeoutError as error:
                text = f"The body took longer than {self.body_seconds:g} seconds"
                raise HTTPException(408, text, {"connection": "close"}) from error
            size += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if size > self.body_bytes:
                raise HTTPException(413, self._too_large, {"connection": "close"})
            return message

        return bounded

    def _note(self, scope: Scope, answer: _Answer, seconds: float) -> None:
        route = scope.get("route")
        path = getattr(route, "path", "unknown")
        self.measures.answered(path, answer.status, seconds)
        log.info(
            "answered",
            request=answer.request,
            method=scope["method"],
            path=path,
            status=answer.status,
            key=scope["state"].get("key"),
            milliseconds=round(seconds * 1000, 2),
        )


class _Answer:
    """Passes messages on; remembers the status and adds the request's id."""

    def __init__(self, send: Send, request: str) -> None:
        self.send, self.request, self.status = send, request, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self.request.encode())]
        await self.send(message)
