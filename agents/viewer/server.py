"""The live viewer's web application: the page, rows as they come, trajectories and images on demand."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Path, Query, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.store import StoreError
from agents.viewer.assets import script, style
from agents.viewer.browser_login import BrowserLogin
from agents.viewer.detail import detail
from agents.viewer.page import LIVE_POLICY, image_type, live_page
from agents.viewer.run import GrowingRun
from agents.viewer.tokens import Words
from deepeyes_env.serving.gate import Gate
from deepeyes_env.serving.refusal import tell_problems

ROWS = 2_000
"""Rows of one answer, about 1 MB; a page asks again until it has all."""

MAX_BODY_BYTES = 1 << 10
"""No request of a page has a body."""

HEADERS = {
    "Content-Security-Policy": LIVE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer: no type is guessed, only the page's script runs, no other site embeds anything."""

_FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}
_NOT_KEPT = {"Cache-Control": "no-store"}

Number = Annotated[int, Path(ge=0)]
Sha256 = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


def make_app(run: GrowingRun, words: Words, title: str, token: str | None = None) -> FastAPI:
    """Make the application.

    Args:
        run: What is shown.
        words: The texts of its tokens.
        title: Heading of the page.
        token: What visitors must send, as a bearer token or as the password of any user; without one, only
            requests that call this machine by a loopback name are answered.
    """
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Gate, token=token, max_body_bytes=MAX_BODY_BYTES)
    app.add_middleware(BrowserLogin)
    app.add_middleware(_Headers)
    tell_problems(app)
    page = live_page(title).encode("utf-8", errors="replace")

    @app.exception_handler(StoreError)
    async def unreadable(_: Any, error: StoreError) -> Response:
        return _json({"detail": str(error)}, 500)

    @app.get("/")
    def index() -> Response:
        """The page."""
        return Response(page, media_type="text/html", headers=_NOT_KEPT)

    @app.get("/app.js")
    def app_script() -> Response:
        """Its script."""
        return Response(script(), media_type="text/javascript", headers=_NOT_KEPT)

    @app.get("/app.css")
    def app_style() -> Response:
        """Its style sheet."""
        return Response(style(), media_type="text/css", headers=_NOT_KEPT)

    @app.get("/rows")
    def rows(after: Annotated[int, Query(ge=0)] = 0) -> Response:
        """The rows from `after` on, at most `ROWS`; `run` changes when the run was written anew."""
        total = run.refresh()
        return _json({"run": run.name, "total": total, "rows": run.rows(after, ROWS)})

    @app.get("/trajectories/{number}")
    def trajectory(number: Number) -> Response:
        """One trajectory, and the texts of its tokens."""
        try:
            one = run.trajectory(number)
        except IndexError as error:
            raise HTTPException(404, str(error)) from error
        return _json({"detail": detail(one), "words": words.of([one])})

    @app.get("/images/{sha256}")
    def image(sha256: Sha256) -> Response:
        """An image of the run by the hash of its bytes."""
        file = run.images / sha256
        if not file.is_file():
            raise HTTPException(404, f"the run has no image {sha256}")
        data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StoreError(f"the image {file} is damaged: its bytes do not have the hash that names it")
        kind = image_type(data)
        if kind is None:
            raise HTTPException(415, f"the file {sha256} is no image")
        return Response(data, media_type=kind, headers=_FOR_EVER)

    return app


def _json(value: object, status: int = 200) -> Response:
    # All in ASCII: half a surrogate pair in a tool's output has no UTF-8 form, but an escape.
    body = json.dumps(value, separators=(",", ":")).encode("ascii")
    return Response(body, status, media_type="application/json", headers=_NOT_KEPT)


class _Headers:
    """Sends `HEADERS` with every answer, refusals included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, with_headers)
