"""What sessions hold: memory, descriptors, processes and mounts, as psutil and /proc tell it."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import psutil

from benchmarks.speed.contender import Contender

SETTLE_SECONDS = 10.0
"""For the kernel to end killed processes."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What this process and all below it hold.

    Attributes:
        descriptors: Open files of this process and of those below it that it may look into.
        processes: Processes below this one, with those that ended and were not reaped.
        mounts: Mounts that these processes see, each namespace counted once.
        namespaces: Different namespaces that these processes are in.
        directories: Entries of the directory for temporary files.
    """

    descriptors: int
    processes: int
    mounts: int
    namespaces: int
    directories: int


def footprint() -> Footprint:
    """Count now."""
    processes = [psutil.Process(), *descendants()]
    descriptors = 0
    mounts: dict[str, int] = {}
    namespaces: set[str] = set()
    for process in processes:
        # Root may look into every process, an ordinary user only into those that ran no guest code.
        with contextlib.suppress(OSError, psutil.Error):
            descriptors += process.num_fds()
            proc = f"/proc/{process.pid}"
            links = [os.readlink(entry.path) for entry in os.scandir(f"{proc}/ns")]
            namespaces.update(links)
            own = os.readlink(f"{proc}/ns/mnt")
            if own not in mounts:
                mounts[own] = len(Path(f"{proc}/mountinfo").read_text().splitlines())
    temporary = len(os.listdir(tempfile.gettempdir()))
    return Footprint(descriptors, len(processes) - 1, sum(mounts.values()), len(namespaces), temporary)


def left_behind(work: Callable[[], object], settle_seconds: float = SETTLE_SECONDS) -> dict[str, int]:
    """What is there after some work that was not before; waits a while for it to go away.

    Args:
        work: Opens, uses and closes sessions.
        settle_seconds: How long to wait.

    Returns:
        By field of `Footprint`; negative where something has gone.
    """
    before = astuple(footprint())
    work()
    deadline = time.monotonic() + settle_seconds
    while True:
        change = [now - then for now, then in zip(astuple(footprint()), before, strict=True)]
        if max(change) <= 0 or time.monotonic() > deadline:
            return dict(zip((field.name for field in fields(Footprint)), change, strict=True))
        time.sleep(0.01)


def private_memory(contender: Contender, count: int, first_cell: str) -> float:
    """Open sessions, run a cell in each, and look at the processes that have come.

    Returns:
        Memory of a session that no other process shares (USS), in bytes.

    Raises:
        psutil.AccessDenied: Only root may look into these processes.
    """
    before = {process.pid for process in descendants()}
    sessions = [contender.open() for _ in range(count)]
    try:
        for session in sessions:
            session.run(first_cell)
        new = [process for process in descendants() if process.pid not in before]
        return sum(process.memory_full_info().uss for process in new) / count
    finally:
        for session in sessions:
            session.close()


def descendants() -> Sequence[psutil.Process]:
    """The processes below this one."""
    return psutil.Process().children(recursive=True)
