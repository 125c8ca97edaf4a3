"""The web application: two routes for cells, one to clear a session, one to see whether it lives."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, fields

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse

from deepeyes_env.errors import ConfigError
from deepeyes_env.sandbox.base import SandboxError
from deepeyes_env.sandbox.local import LocalSandbox
from deepeyes_env.sandbox.server import dialects
from deepeyes_env.sandbox.server.dialects import CellRequest, ClearRequest, Render
from deepeyes_env.sandbox.server.sessions import BusyError, Sessions
from deepeyes_env.serving.gate import Gate
from deepeyes_env.serving.refusal import tell_problems

RETRY_AFTER_SECONDS = 1
"""When a client may come back to a busy server."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """How much the server takes on.

    Attributes:
        cells: Cells that run at the same time; by default one per usable core.
        queue: Cells that may wait; beyond that the answer is 503 with `Retry-After`.
        sessions: Sessions at the same time; beyond that the answer is 503 with `Retry-After`.
        idle_seconds: Time without a request after which a session is closed (the original: 1 h in v1).
        max_body_bytes: Largest body of a request (the original's nginx: 64 MiB).
    """

    cells: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    queue: int = 256
    sessions: int = 1024
    idle_seconds: float = 3600.0
    max_body_bytes: int = 64 << 20

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not (value > 0 or (item.name == "queue" and value == 0)):
                raise ConfigError(f"server.{item.name} = {value!r}: must be above 0")


def make_app(sandbox: LocalSandbox, limits: ServerLimits | None = None, token: str | None = None) -> FastAPI:
    """Make the application.

    Args:
        sandbox: Where cells run; closed with the application.
        limits: How much it takes on.
        token: What clients must send as `Authorization: Bearer`; without one, only requests that call this
            machine by a loopback name are answered.
    """
    limits = limits or ServerLimits()
    sessions = Sessions(
        sandbox,
        cells=limits.cells,
        queue=limits.queue,
        most=limits.sessions,
        idle_seconds=limits.idle_seconds,
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        expiry = asyncio.create_task(sessions.expire())
        yield
        expiry.cancel()
        await asyncio.to_thread(sandbox.close)

    app = FastAPI(title="DeepEyes code server", lifespan=lifespan)
    app.add_middleware(Gate, token=token, max_body_bytes=limits.max_body_bytes)

    @app.post("/jupyter_sandbox")
    async def jupyter_sandbox(request: CellRequest) -> Response:
        """Run a cell; dialect v1."""
        return await _cell(sessions, request, dialects.jupyter_sandbox)

    @app.post("/run_jupyter")
    async def run_jupyter(request: CellRequest) -> Response:
        """Run a cell; dialect v2."""
        return await _cell(sessions, request, dialects.run_jupyter)

    @app.post("/clear_session")
    async def clear_session(request: ClearRequest) -> dict[str, str]:
        """Close a session."""
        await sessions.clear(request.session_id)
        return {"status": "success"}

    @app.get("/health")
    async def health() -> dict[str, int | str]:
        """Whether the server lives, its sessions, and the cells that run or wait."""
        return {"status": "ok", "sessions": len(sessions), "cells": sessions.cells}

    @app.exception_handler(BusyError)
    async def busy(_: Request, error: BusyError) -> JSONResponse:
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        return JSONResponse({"detail": str(error)}, 503, headers)

    tell_problems(app)
    return app


async def _cell(sessions: Sessions, request: CellRequest, render: Render) -> Response:
    start = time.monotonic()
    if not request.code.strip():
        return _json(dialects.reply(dialects.NO_CODE, 0.0))
    try:
        ran = await sessions.run(request.session_id, request.code, request.timeout)
    except SandboxError as error:
        raise HTTPException(500, f"the sandbox failed: {error}") from error
    # In a thread, because encoding a large picture takes longer than most cells.
    body = await asyncio.to_thread(lambda: dialects.reply(render(ran), time.monotonic() - start))
    return _json(body)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
