"""A run's records by number, while it grows; pictures are left on the disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from agents.store import IMAGES, RECORDS, StoreError, TrajectoryReader
from agents.trajectory import Trajectory
from agents.viewer.rows import Row, row


class GrowingRun:
    """The records of a run that were whole when it last looked for new ones. Safe to use from many threads.

    Unlike a `TrajectoryReader` it may be opened before the run's first record is written, and goes on when
    the run is written anew.

    Args:
        directory: The run's directory.

    Raises:
        StoreError: There is no such directory.
    """

    def __init__(self, directory: Path) -> None:
        if not directory.is_dir():
            raise StoreError(f"there is no run {directory}: no such directory")
        self.images = directory / IMAGES
        self._records = directory / RECORDS
        self._lock = threading.Lock()
        self._reader: TrajectoryReader | None = None
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
            self._refresh()
            return self._count

    def trajectory(self, number: int) -> Trajectory:
        """One trajectory; its images are there without their bytes. A record not seen yet is looked for.

        Raises:
            IndexError: There is no such record.
            StoreError: It is damaged or of another schema.
        """
        with self._lock:
            if number >= self._count:
                self._refresh()
            return self._read(number)

    def __iter__(self) -> Iterator[Trajectory]:
        number = 0
        while number < self._count:
            yield self.trajectory(number)
            number += 1

    @property
    def _count(self) -> int:
        return 0 if self._reader is None else len(self._reader)

    def _refresh(self) -> None:
        if not self._records.is_file():
            return
        if self._reader is None or self._written_anew(self._reader):
            self._open()
        else:
            self._reader.refresh()

    def _read(self, number: int) -> Trajectory:
        if self._reader is None or not 0 <= number < len(self._reader):
            raise IndexError(f"{self._records} has {self._count} records, no record {number}")
        return self._reader[number]

    def _open(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._file = self._records.stat().st_ino
        self._reader = TrajectoryReader(self._records.parent, pictures=False)
        self._rows = []

    def _written_anew(self, reader: TrajectoryReader) -> bool:
        now, (_, end) = self._records.stat(), reader.span(0, len(reader))
        return now.st_ino != self._file or now.st_size < end
