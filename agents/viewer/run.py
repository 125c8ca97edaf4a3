"""A run's records by number, while it grows; pictures are left on the disk."""

from __future__ import annotations

import threading
from array import array
from collections.abc import Iterator
from pathlib import Path

from agents.store import IMAGES, RECORDS, StoreError, _from_line
from agents.trajectory import Trajectory
from agents.viewer.rows import Row, row
from deepeyes_env.images import EncodedImage


class GrowingRun:
    """The records of a run that were whole when `refresh` was last called. Safe to use from many threads.

    Args:
        directory: The run's directory; its records may be yet to come.

    Raises:
        StoreError: There is no such directory.
    """

    def __init__(self, directory: Path) -> None:
        if not directory.is_dir():
            raise StoreError(f"there is no run {directory}: no such directory")
        self.directory = directory
        self.images = directory / IMAGES
        self._records = directory / RECORDS
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._ends = array("q", [0])
        self._rows: list[Row] = []
        self._file = -1

    @property
    def name(self) -> str:
        """Another name after the run has been written anew."""
        return str(self._file)

    def rows(self, first: int, most: int) -> list[Row]:
        """Rows `first` to `first + most - 1`, as far as they are there.

        Raises:
            StoreError: A record is damaged or of another schema.
        """
        with self._lock:
            for number in range(len(self._rows), min(first + most, self._count)):
                self._rows.append(row(number, self._read(number)))
            return self._rows[first : first + most]

    def refresh(self) -> int:
        """Look for records that were written since.

        Returns:
            How many records there are now.
        """
        with self._lock:
            if not self._records.is_file():
                return 0
            now = self._records.stat()
            if now.st_ino != self._file or now.st_size < self._ends[-1]:
                self._begin()
                self._file = now.st_ino
            with self._records.open("rb") as file:
                file.seek(self._ends[-1])
                for line in file:
                    if line.endswith(b"\n"):  # or else it is being written
                        self._ends.append(self._ends[-1] + len(line))
            return self._count

    @property
    def _count(self) -> int:
        return len(self._ends) - 1

    def trajectory(self, number: int) -> Trajectory:
        """One trajectory; its images are there without their bytes.

        Raises:
            IndexError: There is no such record.
            StoreError: It is damaged or of another schema.
        """
        with self._lock:
            if not 0 <= number < self._count:
                raise IndexError(f"{self._records} has {self._count} records, no record {number}")
            return self._read(number)

    def __iter__(self) -> Iterator[Trajectory]:
        number = 0
        while number < self._count:
            yield self.trajectory(number)
            number += 1

    def _read(self, number: int) -> Trajectory:
        with self._records.open("rb") as file:
            file.seek(self._ends[number])
            line = file.read(self._ends[number + 1] - self._ends[number])
        return _from_line(line, f"{self._records}:{number + 1}", _unread)  # type: ignore[arg-type]


def _unread(sha256: str, width: int, height: int) -> EncodedImage:
    return EncodedImage(b"", width, height, sha256)
