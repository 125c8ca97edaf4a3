"""Parquet of others, row by row in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agents.store.parquet_files import import_pyarrow
from deepeyes_env.tasks.dataset_error import DatasetError


def parquet_files(path: Path) -> list[Path]:
    """The file itself, or all parquet files in a folder by name.

    Raises:
        DatasetError: There are none.
    """
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise DatasetError(path, "holds no .parquet file", "give a parquet file or a folder of them")
    return files


def rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a file with their numbers, as plain Python values.

    Args:
        path: The file.
        columns: Those that are read.

    Raises:
        DatasetError: It is no parquet file, or lacks a column.
    """
    pa = import_pyarrow()
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise DatasetError(path, f"cannot be read as parquet ({error})", "give a parquet file") from error
    with file:
        found = file.schema_arrow.names
        for column in columns:
            if column not in found:
                raise DatasetError(
                    path,
                    f"the column is missing (found {', '.join(found)})",
                    f"the format has {', '.join(columns)}",
                    column=column,
                )
        for number, batch in enumerate(file.iter_batches(batch_size=1, columns=list(columns))):
            yield number, batch.to_pylist()[0]
