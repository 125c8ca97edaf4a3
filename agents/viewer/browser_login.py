"""A token that browsers can send: the password of HTTP's basic authentication, asked for by the browser."""

from __future__ import annotations

import base64
import binascii

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BrowserLogin:
    """Stands before a `Gate`: hands on a basic password as the bearer token, and makes browsers ask for one.

    The pictures and requests of a page carry what the browser was told once, which no other header could.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application.

        Args:
            app: What lies behind, a `Gate` first.
        """
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = [
            (name, _as_bearer(value) if name == b"authorization" else value)
            for name, value in scope["headers"]
        ]

        async def asking(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 401:
                MutableHeaders(scope=message)["WWW-Authenticate"] = 'Basic realm="DeepEyes", charset="UTF-8"'
            await send(message)

        await self._app({**scope, "headers": headers}, receive, asking)


def _as_bearer(value: bytes) -> bytes:
    """`Basic <name:token>` as `Bearer <token>`; anything else as it is, for the gate to judge."""
    scheme, _, credentials = value.partition(b" ")
    if scheme.lower() != b"basic":
        return value
    try:
        _, _, token = base64.b64decode(credentials, validate=True).partition(b":")
    except binascii.Error:
        return value
    return b"Bearer " + token
