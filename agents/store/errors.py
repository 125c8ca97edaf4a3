"""What is said of a run that cannot be read or written."""

from __future__ import annotations

import warnings
from pathlib import Path


class StoreError(ValueError):
    """Stored trajectories that cannot be read, or a run that cannot be written; the message says where."""


class OtherSchemaError(StoreError):
    """Trajectories that a version with another schema has written."""


class TornRecordWarning(UserWarning):
    """The end of a run was cut off while it was written; all records before it were read."""


def warn_torn(path: Path) -> None:
    """Say that the last record of `path` is not whole."""
    warnings.warn(
        f"the last record of {path} was cut off while it was written and is left out",
        TornRecordWarning,
        stacklevel=3,
    )
