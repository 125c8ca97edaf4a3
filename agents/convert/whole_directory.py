"""Output that is there when it is complete, and never otherwise."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deepeyes_env.errors import ConfigError


@contextmanager
def whole_directory(target: Path) -> Iterator[Path]:
    """A directory that appears under its name when its contents are complete, and never otherwise.

    Raises:
        ConfigError: Something has that name already, or the place cannot be written.
    """
    if target.exists():
        raise ConfigError(f"{target} is there already: remove it, or name another output")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        directory = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise ConfigError(
            f"{target} cannot be written ({error.strerror}: {target.parent}); name another output"
        ) from error
    try:
        yield directory
        directory.chmod(0o755)  # temporary directories are private
        os.rename(directory, target)
    except BaseException:
        shutil.rmtree(directory)
        raise
