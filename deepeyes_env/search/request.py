"""A search request as data: what a wrapper passes on, and what may not be asked at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from PIL import Image

from deepeyes_env.search.base import DEFAULT_HITS, Operation, Region, SearchEngine, SearchResponse


@dataclass(frozen=True, slots=True)
class TextRequest:
    """A text search.

    Attributes:
        query: As the policy wrote it.
        k: Most hits wanted.
    """

    operation: ClassVar[Operation] = Operation.TEXT

    query: str
    k: int = DEFAULT_HITS

    @property
    def fault(self) -> str:
        """Why no engine can answer this; empty when one may."""
        return _fault_of_k(self.k) or ("" if self.query.strip() else "the query is empty")

    def put_to(self, engine: SearchEngine) -> SearchResponse:
        """Ask an engine."""
        return engine.search_text(self.query, self.k)


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """An image search.

    Attributes:
        image: The picture.
        k: Most hits wanted.
        region: The part to search with, or None for all of it.
    """

    operation: ClassVar[Operation] = Operation.IMAGE

    image: Image.Image
    k: int = DEFAULT_HITS
    region: Region | None = None

    @property
    def fault(self) -> str:
        """Why no engine can answer this; empty when one may."""
        return _fault_of_k(self.k) or ("" if self._region_is_inside else "the region is not in the picture")

    def put_to(self, engine: SearchEngine) -> SearchResponse:
        """Ask an engine."""
        return engine.search_image(self.image, self.k, self.region)

    @property
    def _region_is_inside(self) -> bool:
        left, top, right, bottom = self.region or (0, 0, *self.image.size)
        return 0 <= left < right <= self.image.width and 0 <= top < bottom <= self.image.height


Request = TextRequest | ImageRequest
"""Either of the two questions that an engine can be asked."""


def _fault_of_k(k: int) -> str:
    return "" if k >= 1 else f"{k} hits are asked for"
