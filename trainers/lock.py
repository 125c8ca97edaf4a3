"""A directory that one process has for itself until it ends, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "lock"
"""File in the directory; what counts is who has locked it, not that it is there."""

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
"""What a file system says that knows no locks, as some that nodes share. Then nobody is kept out."""


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Have a directory for oneself; it is made if it is missing.

    Raises:
        BlockingIOError: Another process has it, or this one already.
        OSError: It cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    file = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(file)
        yield
    finally:
        os.close(file)


def _lock(file: int) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
