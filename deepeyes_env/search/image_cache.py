"""Image search out of the cache that was released with DeepEyesV2: what a web search found for each question.

The file is `{data_id: {"tool_returned_web_title": [title], "cached_images_path": [path or null]}}`, with the
pictures in files beside it (HF `honglyhly/DeepEyesV2_Search_Cache`; reference 2.3). A title whose picture is
null or missing is left out.

The cache is by question and an engine sees pictures, so whoever hands out a question binds its picture to its
id first. Only whole pictures of such questions are found: nobody has ever searched for parts of them.
"""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from deepeyes_env.images import EncodedImage, ImageError, pixel_hash
from deepeyes_env.search.base import DEFAULT_HITS, Hit, Operation, Region, SearchErrorKind, SearchResponse
from deepeyes_env.search.caps import TITLE_CHARS
from deepeyes_env.search.live.hits import text_of
from deepeyes_env.search.request import ImageRequest
from deepeyes_env.tasks.dataset_error import DatasetError

BACKEND = "image-cache"

TITLES, PATHS = "tool_returned_web_title", "cached_images_path"

FOLDERS = ("", "cached_images", "cached_images/train")
"""Where the pictures lie, from the file's own folder: as the archive `cached_images/train.zip` is
unpacked."""

_MEND = "use fvqa_train_image_search_results_cache.json of honglyhly/DeepEyesV2_Search_Cache"
_UNKNOWN = "the cache knows whole images of its own questions only"


class ImageCacheEngine:
    """A `SearchEngine` for pictures of known questions. Safe to use from many threads.

    Attributes:
        identity: Names the file by its content.
    """

    lacks = frozenset({Operation.TEXT})

    def __init__(self, path: str | Path) -> None:
        """Read the file; pictures are read when they are found.

        Args:
            path: The JSON file.

        Raises:
            DatasetError: It is a pickle, or no such cache, or names files outside of its folder.
        """
        self._folder = Path(path).resolve().parent
        data = _bytes_of(Path(path))
        self._entries = _read(data, Path(path))
        self.identity = hashlib.sha256(data).hexdigest()[:16]
        self._ids: dict[str, str] = {}
        self._lock = threading.Lock()

    def bind(self, image: EncodedImage, data_id: str) -> None:
        """Tell which question's picture an image is.

        Args:
            image: The question's first image.
            data_id: What the cache may call the question. Of two questions with the same picture, the
                last one counts.
        """
        if data_id in self._entries:
            name = pixel_hash(image.decode())
            with self._lock:
                self._ids[name] = data_id

    def search_text(self, query: str, k: int = DEFAULT_HITS) -> SearchResponse:
        """Always `unsupported`: the cache holds image searches only."""
        detail = "the image-search cache holds no texts"
        return SearchResponse(error=SearchErrorKind.UNSUPPORTED, detail=detail, backend=BACKEND)

    def search_image(
        self, image: Image.Image, k: int = DEFAULT_HITS, region: Region | None = None
    ) -> SearchResponse:
        """What was found for the question whose picture this is; see `SearchEngine`."""
        if fault := ImageRequest(image, k, region).fault:
            return SearchResponse(error=SearchErrorKind.BAD_REQUEST, detail=fault, backend=BACKEND)
        data_id = self._ids.get(pixel_hash(image if region is None else image.crop(region)))
        if data_id is None:
            return SearchResponse(error=SearchErrorKind.NO_RESULTS, detail=_UNKNOWN, backend=BACKEND)
        hits: list[Hit] = []
        for title, name in self._entries[data_id]:
            picture = self._picture(name)
            if picture is not None and len(hits) < k:
                hits.append(Hit(len(hits) + 1, title, "", thumbnail=picture, doc_id=data_id))
        error = None if hits else SearchErrorKind.NO_RESULTS
        return SearchResponse(tuple(hits), error, backend=BACKEND, recorded=True)

    def _picture(self, name: str) -> EncodedImage | None:
        """The picture in a file; None if it is missing, lies elsewhere by a link, or does not decode."""
        for folder in FOLDERS:
            file = (self._folder / folder / name).resolve()
            if file.is_relative_to(self._folder) and file.is_file():
                try:
                    return EncodedImage.from_bytes(file.read_bytes())
                except (OSError, ImageError):
                    return None
        return None


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(path, f"cannot be read ({error})", _MEND) from error


def _read(data: bytes, path: Path) -> dict[str, tuple[tuple[str, str], ...]]:
    if path.suffix in (".pkl", ".pickle") or data[:1] == b"\x80":
        raise DatasetError(path, "this is a pickle, which may run any code when it is read", _MEND)
    try:
        cache = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DatasetError(path, f"this is no JSON ({error})", _MEND) from error
    if not isinstance(cache, dict):
        raise DatasetError(path, "this is no JSON object", _MEND)
    return {data_id: _pairs(entry, path, data_id) for data_id, entry in cache.items()}


def _pairs(entry: Any, path: Path, data_id: str) -> tuple[tuple[str, str], ...]:
    """Titles with the paths of their pictures, without those that have none."""
    titles, names = (entry.get(key) if isinstance(entry, dict) else None for key in (TITLES, PATHS))
    if not isinstance(titles, list) or not isinstance(names, list):
        raise DatasetError(path, f"{data_id!r} lacks a list {TITLES!r} or {PATHS!r}", _MEND)
    pairs = zip(titles, names, strict=False)
    return tuple((text_of(title, TITLE_CHARS), _inside(name, path)) for title, name in pairs if name)


def _inside(name: Any, path: Path) -> str:
    """A path that does not leave the cache's folder.

    One from the root of a file system counts only if it leads there.
    """
    if not isinstance(name, str) or "\0" in name:
        raise DatasetError(path, f"{name!r} is no path", _MEND, column=PATHS)
    parts = PurePosixPath(name)
    if ".." in parts.parts or (parts.is_absolute() and not parts.is_relative_to(path.resolve().parent)):
        raise DatasetError(
            path, f"{name!r} leads out of the cache's folder", "take the path out", column=PATHS
        )
    return name
