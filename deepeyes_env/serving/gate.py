"""Who may enter, and with how much: an ASGI middleware in front of everything else."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from fastapi import HTTPException
from starlette.responses import JSONResponse
from starlette.status import WS_1008_POLICY_VIOLATION
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepeyes_env.loopback import is_loopback


class Gate:
    """Refuses a request before its body is read, and a WebSocket before it is accepted."""

    def __init__(self, app: ASGIApp, token: str | None, max_body_bytes: int) -> None:
        """Wrap an application.

        Args:
            app: What lies behind the gate.
            token: What `Authorization: Bearer` must carry. None serves whoever calls this machine by a
                loopback name; no page of another site can, through a browser, even if its own name resolves
                to here.
            max_body_bytes: Largest body of a request.
        """
        self._app = app
        self._credentials = None if token is None else f"Bearer {token}".encode()
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"authorization", b"")
        length = headers.get(b"content-length", b"0")
        refusal = None
        if self._credentials is None and not is_loopback(_name(headers.get(b"host", b""))):
            refusal = JSONResponse({"detail": "not a name of this machine"}, 400)
        elif self._credentials is None and not _is_from_here(headers.get(b"origin")):
            refusal = JSONResponse({"detail": "a page of another site asks"}, 403)
        elif self._credentials is not None and not hmac.compare_digest(given, self._credentials):
            refusal = JSONResponse({"detail": "wrong or missing token"}, 401, {"WWW-Authenticate": "Bearer"})
        elif length.isdigit() and int(length) > self._max_body_bytes:
            refusal = JSONResponse({"detail": self._too_large}, 413)
        if refusal is None:
            await self._app(scope, self._counted(receive), send)
        elif scope["type"] == "websocket":
            await send(
                {"type": "websocket.close", "code": WS_1008_POLICY_VIOLATION}
            )  # the server answers 403
        else:
            await refusal(scope, receive, send)

    @property
    def _too_large(self) -> str:
        return f"the request's body exceeds {self._max_body_bytes} bytes"

    def _counted(self, receive: Receive) -> Receive:
        """`receive`, for bodies that do not tell their length beforehand."""
        total = 0

        async def counted() -> Message:
            nonlocal total
            message = await receive()
            total += len(message.get("body", b""))
            if total > self._max_body_bytes:
                raise HTTPException(413, self._too_large)
            return message

        return counted


def _is_from_here(origin: bytes | None) -> bool:
    """Whether no page asks, or one of this machine: browsers name the origin of what may change something."""
    return origin is None or is_loopback(_name(origin.partition(b"://")[2]))


def _name(host: bytes) -> str:
    """The name or address in a `Host` header, without the port; empty if it is none."""
    try:
        return urlsplit(f"//{host.decode('latin-1')}").hostname or ""
    except ValueError:
        return ""
