"""A real OpenAI-compatible chat server on the loopback device that says and does what a test tells it.

with ChatServer(says("<think>x</think><answer>7</answer>"), status(500)) as server:
    ask(server.url)                        # the first request gets the first behaviour, the last one repeats
    assert server.requests[0]["model"] == "m"
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Self

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

Behaviour = Callable[["ChatServer", dict[str, Any]], Response]


def event(data: object) -> str:
    return f"data: {json.dumps(data)}\n\n"


def delta(**fields: object) -> str:
    return event({"id": "1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": fields}]})


def end(reason: str | None = "stop", usage: tuple[int, int] | None = (10, 4), **fields: object) -> list[str]:
    """The last pieces: why it ended, what it took (tokens in, out), and the end of the stream."""
    last = [event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason, **fields}]})]
    if usage is not None:
        details = {"prompt_tokens_details": {"cached_tokens": 6}}
        counts = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
        last.append(event({"choices": [], "usage": counts | details}))
    return [*last, "data: [DONE]\n\n"]


def streams(*lines: str, then: Callable[[ChatServer], Any] | None = None) -> Behaviour:
    """These lines, one at a time; `then` is awaited after them."""

    def behave(server: ChatServer, request: dict[str, Any]) -> Response:
        async def body() -> AsyncIterator[str]:
            for line in lines:
                yield line
                await asyncio.sleep(0)
            if then is not None:
                await then(server)

        return StreamingResponse(body(), media_type="text/event-stream")

    return behave


def words(text: str) -> Iterable[str]:
    """The text in pieces of three letters."""
    return (delta(content=text[start : start + 3]) for start in range(0, len(text), 3))


def says(
    text: str, reason: str = "stop", usage: tuple[int, int] | None = (10, 4), **last: object
) -> Behaviour:
    return streams(delta(role="assistant", content=""), *words(text), *end(reason, usage, **last))


async def breaks(server: ChatServer) -> None:
    raise ConnectionError("a test wants this connection to break")


async def stalls(server: ChatServer) -> None:
    while not server.closing.is_set():
        await asyncio.sleep(0.01)


def status(code: int, message: str = "no", error_code: str | None = None, **headers: str) -> Behaviour:
    """A refusal in OpenAI's form; an underscore in a header's name is a hyphen."""
    body = {"error": {"message": message, "type": "test", "code": error_code}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda server, request: JSONResponse(body, code, named)


def raw(body: str, code: int = 200, type: str = "application/json") -> Behaviour:
    return lambda server, request: Response(body, code, media_type=type)


class ChatServer:
    """Serves from a thread until the `with` block ends."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.behaviours = list(behaviours)
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.closing = threading.Event()
        app = FastAPI()
        app.post("/v1/chat/completions")(self._answer)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)

    async def _answer(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        number = min(len(self.requests), len(self.behaviours)) - 1
        return self.behaviours[number](self, body)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.closing.set()
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
