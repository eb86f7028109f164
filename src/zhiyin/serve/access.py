"""Who may do what: API keys and their roles."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from fastapi import Request
from starlette.exceptions import HTTPException

from zhiyin.serve.settings import ApiKey, Role

__all__ = ["Access", "needs"]

RANK: dict[str, int] = {"reader": 0, "writer": 1, "admin": 2}


class Access:
    """Checks keys against their hashes; without any keys everybody is an admin."""

    def __init__(self, keys: tuple[ApiKey, ...]) -> None:
        self._keys = keys

    def check(self, request: Request, role: Role) -> None:
        """Let a request pass or refuse it.

        Raises
        ------
        HTTPException
            401 without a known key, 403 where its role is too low.
        """
        if not self._keys:
            return
        found = self._find(_sent(request))
        if found is None:
            raise HTTPException(
                401, "An API key is needed: Authorization: Bearer …", {"www-authenticate": "Bearer"}
            )
        request.state.key = found.name
        if RANK[found.role] < RANK[role]:
            raise HTTPException(403, f"The key {found.name!r} is a {found.role}; this needs a {role}")

    def _find(self, key: str) -> ApiKey | None:
        digest = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
        found = None
        for one in self._keys:  # all of them, so that the time tells nothing
            if hmac.compare_digest(one.sha256, digest):
                found = one
        return found


def needs(role: Role) -> Callable[[Request], None]:
    """A dependency: the request's key has at least this role."""

    async def check(request: Request) -> None:
        request.app.state.access.check(request, role)

    return check  # type: ignore[return-value]


def _sent(request: Request) -> str:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else request.headers.get("x-api-key", "")
