"""The embedded search engine: text and pictures of one corpus, indexed on first use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from deepeyes_env.search.base import DEFAULT_HITS, Hit, Region, SearchErrorKind, SearchResponse
from deepeyes_env.search.local.page import Page
from deepeyes_env.search.request import ImageRequest
from deepeyes_env.stripes import Stripes

if TYPE_CHECKING:
    from deepeyes_env.search.local.image import ImageIndex
    from deepeyes_env.search.local.text import Found, TextIndex

BACKEND = "local"


class LocalSearchEngine:
    """A `SearchEngine` over pages in memory or in an index directory (`open`).

    Thread-safe; pickles as its pages or the directory's path, without its indexes. A copy opens the directory
    anew, as the version that is there by then.
    """

    def __init__(
        self, pages: Sequence[Page] | Callable[[], Sequence[Page]], identity: str | None = ""
    ) -> None:
        """Take a corpus; nothing is read before the first search.

        Args:
            pages: The pages, or a function that writes them (picklable if the engine is to be pickled).
            identity: A name that no other corpus has; None stands for pages of an index, which have one.
        """
        self._identity = identity
        self._source = pages
        self._locks = Stripes()  # a process may fork while a thread makes an index
        self._pages: Sequence[Page] | None = None
        self._text: TextIndex | None = None
        self._images: tuple[list[int], ImageIndex] | None = None

    @classmethod
    def open(cls, directory: str | Path, title_boost: float = 1.0) -> LocalSearchEngine:
        """Search an index that `deepeyes search index` has made; takes milliseconds, whatever its size.

        Args:
            directory: The index.
            title_boost: What a word in the title counts beside one in the body. Less than 1 is better where
                titles are single words, as in a dictionary.

        Raises:
            DatasetError: It is no index, or of another version, or damaged.
        """
        from deepeyes_env.search.local.stored import StoredPages

        open_pages = partial(StoredPages, Path(directory), title_boost)
        pages = open_pages()
        engine = cls(open_pages, None)
        engine._pages = pages
        return engine

    @property
    def identity(self) -> str:
        """Names the corpus in recordings; empty where nobody has named it."""
        from deepeyes_env.search.local.stored import StoredPages

        if self._identity is not None:
            return self._identity
        with self._locks.of(0):
            pages = self._corpus()
        assert isinstance(pages, StoredPages)
        return pages.contents.digest

    def search_text(self, query: str, k: int = DEFAULT_HITS) -> SearchResponse:
        """The `k` best pages for `query`; `no_results` when no page has any of its words."""
        if k < 1 or not query.strip():
            return SearchResponse(error=SearchErrorKind.BAD_REQUEST, backend=BACKEND)
        found = self._text_index().search(query, k)
        hits = tuple(_text_hit(rank, one) for rank, one in enumerate(found, start=1))
        error = None if hits else SearchErrorKind.NO_RESULTS
        return SearchResponse(hits, error, backend=BACKEND)

    def search_image(
        self, image: Image.Image, k: int = DEFAULT_HITS, region: Region | None = None
    ) -> SearchResponse:
        """The `k` pages whose pictures look most like `image`; `no_results` when none is similar."""
        if fault := ImageRequest(image, k, region).fault:
            return SearchResponse(error=SearchErrorKind.BAD_REQUEST, detail=fault, backend=BACKEND)
        if region is not None:
            image = image.crop(region)
        pages, places, index = self._image_index()
        hits = tuple(
            _image_hit(rank, places[found], pages[places[found]], 1 - distance)
            for rank, (found, distance) in enumerate(index.search(image, k), start=1)
        )
        error = None if hits else SearchErrorKind.NO_RESULTS
        return SearchResponse(hits, error, backend=BACKEND)

    def _corpus(self) -> Sequence[Page]:
        if self._pages is None:
            self._pages = self._source() if callable(self._source) else self._source
        return self._pages

    def _text_index(self) -> TextIndex:
        from deepeyes_env.search.local.stored import StoredPages
        from deepeyes_env.search.local.text import TextIndex

        with self._locks.of(0):
            pages = self._corpus()
            if self._text is None:
                self._text = pages.text_index() if isinstance(pages, StoredPages) else TextIndex(pages)
            return self._text

    def _image_index(self) -> tuple[Sequence[Page], list[int], ImageIndex]:
        from deepeyes_env.search.local.image import ImageIndex

        with self._locks.of(0):
            pages = self._corpus()
            if self._images is None:
                places = _places_with_pictures(pages)
                self._images = places, ImageIndex(_picture(pages[place]).decode() for place in places)
            return pages, *self._images

    def __getstate__(self) -> dict[str, Any]:
        return {"source": self._source, "identity": self._identity}

    def __setstate__(self, state: dict[str, Any]) -> None:
        LocalSearchEngine.__init__(self, state["source"], state["identity"])


def _text_hit(rank: int, found: Found) -> Hit:
    page = found.page
    name = page.id or str(found.place)
    return Hit(rank, page.title, page.url, found.snippet, page.date, doc_id=name, score=found.score)


def _places_with_pictures(pages: Sequence[Page]) -> list[int]:
    from deepeyes_env.search.local.stored import StoredPages

    if isinstance(pages, StoredPages):
        return pages.places_with_pictures()
    return [place for place, page in enumerate(pages) if page.picture is not None]


def _picture(page: Page) -> Any:
    assert page.picture is not None
    return page.picture()


def _image_hit(rank: int, place: int, page: Page, score: float) -> Hit:
    name = page.id or str(place)
    return Hit(rank, page.title, page.url, date=page.date, thumbnail=_picture(page), doc_id=name, score=score)
