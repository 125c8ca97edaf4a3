"""Recorded answers by key, with thumbnails by hash, in one SQLite file."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

from deepeyes_env.images import EncodedImage, ImageError
from deepeyes_env.search.base import SearchErrorKind, SearchResponse
from deepeyes_env.search.recording.codec import decode, encode
from deepeyes_env.search.recording.database import Database

# No `json_extract`: a score may be infinite, which older SQLite takes for damage. Quotes inside of strings
# are escaped, so that no title can hold this.
_FORGET_REFUSAL = "DELETE FROM answers WHERE key = ? AND " + " + ".join(
    f"""instr(response, '"error":"{kind}"')"""
    for kind in (SearchErrorKind.UNSUPPORTED, SearchErrorKind.BAD_REQUEST)
)
"""Who asks again although a refusal is recorded knows that its reason is gone."""


class RecordingStore:
    """A recording. Safe for many threads and processes; a killed one leaves all finished answers behind."""

    def __init__(self, path: str | Path, *, writable: bool = True) -> None:
        """Open a recording; with `writable` it is begun where there is none.

        Raises:
            DatasetError: The file is missing, damaged or something else.
        """
        self.database = Database(path, writable=writable)

    def get(self, key: str) -> SearchResponse | None:
        """The answer of a key exactly as it was put, or None.

        Raises:
            DatasetError: The file is damaged.
        """
        with self.database.transaction(write=False) as connection:
            row = connection.execute("SELECT response FROM answers WHERE key = ?", (key,)).fetchone()
            return row and self._decoded(row[0], lambda name: self._thumbnail(connection, name))

    def put(self, key: str, request: str, response: SearchResponse, *, replace: bool) -> SearchResponse:
        """Record an answer, its thumbnails in the same transaction.

        Args:
            key: The request's key.
            request: The canonical request, for people who look into the file.
            response: The answer.
            replace: Whether it takes the place of an earlier one; it always takes that of a refusal.

        Returns:
            What the recording now holds: the earlier answer if there is one and it stays.

        Raises:
            DatasetError: The file is damaged or cannot be written.
        """
        text, pictures = encode(response)
        verb = "INSERT OR REPLACE" if replace else "INSERT OR IGNORE"
        with self.database.transaction() as connection:
            connection.execute(_FORGET_REFUSAL, (key,))
            inserted = connection.execute(f"{verb} INTO answers VALUES (?, ?, ?)", (key, request, text))
            if inserted.rowcount:
                connection.executemany("INSERT OR IGNORE INTO thumbnails VALUES (?, ?)", pictures.items())
                return response
        earlier = self.get(key)
        assert earlier is not None
        return earlier

    def corpora(self, kind: str, version: str) -> list[str]:
        """The corpora of which answers are held, as an engine's origin names them: `kind/corpus`.

        Args:
            kind: Tag of an engine.
            version: The origin's version.

        Raises:
            DatasetError: The file is damaged.
        """
        with self.database.transaction(write=False) as connection:
            rows = connection.execute(
                "SELECT DISTINCT json_extract(request, '$.backend') FROM answers "
                "WHERE json_extract(request, '$.version') = ? ORDER BY 1",
                (version,),
            ).fetchall()
        return [name.removeprefix(f"{kind}/") for (name,) in rows if name.startswith(f"{kind}/")]

    def __len__(self) -> int:
        """Number of answers."""
        with self.database.transaction(write=False) as connection:
            count: int = connection.execute("SELECT count(*) FROM answers").fetchone()[0]
            return count

    def _decoded(self, text: str, thumbnail: Callable[[str], EncodedImage]) -> SearchResponse:
        try:
            return decode(text, thumbnail)
        except ValueError as error:
            raise self.database.damaged(str(error)) from error

    def _thumbnail(self, connection: sqlite3.Connection, name: str) -> EncodedImage:
        row = connection.execute("SELECT data FROM thumbnails WHERE sha256 = ?", (name,)).fetchone()
        if row is None or hashlib.sha256(row[0]).hexdigest() != name:
            raise self.database.damaged(f"the thumbnail {name} is missing or altered")
        try:
            return EncodedImage.from_bytes(row[0])
        except ImageError as error:
            raise self.database.damaged(f"the thumbnail {name} does not decode") from error
