"""What a search engine is: two questions, ranked hits, and typed failures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from PIL import Image

from deepeyes_env.images import EncodedImage

DEFAULT_HITS = 5
"""Hits shown per search (reference section 2.3: the released code and the paper show the top 5)."""


class SearchErrorKind(StrEnum):
    """Why a search gave nothing. The last four are the infrastructure's fault and never the policy's."""

    NO_RESULTS = "no_results"
    BAD_REQUEST = "bad_request"
    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    BUDGET = "budget"

    @property
    def is_infrastructure(self) -> bool:
        """Whether the episode must end as `infra_failed` rather than be scored."""
        return self in (self.RATE_LIMITED, self.TIMEOUT, self.UNAVAILABLE, self.BUDGET)


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
    """

    rank: int
    title: str
    url: str
    snippet: str = ""
    date: str | None = None
    thumbnail: EncodedImage | None = None


@dataclass(frozen=True, slots=True)
class SearchResponse:
    """Hits, or the kind of failure that prevented them (`error` is None on success)."""

    hits: tuple[Hit, ...] = ()
    error: SearchErrorKind | None = None


@runtime_checkable
class SearchEngine(Protocol):
    """Text and image search. Implementations are deterministic and safe to call from many threads."""

    def search_text(self, query: str, k: int = DEFAULT_HITS) -> SearchResponse:
        """The `k` best pages for `query`."""
        ...

    def search_image(self, image: Image.Image, k: int = DEFAULT_HITS) -> SearchResponse:
        """The `k` pages whose pictures look most like `image` (RGB, any size)."""
        ...
