"""Writes parquet whose image columns `datasets` decodes, in bounded memory, each file whole or not at all.

Images lie inside, as `{bytes, path}`, which is how `datasets.Image` stores them; the columns that hold them
are named in the file's metadata. Equal images in one row group are stored once, by dictionary encoding.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepeyes_env.errors import ConfigError
from deepeyes_env.images import EncodedImage

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP_BYTES = 100_000_000
"""Data after which a row group ends: what has to be in memory at once (`datasets.config.MAX_ROW_GROUP_SIZE`,
100 MB)."""

FILE_BYTES = 500_000_000
"""Data after which a file ends (`datasets.config.MAX_SHARD_SIZE`, 500 MB)."""

_OTHER_BYTES = 64
"""Bytes that a value is reckoned at, besides its text or image."""

Row = Mapping[str, Any]


def image_column() -> pa.DataType:
    """The type of a column that holds a list of images."""
    pa = import_pyarrow()
    return pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


def image_value(image: EncodedImage) -> dict[str, Any]:
    """An image as an element of such a column; its path is its hash."""
    return {"bytes": image.data, "path": image.sha256}


def with_metadata(schema: pa.Schema, image_columns: Sequence[str], **metadata: str) -> pa.Schema:
    """Name the columns that hold lists of images, so that `datasets` decodes them, and add metadata."""
    # In this form both the third and the later versions of the library read it.
    features = {column: [{"_type": "Image"}] for column in image_columns}
    return schema.with_metadata({**metadata, "huggingface": json.dumps({"info": {"features": features}})})


def write_file(path: Path, schema: pa.Schema, rows: Iterable[Row]) -> int:
    """Write one file; it appears under its name when it is complete and on the disk.

    Args:
        path: Where to; an existing file is replaced.
        schema: Types of the columns.
        rows: The rows; one row group of them is in memory at a time.

    Returns:
        How many rows there were.

    Raises:
        OSError: The disk is full or broken; nothing is left behind.
    """
    import_pyarrow()
    import pyarrow.parquet as pq

    handle, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            # A dictionary page holds all the different images of a row group.
            options = {"compression": "zstd", "dictionary_pagesize_limit": ROW_GROUP_BYTES}
            with pq.ParquetWriter(file, schema, **options) as writer:
                count = sum(_write_group(writer, schema, group) for group in _groups(rows))
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)  # temporary files are private
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    return count


def write_files(directory: Path, stem: str, schema: pa.Schema, rows: Iterable[Row]) -> None:
    """Write `stem-00000.parquet`, `stem-00001.parquet`, ...; at least one file, if only with the schema."""
    remaining, number = iter(rows), 0
    first = next(remaining, None)
    while number == 0 or first is not None:
        write_file(directory / f"{stem}-{number:05}.parquet", schema, _up_to(FILE_BYTES, first, remaining))
        first, number = next(remaining, None), number + 1


def import_pyarrow() -> Any:
    """The library, or the command that installs it.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise ConfigError("parquet needs pyarrow: pip install 'deepeyes-gym[data]'") from error
    return pyarrow


def text(value: str) -> str:
    """Half a surrogate pair is no character that parquet can hold: it becomes a question mark."""
    return value.encode("utf-8", "replace").decode("utf-8")


def _up_to(limit: int, first: Row | None, remaining: Iterator[Row]) -> Iterator[Row]:
    row, size = first, 0
    while row is not None:
        yield row
        size += _size(row)
        row = next(remaining, None) if size < limit else None


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    size = 0
    for row in rows:
        group.append(row)
        size += _size(row)
        if size >= ROW_GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _write_group(writer: Any, schema: pa.Schema, group: list[Row]) -> int:
    import pyarrow as pa

    writer.write_table(pa.Table.from_pylist(group, schema=schema), row_group_size=len(group))
    return len(group)


def _size(value: Any) -> int:
    """About how many bytes a value takes."""
    match value:
        case bytes() | str():
            return len(value)
        case Mapping():
            return sum(map(_size, value.values()))
        case list() | tuple() if value and isinstance(value[0], Mapping):
            return sum(map(_size, value))
        case list() | tuple():
            return 8 * len(value)
        case _:
            return getattr(value, "nbytes", _OTHER_BYTES)
