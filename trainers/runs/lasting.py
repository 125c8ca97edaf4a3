"""A model under a name that lasts: `RUN/model`, whatever number its checkpoint has."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from trainers.runs.checkpoint import CheckpointError, appearing, latest_checkpoint, mend


def leave_model(run_dir: Path) -> Path:
    """Make `RUN/model` the model of the newest checkpoint, which it outlives.

    Args:
        run_dir: Directory of a run that is done.

    Returns:
        The model's directory.

    Raises:
        CheckpointError: There is no checkpoint, or it could not be written.
    """
    source, model = latest_checkpoint(run_dir) / "model", run_dir / "model"
    try:
        with appearing(model) as partial:
            linked(source, partial)
    except OSError as error:
        raise CheckpointError(
            f"could not make {model} from {source} ({error}). {mend(error)}, then resume."
        ) from error
    return model


def linked(source: Path, target: Path) -> None:
    """Copy a directory by hard links: its files outlive it and cost no room meanwhile."""
    shutil.copytree(source, target, copy_function=_link, dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)
