"""Appends trajectories to a run so that nothing appended is lost when the process dies.

Every record is handed to the kernel whole before `append` returns: SIGKILL at any moment, or a full disk,
loses nothing that was appended before. Power is another matter: images, then the journal, are forced to the
disk (`fsync`) at `close` and by the first append `SYNC_SECONDS` after the last time. How far that has got
stands in `synced`; a new writer looks at what came after it and cuts off what the disk has lost. A mark that
does not fit the journal, because somebody took lines out of it or copied it while it grew, is set back.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import time
import warnings
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from types import TracebackType

from agents.store.errors import OtherSchemaError, StoreError, TornRecordWarning, warn_torn
from agents.store.images import ImageReader, remove_damaged, write_image
from agents.store.layout import IMAGES, RECORDS, SYNCED, remove_unfinished
from agents.store.record import image_hashes, summary_from_line, to_line, trajectory_from_line
from agents.trajectory import Trajectory, check_trajectory

SYNC_SECONDS = 30.0
"""What a power failure may cost: as long as the kernel itself lets written data wait by default
(`vm.dirty_expire_centisecs` = 3000)."""


class TrajectoryWriter:
    """Appends trajectories to a run; use it as a context manager. One process writes a run at a time.

    A torn end that an earlier writer left is removed, with a `TornRecordWarning`.

    Args:
        directory: The run's directory; made if missing.

    Raises:
        StoreError: The directory cannot be written, another process writes this run, or a version with
            another schema has written it.
    """

    def __init__(self, directory: Path | str) -> None:
        self.directory = Path(directory)
        self._path = self.directory / RECORDS
        self._file, self._mark = self._open()
        self._unsynced: set[Path] = set()
        self._synced_at = time.monotonic()
        try:
            self._lock()
            remove_unfinished(self.directory / IMAGES)
            self._remove_torn_line()
            self._remove_lost_records()
        except BaseException:
            self._release()
            raise

    def append(self, trajectory: Trajectory) -> None:
        """Write one trajectory.

        Raises:
            TrajectoryError: The trajectory breaks an invariant; nothing is written.
            OSError: The disk is full or broken; everything appended before stays readable.
        """
        check_trajectory(trajectory)
        for image in trajectory.images:
            if (new := write_image(self.directory / IMAGES, image)) is not None:
                self._unsynced.add(new)
        before = os.fstat(self._file).st_size
        try:
            _write_all(self._file, to_line(trajectory))
        except OSError:
            os.ftruncate(self._file, before)
            raise
        if time.monotonic() - self._synced_at >= SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """Force everything to the disk: the images, their names, then the records that name them."""
        for path in self._unsynced:
            _force(path)
        _force(self.directory / IMAGES)
        os.fsync(self._file)
        _force(self.directory)
        self._note_synced(os.fstat(self._file).st_size)
        self._unsynced.clear()
        self._synced_at = time.monotonic()

    def close(self) -> None:
        """Force everything to the disk and let go of the run."""
        try:
            self.sync()
        finally:
            self._release()

    def __enter__(self) -> TrajectoryWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> tuple[int, int]:
        try:
            (self.directory / IMAGES).mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                return file, os.open(self.directory / SYNCED, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError:
                os.close(file)
                raise
        except OSError as error:
            raise StoreError(
                f"{self.directory} cannot be written ({error.strerror}: {error.filename}); name a directory "
                "that is yours to write"
            ) from error

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"another writer has {self._path} open; use another run") from error

    def _release(self) -> None:
        os.close(self._file)
        os.close(self._mark)

    def _remove_torn_line(self) -> None:
        size = os.fstat(self._file).st_size
        if size == 0:
            return
        with mmap.mmap(self._file, 0, access=mmap.ACCESS_READ) as data:
            whole = data.rfind(b"\n") + 1
            first = data[: data.find(b"\n") + 1]
        if whole < size:
            warn_torn(self._path)
            os.ftruncate(self._file, whole)
        if first:
            self._check_first(first)

    def _check_first(self, line: bytes) -> None:
        """Refuse a file that is not ours, or of another schema; what a power failure took is cut later."""
        try:
            summary_from_line(line, f"{self._path}:1")
        except OtherSchemaError:
            raise
        except StoreError:
            if self._synced() >= len(line):
                raise

    def _remove_lost_records(self) -> None:
        """Cut the journal before the first record after the last sync that cannot be read.

        Only a power failure leaves one. Records that were synced are never cut, whatever is missing. The
        others may be those of a writer that was killed: their images are forced to the disk by the next sync.
        """
        whole = self._synced()
        images = ImageReader(self.directory / IMAGES)
        with self._path.open("rb") as file:
            file.seek(whole)
            for line in file:
                try:
                    found = trajectory_from_line(line, f"{self._path}, byte {whole}", images)
                except OtherSchemaError:
                    raise
                except StoreError as error:
                    _warn_lost(error)
                    self._remove_lost_images(chain([line], file))
                    os.ftruncate(self._file, whole)
                    return
                self._unsynced.update(self.directory / IMAGES / image.sha256 for image in found.images)
                whole += len(line)

    def _remove_lost_images(self, lines: Iterable[bytes]) -> None:
        """Images that only have the right size would never be written again."""
        for line in lines:
            remove_damaged(self.directory / IMAGES, image_hashes(line))

    def _synced(self) -> int:
        """How much of the journal is safe, in whole lines; all of it in a run that came without the mark."""
        size = os.fstat(self._file).st_size
        noted = os.pread(self._mark, 64, 0)
        # A mark of no number, such as zeros that a disk gave back, says that nothing is safe.
        mark = size if not noted else int(noted) if noted.strip().isdigit() else 0
        safe = self._last_break(min(mark, size))
        if not noted or safe != mark:
            self._note_synced(safe)
        return safe

    def _last_break(self, position: int) -> int:
        """Where the last line ends that ends at `position` or before."""
        if position <= 0:
            return 0
        with mmap.mmap(self._file, 0, access=mmap.ACCESS_READ) as data:
            return data.rfind(b"\n", 0, position) + 1

    def _note_synced(self, size: int) -> None:
        # In place and always equally long: a full disk has room for it.
        os.pwrite(self._mark, b"%020d\n" % size, 0)
        os.fsync(self._mark)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _force(path: Path) -> None:
    """Fsync a file or a directory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _warn_lost(error: StoreError) -> None:
    warnings.warn(
        f"{error}; the disk did not have it yet when the machine stopped: it and what follows is left out",
        TornRecordWarning,
        stacklevel=4,
    )
