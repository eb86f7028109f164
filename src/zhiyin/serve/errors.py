"""Errors as answers: one form for all, with what was expected, what came and what to do."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from zhiyin.errors import StoreError, ZhiyinError
from zhiyin.logs import get_logger

__all__ = ["install_errors", "problem"]

log = get_logger("serve")
SHOWN = 20


def problem(
    status: int, message: str, *, headers: dict[str, str] | None = None, **details: Any
) -> JSONResponse:
    """A JSON answer that says what went wrong."""
    content: dict[str, Any] = {
        "message": message,
        "expected": None,
        "received": None,
        "hint": None,
        "problems": [],
    }
    return JSONResponse({**content, **details}, status_code=status, headers=headers)


def install_errors(app: FastAPI) -> None:
    """Answer every error in the same form; nothing of the inside gets out."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        found = [_one(entry) for entry in error.errors()[:SHOWN]]
        first = found[0]
        return problem(
            422,
            f"{first['where']}: {first['message']}",
            hint="See /docs for the form of this request.",
            problems=found,
        )

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))

    @app.exception_handler(ZhiyinError)
    async def known(request: Request, error: ZhiyinError) -> JSONResponse:
        status = 503 if isinstance(error, StoreError) else 422
        if status == 503:
            log.error("store failed", error=error.message, received=error.received)
        return problem(
            status,
            error.message,
            headers={"retry-after": "1"} if status == 503 else None,
            expected=error.expected,
            received=error.received,
            hint=error.hint,
        )


def _one(entry: Any) -> dict[str, str]:
    where = ".".join(str(part) for part in entry["loc"])
    received = str(entry.get("input", ""))[:100].encode("utf-8", "replace").decode()
    return {"where": where, "message": str(entry["msg"]), "received": received}
