"""What a search engine is: two questions, ranked hits, and typed failures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from PIL import Image

from deepeyes_env.images import EncodedImage

DEFAULT_HITS = 5
"""Hits shown per search (reference section 2.3: the released code and the paper show the top 5)."""


class Operation(StrEnum):
    """What an engine can be asked for."""

    TEXT = "text"
    IMAGE = "image"


class SearchErrorKind(StrEnum):
    """Why a search gave nothing. The last four are the infrastructure's fault and never the policy's.

    `UNSUPPORTED` is neither's: the engine can never do what it was asked for. The policy is told and goes on;
    nothing is tried again.
    """

    NO_RESULTS = "no_results"
    BAD_REQUEST = "bad_request"
    UNSUPPORTED = "unsupported"
    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    BUDGET = "budget"

    @property
    def is_infrastructure(self) -> bool:
        """Whether the episode must end as `infra_failed` rather than be scored."""
        return self in (self.RATE_LIMITED, self.TIMEOUT, self.UNAVAILABLE, self.BUDGET)


Region = tuple[int, int, int, int]
"""A part of a picture: left, top, right, bottom in its pixels; right and bottom are not part of it."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One ranked result.

    Attributes:
        rank: 1 for the best hit.
        title: Page title.
        url: Page address.
        snippet: The passage shown with the hit; may be empty.
        date: Publication date as text, or None.
        thumbnail: The picture of an image hit, or None.
        doc_id: What the engine calls the document; empty where it has no such name.
        score: The engine's own measure of fit, higher is better; 0 where it gives none.
    """

    rank: int
    title: str
    url: str
    snippet: str = ""
    date: str | None = None
    thumbnail: EncodedImage | None = None
    doc_id: str = ""
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class SearchResponse:
    """Hits, or the kind of failure that prevented them.

    Attributes:
        hits: Best first.
        error: None on success.
        detail: What failed, for people; never shown to the policy, and free of keys.
        backend: Name of the engine that answered, or of the last one that failed.
        cost: What the request cost, in US dollars.
        recorded: Whether no request was made: the answer comes from a recording or a cache, or the request is
            one that is never sent, because no service could answer it.
        retry_after: Seconds that the service asks to wait before the next request, or None.
    """

    hits: tuple[Hit, ...] = ()
    error: SearchErrorKind | None = None
    detail: str = ""
    backend: str = ""
    cost: float = 0.0
    recorded: bool = False
    retry_after: float | None = None


@runtime_checkable
class SearchEngine(Protocol):
    """Text and image search.

    Implementations are safe to call from many threads and never raise for a failed request: the response says
    what failed. One that can never do an operation answers `UNSUPPORTED` and says so in an attribute `lacks`
    (`operations_lacking`). One over a fixed corpus may name it in an attribute `identity` (`identity_of`).
    """

    def search_text(self, query: str, k: int = DEFAULT_HITS) -> SearchResponse:
        """The `k` best pages for `query`."""
        ...

    def search_image(
        self, image: Image.Image, k: int = DEFAULT_HITS, region: Region | None = None
    ) -> SearchResponse:
        """The `k` pages whose pictures look most like `image`, or like its part `region`.

        Args:
            image: RGB, any size.
            k: Most hits wanted, at least 1.
            region: The part to search with, inside the picture; None means all of it.
        """
        ...


def operations_lacking(engine: SearchEngine | None) -> frozenset[Operation]:
    """What an engine can never do, by its attribute `lacks`; without one it can do everything."""
    lacking: frozenset[Operation] = getattr(engine, "lacks", frozenset())
    return lacking


def identity_of(engine: SearchEngine | None) -> str:
    """What names an engine's corpus and no other one, by its attribute `identity`; empty without one."""
    identity: str = getattr(engine, "identity", "")
    return identity
