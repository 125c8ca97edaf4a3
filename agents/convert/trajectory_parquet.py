"""This project's own parquet: every field of every trajectory, for `datasets` and for keeping."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from agents.convert.importer import Origin, Record
from agents.convert.parquet_rows import parquet_files
from agents.store.parquet import from_row, read_rows, to_row, trajectory_schema
from agents.store.parquet_files import write_files
from agents.trajectory import SeedLineage, Trajectory

NAME = "parquet"


def write(trajectories: Iterable[Trajectory], directory: Path) -> None:
    """Write `trajectories-00000.parquet`, ..."""
    write_files(directory, "trajectories", trajectory_schema(), map(to_row, trajectories))


def read(path: Path, image_root: Path) -> Iterator[Record]:
    """The rows of a parquet file, or of all in a folder, as they were written.

    Args:
        path: The file or folder.
        image_root: Ignored: the images are inside.

    Raises:
        StoreError: A file holds no trajectories, or those of another schema.
    """
    del image_root
    for file in parquet_files(path):
        for number, row in enumerate(read_rows(file)):
            yield _record(Origin(NAME, file, number), row)


def _record(origin: Origin, row: Mapping[str, Any]) -> Record:
    lineage = SeedLineage(**row["lineage"])
    return Record(origin, row["task_id"], lineage, lambda: from_row(row))
