"""JSON lists and JSON Lines, written in bounded memory; what is no character becomes a question mark."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from deepeyes_env.tasks.dataset_error import DatasetError


def write_list(path: Path, records: Iterable[Any]) -> None:
    """Write a JSON list, one record a line."""
    with path.open("wb") as file:
        separator = b"[\n"
        for record in records:
            file.write(separator + _dump(record))
            separator = b",\n"
        file.write(b"[]\n" if separator == b"[\n" else b"\n]\n")


def write_lines(path: Path, records: Iterable[Any]) -> None:
    """Write JSON Lines."""
    with path.open("wb") as file:
        file.writelines(_dump(record) + b"\n" for record in records)


def read_list(path: Path) -> list[Any]:
    """Read a JSON list.

    Raises:
        DatasetError: It is none.
    """
    records = read_json(path)
    if not isinstance(records, list):
        raise DatasetError(path, "the file is not a JSON list", "give a JSON list of records")
    return records


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DatasetError: It is none.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(path, f"cannot be read as JSON ({error})", "give a JSON file") from error


def read_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Read JSON Lines with the numbers of the lines, from 0; blank ones are passed over.

    Raises:
        DatasetError: The file cannot be read, or a line is no JSON.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for row, line in enumerate(file):
                if line.strip():
                    yield row, _load(line, path, row)
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(path, f"cannot be read ({error})", "give a UTF-8 JSON Lines file") from error


def _load(line: str, path: Path, row: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DatasetError(path, f"not JSON ({error})", "write one object a line", row=row) from error


def _dump(record: Any) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "replace")
