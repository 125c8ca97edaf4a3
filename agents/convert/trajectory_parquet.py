"""This project's own parquet: every field of every trajectory, for `datasets` and for keeping."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from agents.convert.importer import Origin, Record
from agents.convert.parquet_rows import parquet_files
from agents.store.parquet import from_row, read_rows, to_row, trajectory_schema
from agents.store.parquet_files import write_files
from agents.trajectory import SeedLineage, Trajectory, TrajectoryError, check_trajectory

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
    try:
        lineage = SeedLineage(**row["lineage"])
    except (KeyError, TypeError):  # reading the row says so; until then it goes by its place
        lineage = origin.lineage
    return Record(origin, row.get("task_id") or origin.task_id, lineage, lambda: _sound(origin, row))


def _sound(origin: Origin, row: Mapping[str, Any]) -> Trajectory:
    """The trajectory of a row.

    Raises:
        DatasetError: A field has a value that it cannot have, or an invariant does not hold.
    """
    try:
        trajectory = from_row(row)
        check_trajectory(trajectory)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        said = str(error) if isinstance(error, TrajectoryError) else f"{type(error).__name__}: {error}"
        raise origin.error(f"the row holds no sound trajectory ({said})", "drop the row", "") from error
    return trajectory
