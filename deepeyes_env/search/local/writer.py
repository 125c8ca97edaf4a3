"""Makes and updates an index directory (`stored`): what is there already is kept, the rest is written.

The index is a function of the corpus alone: each run of documents is one segment, written by one thread,
named after what is in it. So an index that was updated many times is the same as one that was made at once,
and an interrupted run has lost only the segment that it was at.
"""

from __future__ import annotations

import fcntl
import io
import json
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from json.encoder import encode_basestring
from pathlib import Path

from PIL import Image

from deepeyes_env.images import ImageError, decode_rgb
from deepeyes_env.search.corpora.document import Document, Picture
from deepeyes_env.search.local.cuts import Cuts, Entry, cut
from deepeyes_env.search.local.draft import Draft
from deepeyes_env.search.local.stored import (
    Contents,
    DamagedIndexError,
    Segment,
    new_meta,
    picture_file,
    read_contents,
    segment_file,
    text_directory,
)
from deepeyes_env.search.local.whole_file import write_whole
from deepeyes_env.search.local.writing import writing
from deepeyes_env.tasks.dataset_error import DatasetError

PICTURE_SIDE = 640
"""Longest side of a stored picture in pixels: about 520 visual tokens of 28 x 28 pixels, so that five hits
fit an episode. A larger one is shrunk."""

PICTURE_QUALITY = 90
"""JPEG quality of a picture that was shrunk; hashes find 98 of 100 pictures of quality 40 (B.2)."""

PICTURE_FORMATS = ("JPEG", "PNG", "WEBP")
"""Formats that are kept as they are when the picture is small enough."""

FINISHERS = 2
"""Segments that are finished while the next one is filled; each takes 300 MB. Each is written by one thread
of the engine, so that it is the same every time."""

_BUILDING = "building"


@dataclass(frozen=True, slots=True)
class Update:
    """What an update did.

    Attributes:
        contents: What the index holds now.
        written: Documents in segments that were written; the others were kept.
    """

    contents: Contents
    written: int


def update_index(
    directory: Path,
    documents: Iterable[Document],
    on_document: Callable[[], None] = lambda: None,
    cuts: Cuts | None = None,
) -> Update:
    """Make `directory` an index of `documents`.

    A first index can be searched from its first segment on; an update shows itself when it is complete.

    Args:
        directory: An index or a directory that is empty or not there.
        documents: The whole corpus, in order.
        on_document: Called for each document that has been read.
        cuts: How long segments are; default: `Cuts()`.

    Raises:
        DatasetError: The corpus cannot be read, has no document or one twice, or the directory cannot be
            written, or is used for something else or by another process.
    """
    cuts = cuts or Cuts()
    with _locked(directory):
        before = _before(directory)
        segments: list[Segment] = []
        written = 0
        entries = cut(_entries(directory, documents, on_document), cuts)
        for segment, is_new in _segments(directory, entries):
            written += segment.documents if is_new else 0
            segments.append(segment)
            so_far = Contents(tuple(segments), complete=False)
            if not before.complete and so_far.documents > before.documents:
                _publish(directory, so_far)
                before = so_far
        if not segments:
            raise DatasetError(directory, "the corpus has no documents", "give a source that has some")
        after = Contents(tuple(segments))
        if after != before:
            _publish(directory, after)
        _remove_unused(directory, before, after)
        return Update(after, written)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    is_used = directory.is_file() or (
        directory.is_dir() and any(directory.iterdir()) and not text_directory(directory).is_dir()
    )
    if is_used:
        raise DatasetError(directory, "is not an index and not empty", "name another --output")
    with writing(directory):
        text_directory(directory).mkdir(parents=True, exist_ok=True)
        file = (directory / "lock").open("w")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DatasetError(
                directory, "another process is writing this index", "wait until it has ended"
            ) from None
        yield


def _before(directory: Path) -> Contents:
    if not (text_directory(directory) / "meta.json").exists():
        return Contents(complete=False)
    try:
        return read_contents(directory)
    except DamagedIndexError:
        return Contents(complete=False)  # nobody can open it; what is whole is kept, the rest written anew


def _segments(directory: Path, entries: Iterable[tuple[Entry, bool]]) -> Iterator[tuple[Segment, bool]]:
    """Segments in order, and whether they were written; the next one is filled while some are finished."""
    has_segments = any(text_directory(directory).glob(segment_file(directory, "*").name))
    finishing: deque[Future[tuple[Segment, bool]]] = deque()
    with _building(directory) as building, ThreadPoolExecutor(FINISHERS) as finishers:
        try:
            for draft in _filled(entries, lambda: Draft(directory, building, has_segments)):
                finishing.append(finishers.submit(draft.finish))
                yield from _finished(finishing, FINISHERS)
            yield from _finished(finishing, 0)
        except (Exception, KeyboardInterrupt):
            # What has been read until then is kept, up to a segment that cannot be finished: no hole is left.
            with suppress(Exception, KeyboardInterrupt):
                yield from _finished(finishing, 0)
            raise
        finally:
            finishing.clear()  # an error that led to itself would stay, and with it a writer and its memory


@contextmanager
def _building(directory: Path) -> Iterator[Path]:
    """A directory for files that are not whole; what a killed process left there goes first."""
    building = directory / _BUILDING
    shutil.rmtree(building, ignore_errors=True)
    with writing(directory):
        building.mkdir()
    try:
        yield building
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _finished(
    finishing: deque[Future[tuple[Segment, bool]]], most_left: int
) -> Iterator[tuple[Segment, bool]]:
    while len(finishing) > most_left:
        finished = finishing[0].result()
        del finishing[0]  # not before: a segment whose wait is interrupted is still the next one
        yield finished


def _filled(entries: Iterable[tuple[Entry, bool]], begin: Callable[[], Draft]) -> Iterator[Draft]:
    draft: Draft | None = None
    try:
        for entry, begins in entries:
            if draft is None or begins:
                if draft is not None:
                    yield draft
                draft = begin()
            draft.add(entry)
        if draft is not None:
            yield draft
    finally:
        draft = None  # the traceback of an error would keep its writer, with threads and memory


def _entries(
    directory: Path, documents: Iterable[Document], on_document: Callable[[], None]
) -> Iterator[Entry]:
    seen: set[int] = set()  # of hashes of 64 bits, which take less memory than names
    for document in documents:
        name = hash(document.id.encode("utf-8", "replace"))
        if name in seen:
            raise DatasetError(
                document.file,
                f"the id {document.id!r} is there already",
                "give each document an id of its own",
                row=document.row,
            )
        seen.add(name)
        picture = None if document.picture is None else _keep_picture(directory, document.picture)
        yield Entry(document, _stored(document, picture), picture)
        on_document()


def _stored(document: Document, picture: str | None) -> bytes:
    texts = (document.id, document.title, document.url, document.date, picture)
    # JSON; `json.dumps` would set up an encoder for each document, which takes three times as long.
    about = ",".join(["null" if text is None else encode_basestring(text) for text in texts])
    return f"[{about}]\n{document.body}".encode("utf-8", "replace")


def _publish(directory: Path, contents: Contents) -> None:
    said = json.loads(segment_file(directory, contents.segments[0].digest).read_text(encoding="utf-8"))
    with writing(directory):
        write_whole(text_directory(directory) / "meta.json", new_meta(said["meta"], contents).encode())


def _keep_picture(directory: Path, picture: Picture) -> str:
    try:
        data = picture.read()
    except OSError as error:
        raise DatasetError(
            picture.name, f"cannot be read ({error})", "mend the picture or leave it out of the corpus"
        ) from error
    name = sha256(data).hexdigest()
    file = picture_file(directory, name)
    if not file.exists():
        try:
            bounded = _bounded(data)
        except ImageError as error:
            raise DatasetError(
                picture.name, str(error), "mend the picture or leave it out of the corpus"
            ) from error
        with writing(directory):
            file.parent.mkdir(parents=True, exist_ok=True)
            write_whole(file, bounded)
    return name


def _bounded(data: bytes) -> bytes:
    image = decode_rgb(data)
    with Image.open(io.BytesIO(data)) as opened:
        is_kept = opened.format in PICTURE_FORMATS and max(opened.size) <= PICTURE_SIDE
    if is_kept:
        return data
    image.thumbnail((PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=PICTURE_QUALITY)
    return buffer.getvalue()


def _remove_unused(directory: Path, before: Contents, after: Contents) -> None:
    """Remove what neither this version nor the one before has: somebody may just be opening that one."""
    used = {segment.digest for contents in (before, after) for segment in contents.segments}
    for file in text_directory(directory).iterdir():
        digest, dot, _ = file.name.partition(".")
        if dot and len(digest) == 32 and digest not in used:
            file.unlink()
    pictures = {
        name for contents in (before, after) for segment in contents.segments for _, name in segment.pictures
    }
    for file in directory.glob("pictures/*/*"):
        if file.name not in pictures:
            file.unlink()
