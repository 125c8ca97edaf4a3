"""What all wrappers share: both questions go through one method, and impossible ones go no further."""

from __future__ import annotations

from abc import ABC, abstractmethod

from PIL import Image

from deepeyes_env.search.base import (
    DEFAULT_HITS,
    Operation,
    Region,
    SearchEngine,
    SearchErrorKind,
    SearchResponse,
    operations_lacking,
)
from deepeyes_env.search.request import ImageRequest, Request, TextRequest


class Wrapper(ABC):
    """A `SearchEngine` that does something around the answering of a request.

    Attributes:
        engine: The engine inside; None where there is not exactly one.
    """

    engine: SearchEngine | None = None

    @property
    def lacks(self) -> frozenset[Operation]:
        """What the engine inside can never do."""
        return operations_lacking(self.engine)

    def search_text(self, query: str, k: int = DEFAULT_HITS) -> SearchResponse:
        """The `k` best pages for `query`."""
        return self._checked(TextRequest(query, k))

    def search_image(
        self, image: Image.Image, k: int = DEFAULT_HITS, region: Region | None = None
    ) -> SearchResponse:
        """The `k` pages whose pictures look most like `image`, or like its part `region`."""
        return self._checked(ImageRequest(image, k, region))

    @abstractmethod
    def answer(self, request: Request) -> SearchResponse:
        """The response to a request that is not at fault."""

    def _checked(self, request: Request) -> SearchResponse:
        if fault := request.fault:
            return SearchResponse(error=SearchErrorKind.BAD_REQUEST, detail=fault)
        return self.answer(request)
