r"""A corpus as JSON Lines, in the format of Search-R1's Wikipedia (`search-and-benchmarks` A.1).

    {"id": "0", "contents": "\"Title\"\npassage"}

`title`, `url` and `date` may be given as fields of their own. The file may be compressed (`.gz`).
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deepeyes_env.search.corpora.document import Document, address
from deepeyes_env.tasks.dataset_error import DatasetError

FORMAT = r'expected {"id": "0", "contents": "\"Title\"\npassage"}'


class JsonLinesCorpus:
    """The lines of one file, one document each; `total` and `done` are its bytes as they are on disk."""

    def __init__(self, file: Path) -> None:
        """Take a file; it is read when the documents are asked for.

        Raises:
            DatasetError: The file is not there.
        """
        self._file = file
        self.done = 0
        try:
            self.total: int | None = file.stat().st_size
        except OSError as error:
            raise DatasetError(file, f"cannot be read ({error})", "give the path of a file") from error

    def __iter__(self) -> Iterator[Document]:
        """The documents.

        Raises:
            DatasetError: A line cannot be used.
        """
        for row, line in self._lines():
            if line.strip():
                yield _document(_record(line, self._file, row), self._file, row)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        row = -1
        try:
            with self._file.open("rb") as raw:
                lines = gzip.open(raw) if self._file.suffix == ".gz" else raw
                for row, line in enumerate(lines):
                    if lines is raw:
                        self.done += len(line)
                    else:
                        self.done = raw.tell()
                    yield row, line
        except (OSError, EOFError, zlib.error) as error:
            raise DatasetError(
                self._file, f"cannot be read ({error})", "fetch the file again", row=row + 1
            ) from error


def _record(line: bytes, file: Path, row: int) -> Mapping[str, Any]:
    try:
        record = json.loads(line.decode("utf-8-sig" if row == 0 else "utf-8"))
    except (ValueError, RecursionError) as error:
        raise DatasetError(file, f"not a JSON object ({error})", FORMAT, row=row) from error
    if not isinstance(record, dict):
        raise DatasetError(file, f"a JSON {type(record).__name__}, not an object", FORMAT, row=row)
    return record


def _document(record: Mapping[str, Any], file: Path, row: int) -> Document:
    name = record.get("id")
    if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
        problem = "is missing" if name in (None, "") else f"is {name!r}, which is no text"
        raise DatasetError(file, problem, FORMAT, row=row, column="id")
    contents = record.get("contents")
    if not isinstance(contents, str):
        problem = "is missing" if contents is None else f"is {contents!r:.40}, which is no text"
        raise DatasetError(file, problem, FORMAT, row=row, column="contents")
    first, _, rest = contents.partition("\n")
    has_title = len(first) > 1 and first[0] == first[-1] == '"'
    title, body = (first[1:-1], rest) if has_title else ("", contents)
    return Document(
        id=str(name),
        title=_text(record, "title", file, row) or title or str(name),
        url=_text(record, "url", file, row) or address(str(name)),
        body=body.strip(),
        date=_text(record, "date", file, row),
        file=str(file),
        row=row,
    )


def _text(record: Mapping[str, Any], column: str, file: Path, row: int) -> str | None:
    value = record.get(column)
    if value is not None and not isinstance(value, str):
        raise DatasetError(
            file, f"is {value!r:.40}, which is no text", "give a string", row=row, column=column
        )
    return value
