"""The web application: sessions as streams, episodes and turns as requests (`deepeyes_env.remote`)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields, replace

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from deepeyes_env.async_env import DeepEyesAsyncEnv
from deepeyes_env.config import EnvConfig
from deepeyes_env.errors import ConfigError
from deepeyes_env.host import Place, draw_place
from deepeyes_env.remote.server.sessions import (
    BusyError,
    EndedError,
    FullError,
    Session,
    Sessions,
    UnknownError,
)
from deepeyes_env.remote.wire import (
    MAX_DETAIL,
    PROTOCOL,
    Json,
    MalformedError,
    dump,
    dump_observation,
    dump_result,
    dump_rules,
    load,
)
from deepeyes_env.sandbox.base import Sandbox
from deepeyes_env.serving.gate import Gate
from deepeyes_env.task import SPLITS, TaskSource

BEAT_SECONDS = 10.0
"""Time between two blank lines of a session's stream: they find out that a client's machine is gone."""

RETRY_AFTER_SECONDS = 1
"""When a client may come back to a full server."""


@dataclass(frozen=True, slots=True)
class EnvServerLimits:
    """How much the server takes on.

    Attributes:
        sessions: Clients at the same time; beyond that the answer is 503.
        episodes: Episodes at the same time, of all clients together; beyond that the answer is 503.
        turns: Turns that are performed at the same time; others wait.
        idle_seconds: Time without a request after which a session is closed.
        max_body_bytes: Largest body of a request: a turn.
    """

    sessions: int = 64
    episodes: int = 1024
    turns: int = 64
    idle_seconds: float = 3600.0
    max_body_bytes: int = 8 << 20

    def __post_init__(self) -> None:
        for item in fields(self):
            if not getattr(self, item.name) > 0:
                raise ConfigError(f"server.{item.name} = {getattr(self, item.name)!r}: must be above 0")


def make_app(
    config: EnvConfig,
    limits: EnvServerLimits | None = None,
    token: str | None = None,
    *,
    tasks: TaskSource | None = None,
    sandbox: Sandbox | None = None,
) -> FastAPI:
    """Make the application.

    Args:
        config: The settings of every episode.
        limits: How much it takes on.
        token: What clients must send as `Authorization: Bearer`; without one, only requests that call this
            machine by a loopback name are answered.
        tasks: A task source to use in place of `config.source`.
        sandbox: A sandbox to use in place of `config.sandbox_backend`.
    """
    limits = limits or EnvServerLimits()
    env = DeepEyesAsyncEnv(limits.turns, config, tasks=tasks, sandbox=sandbox, workers=limits.turns)
    sessions = Sessions(env, most=limits.sessions, episodes=limits.episodes, idle_seconds=limits.idle_seconds)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        expiry = asyncio.create_task(sessions.expire())
        yield
        expiry.cancel()
        await asyncio.to_thread(env.close)

    app = FastAPI(title="DeepEyes environment server", lifespan=lifespan)
    app.add_middleware(Gate, token=token, max_body_bytes=limits.max_body_bytes)

    @app.post("/sessions")
    async def open_session() -> Response:
        """Open a session, which lives as long as the stream that is the answer."""
        return StreamingResponse(_stream(sessions, sessions.open(), env), media_type="application/x-ndjson")

    @app.post("/sessions/{session}/episodes")
    async def begin(session: str, request: Request) -> Response:
        """Begin an episode."""
        place = _place(env, load(await request.body()))
        name, running = await sessions.begin(session, place)
        live = running.live
        return _json({"episode": name, "observation": dump_observation(live.observation), "info": live.info})

    @app.post("/sessions/{session}/episodes/{episode}/turns")
    async def turn(session: str, episode: str, request: Request) -> Response:
        """Take a turn."""
        text = load(await request.body()).get("text")
        if not isinstance(text, str):
            raise MalformedError("text: must be a string")
        return _json(dump_result(await sessions.turn(session, episode, text)))

    @app.post("/sessions/{session}/episodes/{episode}/abandon")
    async def abandon(session: str, episode: str) -> Response:
        """End an episode as truncated."""
        return _json(dump_result(await sessions.abandon(session, episode)))

    @app.delete("/sessions/{session}/episodes/{episode}")
    async def drop(session: str, episode: str) -> Response:
        """Free an episode."""
        await sessions.drop(session, episode)
        return Response(status_code=204)

    @app.get("/sessions/{session}/images/{sha256}")
    async def image(session: str, sha256: str) -> Response:
        """The bytes of an image."""
        return Response(sessions.image(session, sha256).data, media_type="application/octet-stream")

    @app.get("/health")
    async def health() -> dict[str, int | str]:
        """Whether the server lives, its sessions and episodes."""
        return {"status": "ok", "sessions": len(sessions), "episodes": sessions.episodes}

    _tell_refusals(app)
    return app


async def _stream(sessions: Sessions, session: Session, env: DeepEyesAsyncEnv) -> AsyncIterator[bytes]:
    """A session's stream; whatever ends it ends the session."""
    try:
        yield dump(_greeting(session, env)) + b"\n"
        while not session.closed.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(session.closed.wait(), BEAT_SECONDS)
            yield b"\n"
    finally:
        await asyncio.shield(sessions.close(session))


def _greeting(session: Session, env: DeepEyesAsyncEnv) -> Json:
    sizes = {split: env.tasks.size(split) for split in SPLITS}
    return {
        "protocol": PROTOCOL,
        "session": session.name,
        "rules": dump_rules(env.config),
        "tasks": {"name": env.tasks.name, "sizes": sizes},
    }


def _place(env: DeepEyesAsyncEnv, body: Json) -> Place:
    """Where a request wants its episode.

    Raises:
        MalformedError: There is no such place.
    """
    seed, options = body.get("seed"), {name: body.get(name) for name in ("index", "split")}
    if type(seed) is not int or not 0 <= seed < 2**63:
        raise MalformedError(f"seed = {str(seed)[:50]}: must be a whole number from 0 below 2^63")
    if options["index"] is None:
        raise MalformedError("index: must be a whole number")
    try:
        place = draw_place(env.tasks, env.config.split, options, np.random.default_rng(0))
    except ConfigError as error:
        raise MalformedError(str(error)) from error
    return replace(place, seed=seed)


def _json(value: Json) -> Response:
    return Response(dump(value), media_type="application/json")


def _tell_refusals(app: FastAPI) -> None:
    def answer(kind: type[Exception], code: int, headers: dict[str, str] | None = None) -> None:
        @app.exception_handler(kind)
        async def refuse(_: Request, error: Exception) -> JSONResponse:
            return _refusal(str(error), code, headers)

    answer(FullError, 503, {"Retry-After": str(RETRY_AFTER_SECONDS)})
    answer(UnknownError, 404)
    answer(EndedError, 410)
    answer(BusyError, 409)
    answer(MalformedError, 422)

    @app.exception_handler(Exception)  # the one handler after which the error is raised on, and so logged
    async def failed(_: Request, error: Exception) -> JSONResponse:
        # uvicorn closes the connection of an error, in which the client's next request would be lost.
        return _refusal(f"{type(error).__name__}: {error}", 500, {"Connection": "close"})


def _refusal(detail: str, code: int, headers: dict[str, str] | None = None) -> JSONResponse:
    detail = detail[:MAX_DETAIL].encode("utf-8", "replace").decode()
    return JSONResponse({"detail": detail}, code, headers)
