"""Reads a run: in order, or record by record, also while it is being written. Readers need no lock."""

from __future__ import annotations

import os
import threading
from array import array
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from agents.store.errors import StoreError, warn_torn
from agents.store.images import ImageReader, unread
from agents.store.layout import IMAGES, RECORDS
from agents.store.record import ReadImage, summary_from_line, trajectory_from_line
from agents.store.summary import Summary
from agents.trajectory import SeedLineage, Trajectory
from deepeyes_env.outcome import Outcome

_CHUNK = 1 << 20
"""Bytes that are searched for line breaks at once."""


def read_trajectories(directory: Path | str) -> Iterator[Trajectory]:
    """Read a run in the order in which it was written; the run may still be growing.

    A torn last line is skipped with a `TornRecordWarning`.

    Args:
        directory: The run's directory.

    Yields:
        The trajectories; equal images are one object while they are close together.

    Raises:
        StoreError: There is no run, a line in the middle is damaged, an image is missing or is not what its
            name says, or the run was written by a version with another schema.
    """
    path = _records(directory)
    images = ImageReader(path.parent / IMAGES)
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                warn_torn(path)
                return
            yield trajectory_from_line(line, f"{path}:{number}", images)


def finished(directory: Path | str) -> dict[SeedLineage, frozenset[str]]:
    """Which draws a run holds, so that rolling out can go on where it was interrupted.

        done = finished(out)
        requests = [request for request in requests if request.lineage not in done]

    Episodes whose infrastructure failed do not count: they are to be drawn again. Nor does a torn last
    record.

    Args:
        directory: The run's directory, which may not exist yet. Open a `TrajectoryWriter` on it first: that
            removes what a power failure has damaged.

    Returns:
        Lineage -> ids of the tasks that were drawn with it; one, unless several sources share the run.

    Raises:
        StoreError: A record is damaged or has another schema.
    """
    done: defaultdict[SeedLineage, set[str]] = defaultdict(set)
    if (Path(directory) / RECORDS).is_file():
        with TrajectoryReader(directory) as reader:
            for summary in reader.summaries():
                if summary.outcome is not Outcome.INFRA_FAILED:
                    done[summary.lineage].add(summary.task_id)
    return {lineage: frozenset(tasks) for lineage, tasks in done.items()}


class TrajectoryReader:
    """A run as a sequence: `reader[k]` reads record `k` and no other. Safe to use from many threads.

    It knows the records that were whole when it was opened or last refreshed; those never change.

    Args:
        directory: The run's directory; it may still be growing.
        pictures: Whether to read the images' bytes; without them they are empty and never looked for.

    Raises:
        StoreError: There is no run.
    """

    def __init__(self, directory: Path | str, *, pictures: bool = True) -> None:
        self.path = _records(directory)
        self._images: ReadImage = ImageReader(self.path.parent / IMAGES) if pictures else unread
        self._file = os.open(self.path, os.O_RDONLY)
        self._bounds = array("q", [0])
        self._lock = threading.Lock()
        self.refresh()

    def refresh(self) -> int:
        """Look for records that were written since.

        Returns:
            How many records there are now.

        Raises:
            StoreError: The run has become shorter: somebody has written it anew.
        """
        with self._lock:
            position = self._bounds[-1]
            if os.fstat(self._file).st_size < position:
                raise StoreError(f"{self.path} has become shorter while it was read; open it again")
            while chunk := os.pread(self._file, _CHUNK, position):
                end = chunk.find(b"\n")
                while end >= 0:
                    self._bounds.append(position + end + 1)
                    end = chunk.find(b"\n", end + 1)
                position += len(chunk)
            return len(self)

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def __getitem__(self, number: int) -> Trajectory:
        """Read one trajectory; negative numbers count from the end.

        Raises:
            IndexError: There is no such record.
            StoreError: It is damaged, of another schema, or an image is missing or damaged.
        """
        number = self._checked(number)
        return trajectory_from_line(self._line(number), self._where(number), self._images)

    def __iter__(self) -> Iterator[Trajectory]:
        for number in range(len(self)):
            yield self[number]

    def summary(self, number: int) -> Summary:
        """What can be said of a record without its arrays and images; see `__getitem__` for the errors."""
        number = self._checked(number)
        return summary_from_line(self._line(number), self._where(number))

    def summaries(self, start: int = 0) -> Iterator[Summary]:
        """The summaries of all records from `start` on."""
        for number in range(start, len(self)):
            yield self.summary(number)

    def span(self, first: int, stop: int) -> tuple[int, int]:
        """Where the records `first` to `stop - 1` stand in the journal: begin and end in bytes."""
        return self._bounds[first], self._bounds[stop]

    def close(self) -> None:
        """Close the journal. Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> TrajectoryReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _checked(self, number: int) -> int:
        if not -len(self) <= number < len(self):
            raise IndexError(f"{self.path} has {len(self)} records, no record {number}")
        return number % len(self)

    def _line(self, number: int) -> bytes:
        begin, end = self._bounds[number], self._bounds[number + 1]
        return os.pread(self._file, end - begin, begin)

    def _where(self, number: int) -> str:
        return f"{self.path}:{number + 1}"


def _records(directory: Path | str) -> Path:
    path = Path(directory) / RECORDS
    if not path.is_file():
        raise StoreError(f"{directory} holds no trajectories: {RECORDS} is missing")
    return path
