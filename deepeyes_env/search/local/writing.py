"""What keeps an index from being written is told with its cause, whoever found it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepeyes_env.tasks.dataset_error import DatasetError


@contextmanager
def writing(directory: Path) -> Iterator[None]:
    """Name the index that what is done here cannot write.

    Args:
        directory: The index.

    Raises:
        DatasetError: It cannot be written.
    """
    try:
        yield
    except (OSError, ValueError) as error:  # the text engine tells everything as the latter
        raise unwritable(directory, error) from error


def unwritable(directory: Path, cause: Exception) -> DatasetError:
    """The error of an index that cannot be written.

    Args:
        directory: The index.
        cause: What was met.
    """
    return DatasetError(
        directory, f"cannot be written ({cause})", "make room on its disk, or name another --output"
    )
