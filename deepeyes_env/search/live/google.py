"""What the services that sell Google's results share: text results, and Lens by the address of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image

from deepeyes_env.search.base import DEFAULT_HITS, Hit, Operation, Region, SearchErrorKind, SearchResponse
from deepeyes_env.search.fetch import Fetcher
from deepeyes_env.search.live.failure import SearchFailure, answer, checked
from deepeyes_env.search.live.hits import hits_of, web_address
from deepeyes_env.search.live.thumbnails import seconds_for, with_thumbnails
from deepeyes_env.search.live.upload import Upload, public_address

_NO_THUMBNAILS = "the hits have no pictures, and an episode shows only hits that have one: set thumbnails"

_NO_UPLOAD = (
    "image search by a service needs a public address of the picture: set upload to a function that takes a "
    "JPEG file and returns its address, or take image_search out of tools"
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a service answered.

    Attributes:
        items: What should be a list of hits.
        cost: US dollars.
    """

    items: Any
    cost: float


class Service(Protocol):
    """One such service; each request may raise a `SearchFailure`."""

    name: str
    seconds: float

    @property
    def secrets(self) -> Sequence[str]:
        """What no detail may hold."""
        ...

    def text(self, query: str, k: int) -> Reply:
        """Google's results for a query."""
        ...

    def lens(self, address: str) -> Reply:
        """Google Lens' results for a picture at a public address."""
        ...


class GoogleEngine:
    """A `SearchEngine` on one service. Safe to use from many threads."""

    def __init__(
        self,
        service: Service,
        pictures: Sequence[str],
        upload: Upload | None,
        fetcher: Fetcher | None,
    ) -> None:
        """Nothing is asked yet.

        Args:
            service: Who answers.
            pictures: Fields of an image hit that may hold the address of its picture, the best first.
            upload: Gives a picture a public address; None means that there is no image search.
            fetcher: Fetches the pictures of image hits; None means that they have none.
        """
        self._service = service
        self._pictures = pictures
        self._upload = upload
        self._fetcher = fetcher

    @property
    def lacks(self) -> frozenset[Operation]:
        """Without an upload there is no image search."""
        return frozenset() if self._upload else frozenset({Operation.IMAGE})

    def search_text(self, query: str, k: int = DEFAULT_HITS) -> SearchResponse:
        """The `k` best pages for `query`."""

        def ask() -> SearchResponse:
            reply = self._service.text(checked(query, k), k)
            return self._response(hits_of(reply.items, k), reply.cost)

        return answer(self._service.name, self._service.seconds, ask, self._service.secrets)

    def search_image(
        self, image: Image.Image, k: int = DEFAULT_HITS, region: Region | None = None
    ) -> SearchResponse:
        """The `k` pages whose pictures look most like `image`; `unsupported` without an upload."""
        if (upload := self._upload) is None:
            return SearchResponse(
                error=SearchErrorKind.UNSUPPORTED, detail=_NO_UPLOAD, backend=self._service.name
            )

        def ask() -> SearchResponse:
            checked("a picture", k)
            reply = self._service.lens(public_address(upload, image, region))
            hits = hits_of(reply.items, k)
            if not hits:
                return self._response(hits, reply.cost)
            if self._fetcher is None:
                return self._response(hits, reply.cost, _NO_THUMBNAILS)
            pictures = self._picture_addresses(reply.items)
            pictured, detail = with_thumbnails(hits, pictures, self._fetcher)
            if not any(hit.thumbnail for hit in pictured):
                # An episode shows no hit without a picture: the policy must not take that for nothing found.
                return SearchResponse(
                    error=SearchErrorKind.UNAVAILABLE,
                    detail=detail,
                    backend=self._service.name,
                    cost=reply.cost,
                )
            return self._response(pictured, reply.cost, detail)

        seconds = self._service.seconds
        if self._fetcher is not None:
            seconds += seconds_for(k, self._fetcher)
        return answer(self._service.name, seconds, ask, self._service.secrets)

    def _picture_addresses(self, items: Sequence[Any]) -> dict[str, str]:
        addresses: dict[str, str] = {}
        for item in items:
            if isinstance(item, Mapping):
                found = [web_address(item.get(field)) for field in self._pictures]
                addresses.setdefault(web_address(item.get("link")), next(filter(None, found), ""))
        return addresses

    def _response(self, hits: tuple[Hit, ...], cost: float, detail: str = "") -> SearchResponse:
        return SearchResponse(
            hits,
            error=None if hits else SearchErrorKind.NO_RESULTS,
            detail=detail,
            backend=self._service.name,
            cost=cost,
        )


def items_in(reply: Mapping[str, Any], name: str, proof: str) -> Any:
    """The hits of a reply; a genuine reply may leave the list out where nothing was found.

    Args:
        reply: The reply.
        name: Field of the list.
        proof: Field that every genuine reply has.

    Raises:
        SearchFailure: It has neither.
    """
    if name not in reply and proof not in reply:
        raise SearchFailure(SearchErrorKind.UNAVAILABLE, f"the reply has no {name}")
    return reply.get(name, [])
