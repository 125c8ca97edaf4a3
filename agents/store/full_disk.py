"""A disk without room, told as what it is."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.store.errors import StoreError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""The disk is full, the user's share of it, or the largest file that it takes."""


@contextmanager
def full_disk_told(directory: Path, then: str) -> Iterator[None]:
    """What is written in the block may find no room.

    Args:
        directory: What is written.
        then: What to do once there is room.

    Raises:
        StoreError: There was none.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise StoreError(
            f"{directory} cannot be written ({error.strerror}); make room, then {then}"
        ) from error
