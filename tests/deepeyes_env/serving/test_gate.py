"""Who may open a WebSocket."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from deepeyes_env.serving.gate import Gate

HOME = {"Host": "127.0.0.1:8000"}


async def greet(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("welcome")
    await socket.close()


def client(token: str | None) -> TestClient:
    return TestClient(Gate(Starlette(routes=[WebSocketRoute("/", greet)]), token, 100))


@pytest.mark.parametrize(
    ("token", "headers"),
    [
        (None, {**HOME, "Origin": "http://evil.example"}),
        (None, {**HOME, "Origin": "null"}),
        (None, {"Host": "evil.example"}),
        (None, {"Host": "127.0.0.1.evil.example"}),
        (None, {"Host": "192.168.0.2:8000"}),
        (None, {"Host": "[::"}),
        (None, {"Host": ""}),
        (None, {**HOME, "Origin": "http://127.0.0.2.evil.example"}),
        ("right", HOME),
        ("right", {**HOME, "Authorization": "Bearer wrong"}),
    ],
)
def test_who_may_not_come_in_is_not_accepted(token: str | None, headers: dict[str, str]) -> None:
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client(token).websocket_connect("/", headers=headers),
    ):
        pass
    assert refused.value.code == 1008


@pytest.mark.parametrize(
    ("token", "headers"),
    [
        (None, HOME),
        (None, {**HOME, "Origin": "http://localhost:3000"}),
        (None, {"Host": "127.0.0.2:8000", "Origin": "http://127.0.0.2:8000"}),
        (None, {"Host": "[::1]:8000"}),
        ("right", {"Host": "gpu-node", "Authorization": "Bearer right"}),
    ],
)
def test_others_are(token: str | None, headers: dict[str, str]) -> None:
    with client(token).websocket_connect("/", headers=headers) as socket:
        assert socket.receive_text() == "welcome"
