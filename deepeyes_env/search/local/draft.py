"""A segment in the making: what it will hold decides on its name, and whether it is there already."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

from deepeyes_env.search.local.cuts import Entry
from deepeyes_env.search.local.stored import (
    FORMAT,
    Segment,
    read_segment,
    read_stored,
    segment_file,
    text_directory,
)
from deepeyes_env.search.local.text import SegmentWriter
from deepeyes_env.search.local.whole_file import write_whole
from deepeyes_env.search.local.writing import unwritable, writing


class Draft:
    """A run of documents on its way into a segment.

    An index without segments gets documents at once, so that the engine works while the corpus is read. Into
    another one nothing is written before it is known that the segment is not there.
    """

    def __init__(self, directory: Path, building: Path, is_kept_possible: bool) -> None:
        """Begin a segment.

        Args:
            directory: The index.
            building: A directory on the same file system, for files that are not whole.
            is_kept_possible: Whether the index has segments already.

        Raises:
            DatasetError: The index cannot be written.
        """
        self._directory = directory
        self._hash = hashlib.blake2b(str(FORMAT).encode(), digest_size=16)
        self._length = 0
        self._pictures: list[tuple[int, str]] = []
        self._waiting: list[bytes] = []
        with writing(directory):
            self._place = Path(tempfile.mkdtemp(dir=building))
            self._writer = None if is_kept_possible else SegmentWriter(str(self._place))

    def add(self, entry: Entry) -> None:
        """Add the next document.

        Raises:
            DatasetError: The index cannot be written.
        """
        stored = entry.stored
        self._hash.update(len(stored).to_bytes(8))
        self._hash.update(stored)
        if entry.picture is not None:
            self._pictures.append((self._length, entry.picture))
        self._length += 1
        if self._writer is None:
            self._waiting.append(stored)
            return
        try:  # which costs nothing, unlike `writing`
            self._writer.add(entry.document.title, entry.document.body, stored)
        except ValueError as error:
            raise unwritable(self._directory, error) from error

    def finish(self) -> tuple[Segment, bool]:
        """Write what is not written.

        Returns:
            The segment, and whether it was written.

        Raises:
            DatasetError: The index cannot be written.
        """
        with writing(self._directory):
            return self._finished()

    def _finished(self) -> tuple[Segment, bool]:
        digest = self._hash.hexdigest()
        if self._writer is None:
            kept = read_segment(self._directory, digest)
            if kept is not None:
                return kept, False
            self._writer = SegmentWriter(str(self._place))
            for stored in self._waiting:
                (_, title, *_), body = read_stored(stored)
                self._writer.add(title, body, stored)
        self._writer.finish()
        return self._published(Segment(digest, self._length, tuple(self._pictures))), True

    def _published(self, segment: Segment) -> Segment:
        meta = json.loads((self._place / "meta.json").read_text(encoding="utf-8"))
        (listed,) = meta.pop("segments")
        old_name = listed["segment_id"].replace("-", "")
        for file in self._place.glob(f"{old_name}.*"):
            file.replace(text_directory(self._directory) / file.name.replace(old_name, segment.digest))
        said = {"documents": segment.documents, "pictures": segment.pictures, "meta": meta}
        write_whole(segment_file(self._directory, segment.digest), json.dumps(said).encode())
        shutil.rmtree(self._place)
        return segment
