"""An index directory: pages on disk, opened in milliseconds by any number of processes.

    text/       segments of a tantivy index, each made of a run of documents and named after their contents;
                `meta.json` lists those that make up the corpus, in its order, and is replaced as one
    pictures/   pictures, named after their sources' contents

A process maps the files and keeps no page in memory. What it has opened stays as it is while a newer version
is being written.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import uuid
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

import tantivy

from deepeyes_env.images import EncodedImage, ImageError
from deepeyes_env.search.local.page import Page
from deepeyes_env.search.local.text import TextIndex
from deepeyes_env.tasks.dataset_error import DatasetError

FORMAT = 1
"""Version of the directory's layout, of the fields and of how text is cut into words."""

REBUILD = "delete the directory and index again: deepeyes search index SOURCE --output DIRECTORY"

_SEGMENT_FILES = ("fast", "fieldnorm", "idx", "pos", "store", "term")
"""What the engine writes for a segment."""

_MALFORMED = (ValueError, KeyError, TypeError)
"""What reading JSON that is not what it should be ends in."""

_OPENING_TRIES = 5
"""How often opening begins anew when the index is replaced meanwhile."""

_JSON = json.JSONDecoder()


class DamagedIndexError(DatasetError):
    """Segments of an index are missing, or do not hold what they should."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of documents in one segment of the index.

    Attributes:
        digest: Hash of the documents, 32 hexadecimal digits; the name of the files.
        documents: How many there are.
        pictures: Number of the document in the segment, and name of the picture, of each that has one.
    """

    digest: str
    documents: int
    pictures: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """What an index directory holds.

    Attributes:
        segments: In the corpus's order.
        complete: Whether it is the whole corpus, and not what an interrupted run left.
    """

    segments: tuple[Segment, ...] = ()
    complete: bool = True

    @property
    def digest(self) -> str:
        """Hash of the whole corpus, 16 hexadecimal digits."""
        names = "".join(segment.digest for segment in self.segments)
        return hashlib.sha256(names.encode()).hexdigest()[:16]

    @property
    def documents(self) -> int:
        """Number of all documents."""
        return sum(segment.documents for segment in self.segments)

    @property
    def pictures(self) -> int:
        """Number of documents with a picture."""
        return sum(len(segment.pictures) for segment in self.segments)


def text_directory(directory: Path) -> Path:
    """Where the segments are."""
    return directory / "text"


def picture_file(directory: Path, name: str) -> Path:
    """Where a picture is; spread over directories, because some file systems are slow with full ones."""
    return directory / "pictures" / name[:2] / name


def segment_file(directory: Path, digest: str) -> Path:
    """What is said about a segment; written when all its other files are there."""
    return text_directory(directory) / f"{digest}.segment.json"


def read_contents(directory: Path) -> Contents:
    """Read what an index directory holds.

    Raises:
        DamagedIndexError: Segments are missing or damaged.
        DatasetError: It is none, or of another version.
    """
    return _contents(directory, _read_meta(directory))


def read_segment(directory: Path, digest: str) -> Segment | None:
    """A segment that is there; None if it is not, or only in part."""
    if not all((text_directory(directory) / f"{digest}.{kind}").exists() for kind in _SEGMENT_FILES):
        return None
    try:
        said = json.loads(segment_file(directory, digest).read_text(encoding="utf-8"))
        return Segment(digest, said["documents"], tuple((doc, name) for doc, name in said["pictures"]))
    except (FileNotFoundError, *_MALFORMED):
        return None


def read_stored(stored: bytes) -> tuple[list[Any], str]:
    """What is stored of a document: id, title, url, date, name of its picture, all as JSON; and its body."""
    text = stored.decode()
    about, end = _JSON.raw_decode(text)
    if text[end : end + 1] != "\n":
        raise ValueError(f"{text[: end + 1]!r} is not how a document is stored: the index is damaged")
    return about, text[end + 1 :]


def new_meta(meta: dict[str, Any], contents: Contents) -> str:
    """The engine's own list of segments, with our word on the version as its payload.

    Args:
        meta: The list of any index with the same fields.
        contents: What the new list is to hold.
    """
    segments = [
        {"segment_id": str(uuid.UUID(segment.digest)), "max_doc": segment.documents, "deletes": None}
        for segment in contents.segments
    ]
    payload = json.dumps({"deepeyes": FORMAT, "complete": contents.complete})
    return json.dumps(meta | {"segments": segments, "opstamp": contents.documents, "payload": payload})


class StoredPages(Sequence[Page]):
    """The pages of an index directory, read when they are asked for. Safe to use from many threads."""

    def __init__(self, directory: Path, title_boost: float = 1.0) -> None:
        """Open a directory.

        Args:
            directory: Made by `deepeyes search index`.
            title_boost: See `TextIndex`.

        Raises:
            DatasetError: It is no index directory, or of another version, or damaged.
        """
        self._directory, self._title_boost = directory, title_boost
        self.contents, self._index = _open(directory)
        self._searcher = self._index.searcher()
        self._offsets = list(accumulate((s.documents for s in self.contents.segments), initial=0))

    def text_index(self) -> TextIndex:
        """The index of the pages' words."""
        segments = [segment.documents for segment in self.contents.segments]
        return TextIndex(self, self._index, segments, self._title_boost)

    def places_with_pictures(self) -> list[int]:
        """Places of the pages that have pictures, without a look at the pages."""
        return [
            offset + doc
            for offset, segment in zip(self._offsets, self.contents.segments, strict=False)
            for doc, _ in segment.pictures
        ]

    def __len__(self) -> int:
        return self._offsets[-1]

    @overload
    def __getitem__(self, place: int) -> Page: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Page]: ...
    def __getitem__(self, place: int | slice) -> Page | Sequence[Page]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(f"place {place} is outside the {len(self)} pages of {str(self._directory)!r}")
        segment = bisect_right(self._offsets, place) - 1
        address = tantivy.DocAddress(segment, place - self._offsets[segment])
        stored: bytes = self._searcher.doc(address)["stored"][0]
        (name, title, url, date, picture), body = read_stored(stored)
        load = None if picture is None else partial(_load_picture, picture_file(self._directory, picture))
        return Page(title, url, body, date, load, name)


def _open(directory: Path) -> tuple[Contents, tantivy.Index]:
    """Open what is listed now; again, if it is removed meanwhile because newer versions have come."""
    for _ in range(_OPENING_TRIES):
        meta = _read_meta(directory)
        try:
            contents = _contents(directory, meta)
            return contents, _open_segments(directory, meta, contents)
        except (DatasetError, ValueError, OSError) as error:
            if _read_meta(directory) == meta:
                raise _damaged(directory, error) from error
    raise DatasetError(directory, "the index is being replaced all the time", "try again later")


def _open_segments(directory: Path, meta: dict[str, Any], contents: Contents) -> tantivy.Index:
    """Map the files.

    The engine writes a lock file where it opens an index, so it gets a directory of its own with links: the
    index may be on a disk that can only be read. When all is mapped, nothing needs the links. They lead over
    one to the directory, because a file system keeps short links in the entry itself and removes them much
    faster.
    """
    links = tempfile.mkdtemp(prefix="deepeyes-index-")
    try:
        Path(links, "meta.json").write_text(json.dumps(meta), encoding="utf-8")
        Path(links, "text").symlink_to(text_directory(directory).resolve())
        for segment in contents.segments:
            for kind in _SEGMENT_FILES:
                Path(links, f"{segment.digest}.{kind}").symlink_to(f"text/{segment.digest}.{kind}")
        index = tantivy.Index.open(links)
        index.config_reader("manual")
        index.reload()
        return index
    finally:
        # Twice: a thread of the engine's may make its lock file while the directory is being emptied.
        shutil.rmtree(links, ignore_errors=True)
        shutil.rmtree(links, ignore_errors=True)


def _read_meta(directory: Path) -> dict[str, Any]:
    try:
        text = (text_directory(directory) / "meta.json").read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise DatasetError(
            directory,
            "is not an index of deepeyes",
            "give the directory that was named at: deepeyes search index SOURCE --output DIRECTORY",
        ) from None
    try:
        meta: dict[str, Any] = json.loads(text)
        version = json.loads(meta["payload"])["deepeyes"]
    except _MALFORMED as error:  # it may be another program's, so nobody writes over it
        raise DatasetError(directory, _unopenable(error), REBUILD) from error
    if version != FORMAT:
        raise DatasetError(
            directory, f"is an index of version {version}, and this program reads version {FORMAT}", REBUILD
        )
    return meta


def _contents(directory: Path, meta: dict[str, Any]) -> Contents:
    try:
        segments = tuple(_listed(directory, uuid.UUID(one["segment_id"]).hex) for one in meta["segments"])
        return Contents(segments, json.loads(meta["payload"])["complete"])
    except _MALFORMED as error:
        raise _damaged(directory, error) from error


def _listed(directory: Path, digest: str) -> Segment:
    segment = read_segment(directory, digest)
    if segment is None:
        raise ValueError(f"segment {digest} is not there as a whole")
    return segment


def _damaged(directory: Path, error: Exception) -> DatasetError:
    if isinstance(error, DatasetError):
        return error
    return DamagedIndexError(directory, _unopenable(error), REBUILD)


def _unopenable(error: Exception) -> str:
    return f"is an index that cannot be opened ({error})"


def _load_picture(file: Path) -> EncodedImage:
    try:
        return EncodedImage.from_bytes(file.read_bytes())
    except FileNotFoundError as error:
        mend = "open it again; if that does not help, index again"
        raise DatasetError(file, "the index was updated since it was opened", mend) from error
    except (OSError, ImageError) as error:
        raise DatasetError(file, f"a picture of the index cannot be read ({error})", REBUILD) from error
