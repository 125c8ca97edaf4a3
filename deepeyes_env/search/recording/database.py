"""One SQLite file that many threads and processes use at once, or a clear complaint about it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from deepeyes_env.tasks.dataset_error import DatasetError

APPLICATION_ID = 0x44455953
"""`DEYS` in SQLite's header: tells a recording from any other database (SQLite file format 1.3.16)."""

SCHEMA_VERSION = 1
"""Raised when the tables change."""

BUSY_SECONDS = 60.0
"""Wait for another process's transaction; they take milliseconds: only a dead disk takes this long."""

_SCHEMA = f"""
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE answers (key TEXT PRIMARY KEY, request TEXT NOT NULL, response TEXT NOT NULL);
CREATE TABLE thumbnails (sha256 TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE spent (queries INTEGER NOT NULL, dollars REAL NOT NULL);
CREATE TABLE turns (name TEXT PRIMARY KEY, free REAL NOT NULL);
INSERT INTO spent VALUES (0, 0);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

_MEND = "move it away to begin a new recording, or name another file"


class Database:
    """A recording's file. Every thread has a connection of its own, and so has every forked process."""

    def __init__(self, path: str | Path, *, writable: bool) -> None:
        """Open a file; with `writable` it is made where there is none.

        Args:
            path: The file. It must be on a disk of this machine: SQLite's log does not work over a network.
            writable: Whether anything is to be written.

        Raises:
            DatasetError: There is no such file, it is something else, or it cannot be used.
        """
        self.path = Path(path)
        self._writable = writable
        self._local = threading.local()
        with self._explained():
            if self.path.is_dir():
                raise DatasetError(self.path, "this is a folder", "name a file for the recording")
            if not self.path.exists():
                if not writable:
                    raise DatasetError(self.path, "there is no such recording", "record one first")
                _create(self.path)
            self._check()

    @contextlib.contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[sqlite3.Connection]:
        """A transaction. Those that write follow one another: keep them short. Those that read never wait.

        Raises:
            DatasetError: The file cannot be read or written, or is damaged.
        """
        with self._explained():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield connection
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    def damaged(self, problem: str) -> DatasetError:
        """The complaint about a file whose content is wrong."""
        return DatasetError(self.path, f"the recording is damaged: {problem}", _MEND)

    def _check(self) -> None:
        connection = self._connection()
        found = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if found != APPLICATION_ID:
            raise DatasetError(self.path, "this SQLite file is no recording of searches", _MEND)
        if version != SCHEMA_VERSION:
            raise DatasetError(
                self.path,
                f"the recording has format {version}, not {SCHEMA_VERSION}",
                "use the release that made it",
            )

    def _connection(self) -> sqlite3.Connection:
        owner, connection = getattr(self._local, "opened", (0, None))
        if connection is None or owner != os.getpid():
            if connection is not None:
                # SQLite forbids to use, and even to close, a parent's connection after a fork.
                _INHERITED.append(connection)
            connection = self._connect()
            self._local.opened = os.getpid(), connection
        return connection

    def _connect(self) -> sqlite3.Connection:
        mode = "rw" if self._writable else "ro"
        if not self._writable and not os.access(self.path.parent, os.W_OK):
            log = self.path.with_name(f"{self.path.name}-wal")
            if log.exists() and log.stat().st_size:
                raise DatasetError(
                    log,
                    "holds answers that cannot be read where nothing can be written",
                    "copy both elsewhere",
                )
            mode += "&immutable=1"  # else SQLite must write beside it to read it
        address = f"file:{quote(str(self.path.absolute()))}?mode={mode}"
        connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise DatasetError(self.path, f"the recording cannot be used ({error})", _MEND) from error


_INHERITED: list[sqlite3.Connection] = []
"""Connections of a parent process, kept from being closed."""


def _create(path: Path) -> None:
    """Make an empty recording; never half of one, and never over another process's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        fresh = Path(folder) / path.name
        connection = sqlite3.connect(fresh, isolation_level=None)
        try:
            connection.executescript(_SCHEMA)
        finally:
            connection.close()
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
