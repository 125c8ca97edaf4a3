"""Files of rows, by number: parquet, VLMEvalKit's TSV, JSON and JSON Lines."""

from __future__ import annotations

import csv
import io
import json
import sys
import threading
from array import array
from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

from deepeyes_env.errors import ConfigError
from deepeyes_env.tasks.dataset_error import DatasetError

CACHED_ROW_GROUPS = 2
"""Row groups of a parquet file that are kept: reading in order touches every byte once."""

REFERENCE_LENGTH = 64
"""In VLMEvalKit's TSV files a picture of at most this many characters is the index of the row that has it
(`vlmeval/dataset/image_base.py`, `ImageBaseDataset.__init__`)."""


class Table(Protocol):
    """Rows by number."""

    def __len__(self) -> int: ...

    def row(self, number: int) -> Mapping[str, Any]:
        """Row `number`, which is in the table.

        Raises:
            DatasetError: It cannot be read.
        """
        ...


def open_table(path: Path) -> Table:
    """Open a file by its ending.

    Raises:
        ConfigError: A library is missing.
        DatasetError: It is of no known kind, or cannot be read.
    """
    match path.suffix.lower():
        case ".parquet":
            return ParquetTable(path)
        case ".tsv":
            return TsvTable(path)
        case ".jsonl":
            return JsonLinesTable(path)
        case ".json":
            return JsonTable(path)
    raise DatasetError(path, "is no file of rows", "give .parquet, .tsv, .json or .jsonl")


class Joined:
    """Several tables, one after the other."""

    def __init__(self, tables: tuple[Table, ...]) -> None:
        self._tables = tables
        self._ends = list(accumulate(map(len, tables)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def row(self, number: int) -> Mapping[str, Any]:
        """Row `number` of all of them."""
        table = bisect_right(self._ends, number)
        return self._tables[table].row(number - (self._ends[table - 1] if table else 0))


class ParquetTable:
    """A parquet file, a row group at a time. Safe to use from many threads."""

    def __init__(self, path: Path) -> None:
        """Open the file's footer."""
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise ConfigError("reading parquet needs pyarrow: pip install 'deepeyes-gym[eval]'") from error
        try:
            self._file = pq.ParquetFile(path, memory_map=True)
        except (OSError, pa.ArrowInvalid) as error:
            raise DatasetError(path, f"cannot be read as parquet ({error})", "fetch it again") from error
        groups = range(self._file.num_row_groups)
        self._path = path
        self._ends = list(accumulate(self._file.metadata.row_group(group).num_rows for group in groups))
        self._lock = threading.Lock()
        self._group = lru_cache(maxsize=CACHED_ROW_GROUPS)(self._read_group)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def row(self, number: int) -> Mapping[str, Any]:
        """Row `number` as plain Python data; pictures stay encoded."""
        group = bisect_right(self._ends, number)
        with self._lock:
            table = self._group(group)
        row: dict[str, Any] = table.slice(number - (self._ends[group - 1] if group else 0), 1).to_pylist()[0]
        return row

    def _read_group(self, group: int) -> Any:
        try:
            return self._file.read_row_group(group)
        except OSError as error:
            raise DatasetError(
                self._path, f"row group {group} cannot be read ({error})", "fetch it again"
            ) from error


def _piece(path: Path, start: int, end: int) -> bytes:
    with path.open("rb") as file:
        file.seek(start)
        return file.read(end - start)


class TsvTable:
    """A tab-separated file as pandas writes it, with pictures in base64 (VLMEvalKit).

    Opening reads the file once and notes where records begin: a field may hold line breaks, in quotes.
    """

    def __init__(self, path: Path) -> None:
        """Find the records."""
        self._path = path
        self._starts = array("Q")
        position, open_quote = 0, False
        try:
            with path.open("rb") as file:
                for line in file:
                    if not open_quote and line.strip():
                        self._starts.append(position)
                    # A doubled quote inside a field changes nothing: two flips.
                    open_quote ^= line.count(b'"') % 2 == 1
                    position += len(line)
        except OSError as error:
            raise DatasetError(path, f"cannot be read ({error})", "give a TSV file") from error
        if open_quote:
            raise DatasetError(path, "a quoted field has no end", "fetch it again: it may be cut short")
        self._starts.append(position)
        if len(self._starts) < 2:
            raise DatasetError(path, "is empty", "fetch it again")
        self._names = self._fields(0)

    def __len__(self) -> int:
        return len(self._starts) - 2

    def row(self, number: int) -> Mapping[str, Any]:
        """Row `number`, all columns as text; a picture that another row has is taken from there."""
        row = self._record(number)
        picture = row.get("image", "")
        if 0 < len(picture) <= REFERENCE_LENGTH and picture in self._numbers:
            row["image"] = self._record(self._numbers[picture])["image"]
        return row

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """The column `index` -> number of the row."""
        return {self._record(number).get("index", ""): number for number in range(len(self))}

    def _record(self, number: int) -> dict[str, str]:
        fields = self._fields(number + 1)
        if len(fields) != len(self._names):
            raise DatasetError(
                self._path,
                f"{len(fields)} fields under {len(self._names)} names",
                "write it as pandas does, with fields that hold tabs or line breaks in quotes",
                row=number,
            )
        return dict(zip(self._names, fields, strict=True))

    def _fields(self, record: int) -> list[str]:
        try:
            content = _piece(self._path, *self._starts[record : record + 2]).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DatasetError(
                self._path, f"is not UTF-8 ({error})", "fetch it again", row=max(0, record - 1)
            ) from error
        csv.field_size_limit(sys.maxsize)  # pictures in base64
        return next(csv.reader(io.StringIO(content, newline=""), delimiter="\t"))


class JsonLinesTable:
    """JSON objects, one a line; blank lines are passed over."""

    def __init__(self, path: Path) -> None:
        """Find the lines."""
        self._path = path
        self._starts, self._ends = array("Q"), array("Q")
        position = 0
        try:
            with path.open("rb") as file:
                for line in file:
                    if line.strip():
                        self._starts.append(position)
                        self._ends.append(position + len(line))
                    position += len(line)
        except OSError as error:
            raise DatasetError(path, f"cannot be read ({error})", "give a JSON Lines file") from error

    def __len__(self) -> int:
        return len(self._starts)

    def row(self, number: int) -> Mapping[str, Any]:
        """The object in line `number`."""
        try:
            return _object(
                json.loads(_piece(self._path, self._starts[number], self._ends[number])), self._path, number
            )
        except (ValueError, RecursionError) as error:
            raise DatasetError(
                self._path, f"not JSON ({error})", "write one object a line", row=number
            ) from error


class JsonTable:
    """A JSON list of objects, or an object of objects by id (which becomes the column `id` where none is)."""

    def __init__(self, path: Path) -> None:
        """Read the file."""
        self._path = path
        try:
            content = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise DatasetError(path, f"cannot be read as JSON ({error})", "give a JSON list") from error
        if isinstance(content, dict):
            content = [
                {"id": key} | value if isinstance(value, dict) else value for key, value in content.items()
            ]
        if not isinstance(content, list):
            raise DatasetError(path, "holds no list of rows", "give a JSON list of objects")
        self._rows = content

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, number: int) -> Mapping[str, Any]:
        """Object `number`."""
        return _object(self._rows[number], self._path, number)


def _object(value: Any, path: Path, number: int) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise DatasetError(path, "the row is no object", "write objects by column", row=number)
    return value
