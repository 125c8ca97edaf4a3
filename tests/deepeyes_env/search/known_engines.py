"""Search engines whose answers a test knows."""

import threading
from collections.abc import Callable, Sequence

from PIL import Image

from deepeyes_env.images import EncodedImage
from deepeyes_env.search.base import DEFAULT_HITS, Hit, Region, SearchErrorKind, SearchResponse

OUTAGES = (SearchErrorKind.RATE_LIMITED, SearchErrorKind.TIMEOUT, SearchErrorKind.UNAVAILABLE)


def failed(kind: SearchErrorKind, **fields: object) -> SearchResponse:
    return SearchResponse(error=kind, detail=f"it is {kind}", **fields)  # type: ignore[arg-type]


class CountingEngine:
    """Finds `k` pages about every query, and counts its requests, which cost a cent each."""

    def __init__(self, name: str = "counting", during: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self.during = during
        self.requests: list[str] = []
        self._lock = threading.Lock()

    def search_text(self, query: str, k: int = DEFAULT_HITS) -> SearchResponse:
        if k < 1 or not query.strip():
            return failed(SearchErrorKind.BAD_REQUEST)
        with self._lock:
            self.requests.append(query)
            number = len(self.requests)
        self.during()
        hits = tuple(
            Hit(rank, f"{query} {rank}", f"https://example.org/{rank}", f"answer {number}", score=1 / rank)
            for rank in range(1, k + 1)
        )
        return SearchResponse(hits, backend=self.name, cost=0.01)

    def search_image(
        self, image: Image.Image, k: int = DEFAULT_HITS, region: Region | None = None
    ) -> SearchResponse:
        left, top, right, bottom = region or (0, 0, *image.size)
        if k < 1 or not (0 <= left < right <= image.width and 0 <= top < bottom <= image.height):
            return failed(SearchErrorKind.BAD_REQUEST)
        with self._lock:
            self.requests.append(f"{image.size} {region}")
        picture = EncodedImage.from_pil(image.crop((left, top, right, bottom)))
        hits = tuple(Hit(rank, f"picture {rank}", "", thumbnail=picture) for rank in range(1, k + 1))
        return SearchResponse(hits, backend=self.name, cost=0.01)


class ScriptedEngine:
    """Gives one response after another, the last one for ever."""

    def __init__(self, *responses: SearchResponse) -> None:
        self.responses: Sequence[SearchResponse] = responses
        self.requests = 0

    def search_text(self, query: str, k: int = DEFAULT_HITS) -> SearchResponse:
        self.requests += 1
        return self.responses[min(self.requests, len(self.responses)) - 1]

    def search_image(
        self, image: Image.Image, k: int = DEFAULT_HITS, region: Region | None = None
    ) -> SearchResponse:
        return self.search_text("", k)
