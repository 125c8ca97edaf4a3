"""The web application: one route that searches, one to see whether it lives."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, fields
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from deepeyes_env.errors import ConfigError
from deepeyes_env.search.base import Hit, SearchEngine, SearchErrorKind, SearchResponse
from deepeyes_env.search.wrappers.sanitised import clean_hit
from deepeyes_env.serving.gate import Gate
from deepeyes_env.serving.refusal import tell_problems

DEFAULT_TOPK = 3
"""Hits of a request that does not say how many: the default of Search-R1's server."""

RETRY_AFTER_SECONDS = 1
"""When a client may come back to a busy server."""

QUERY_CHARS = 10_000
"""Characters of one query; an engine may take fewer into account."""


@dataclass(frozen=True, slots=True)
class SearchServerLimits:
    """How much the server takes on.

    Attributes:
        queries: Queries of one request (verl sends a list per tool call, Search-R1 one of a whole batch).
        topk: Hits of one query.
        requests: Requests that are worked on at the same time; beyond that the answer is 503.
        max_body_bytes: Largest body of a request.
    """

    queries: int = 1024
    topk: int = 100
    requests: int = 256
    max_body_bytes: int = 8 << 20

    def __post_init__(self) -> None:
        for item in fields(self):
            if getattr(self, item.name) < 1:
                raise ConfigError(f"server.{item.name} = {getattr(self, item.name)!r}: must be at least 1")


class RetrieveRequest(BaseModel):
    """What Search-R1's clients send.

    Attributes:
        queries: The queries.
        topk: Hits per query; None is `DEFAULT_TOPK`.
        return_scores: Whether each hit is to have its score beside the document.
    """

    queries: list[Annotated[str, Field(max_length=QUERY_CHARS)]]
    topk: Annotated[int, Field(ge=1)] | None = None
    return_scores: bool = False


def make_app(
    engine: SearchEngine, limits: SearchServerLimits | None = None, token: str | None = None
) -> FastAPI:
    """Make the application.

    Args:
        engine: What searches.
        limits: How much the server takes on.
        token: What clients must send as `Authorization: Bearer`; without one, only requests that call this
            machine by a loopback name are answered.
    """
    limits = limits or SearchServerLimits()
    app = FastAPI(title="DeepEyes search server")
    app.add_middleware(Gate, token=token, max_body_bytes=limits.max_body_bytes)
    tell_problems(app)
    running = 0

    @app.post("/retrieve")
    async def retrieve(request: RetrieveRequest) -> dict[str, list[list[dict[str, Any]]]]:
        """Search for each query."""
        nonlocal running
        topk = request.topk or DEFAULT_TOPK
        _check("queries", len(request.queries), limits.queries)
        _check("topk", topk, limits.topk)
        if running >= limits.requests:
            raise _busy(f"{running} requests are being worked on", RETRY_AFTER_SECONDS)
        running += 1
        try:
            found = await asyncio.to_thread(_search_all, engine, request.queries, topk)
        finally:
            running -= 1
        return {"result": [[_written(hit, request.return_scores) for hit in hits] for hits in found]}

    @app.get("/health")
    async def health() -> dict[str, int | str]:
        """Whether the server lives, and the requests that it works on."""
        return {"status": "ok", "requests": running}

    return app


def _check(name: str, value: int, most: int) -> None:
    if value > most:
        raise HTTPException(422, f"{name}: {value} is more than the {most} that this server takes")


def _busy(detail: str, seconds: float) -> HTTPException:
    # Not 429, which verl's client takes as final (`search-and-benchmarks` A.1).
    return HTTPException(503, detail, {"Retry-After": str(math.ceil(seconds))})


def _search_all(engine: SearchEngine, queries: list[str], topk: int) -> list[tuple[Hit, ...]]:
    return [_hits(engine.search_text(query, topk)) for query in queries]


def _hits(response: SearchResponse) -> tuple[Hit, ...]:
    """The hits of one query; none if it cannot be searched for: the other queries of the request can."""
    match response.error:
        case None | SearchErrorKind.NO_RESULTS | SearchErrorKind.BAD_REQUEST:
            return response.hits
        case SearchErrorKind.UNSUPPORTED:
            raise HTTPException(501, "the engine has no text search")
        case SearchErrorKind.TIMEOUT:
            raise HTTPException(504, "the engine gave no answer in time")
        case SearchErrorKind.BUDGET:
            raise HTTPException(402, "the engine's budget is spent")
    raise _busy(f"the engine failed: {response.error}", response.retry_after or RETRY_AFTER_SECONDS)


def _written(hit: Hit, with_score: bool) -> dict[str, Any]:
    """A hit in Search-R1's form, and what that lacks: address and date.

    Clients put it before their policies as it comes: protocol tags and special tokens have no power in it.
    """
    hit = clean_hit(hit, hit.rank)
    title = hit.title
    document = {"id": hit.doc_id, "contents": f'"{title}"\n{hit.snippet}'}
    document |= {name: value for name, value in (("url", hit.url), ("date", hit.date)) if value}
    return {"document": document, "score": hit.score} if with_score else document
