"""Where the parts of a run lie inside its directory."""

from __future__ import annotations

import os
from pathlib import Path

RECORDS = "trajectories.jsonl"
"""The journal."""

IMAGES = "images"
"""The images, each under the SHA-256 of its bytes."""

SYNCED = "synced"
"""How many bytes of the journal, images included, have been forced to the disk."""

PARQUET = "parquet"
"""What `seal` writes."""

CARD = "README.md"
"""The data set card, under the name that Hugging Face reads."""


def remove_unfinished(directory: Path) -> None:
    """Remove what a killed process had not finished: files get their names only when they are whole."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                os.unlink(entry)
