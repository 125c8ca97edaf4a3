"""What benchmarks ask and show, read from the user's own copies of them.

A copy is a file of rows (JSON list, JSON Lines or parquet), or a folder with such files and pictures in it.
Of a row its question is taken, and the pictures that it holds itself: bytes, `{"bytes": ...}`, data URLs and
base64. Pictures that rows name by path are those of the folder.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agents.convert.json_files import read_json, read_lines
from agents.store.parquet_files import import_pyarrow
from deepeyes_env.errors import ConfigError
from deepeyes_env.images import ImageError, decode_rgb
from deepeyes_env.tasks.dataset_error import DatasetError
from trainers.curation.pictures import Look, look

ROWS = (".json", ".jsonl", ".parquet")
PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
"""Names of the formats that are decoded (`deepeyes_env.images.FORMATS`)."""

IMAGE_FIELDS = ("image", "img", "picture")
"""How fields begin that may hold pictures."""

BASE64_CHARS = 64
"""Length from which a text may be a picture: the smallest PNG has more, and a path of that length does not
decode."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a benchmark holds in one place: a row, or a picture of its folder.

    Attributes:
        benchmark: Its name.
        place: The file, with the number of the row.
        question: The row's question; None for a picture.
        looks: Its pictures.
    """

    benchmark: str
    place: str
    question: str | None
    looks: tuple[Look, ...]

    def to_record(self) -> dict[str, Any]:
        """The sample in what JSON knows."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Sample:
        """The sample of a record."""
        return cls(**{**record, "looks": tuple(Look(**one) for one in record["looks"])})


@dataclass(frozen=True, slots=True)
class Copy:
    """A user's copy of a benchmark.

    Attributes:
        name: What the report calls it.
        root: File or folder.
        files: Its files, by name.
    """

    name: str
    root: Path
    files: tuple[Path, ...]


def find_copy(given: str) -> Copy:
    """The copy that `NAME=PATH` or `PATH` names.

    Raises:
        ConfigError: There is no such file or folder, or nothing in it can be read.
    """
    name, _, path = given.rpartition("=")
    root = Path(path)
    if not root.exists():
        raise ConfigError(f"against = {given!r}: there is no file or folder {path!r}")
    found = sorted(root.rglob("*")) if root.is_dir() else [root]
    files = tuple(file for file in found if file.suffix.lower() in ROWS + PICTURES and file.is_file())
    if not files:
        raise ConfigError(f"against = {given!r}: holds no file of {', '.join(ROWS + PICTURES)}")
    return Copy(name or root.stem, root, files)


def read_copy(copy: Copy, question_fields: Sequence[str]) -> Iterator[Sample]:
    """Everything that a copy asks and shows.

    Args:
        copy: The copy.
        question_fields: Fields that hold a question; the first that a row has counts.

    Raises:
        DatasetError: A file cannot be read, or none of its rows has a question.
    """
    for file in copy.files:
        place = str(file.relative_to(copy.root)) if file != copy.root else file.name
        if file.suffix.lower() in PICTURES:
            yield Sample(copy.name, place, None, (_decoded(file.read_bytes(), file),))
        else:
            yield from _read_rows(copy.name, file, place, question_fields)


def _read_rows(name: str, file: Path, place: str, question_fields: Sequence[str]) -> Iterator[Sample]:
    fields, asked = set[str](), 0
    for number, row in _rows(file):
        if not isinstance(row, Mapping):
            continue
        fields |= row.keys()
        question = next((row[key] for key in question_fields if isinstance(row.get(key), str)), None)
        looks = tuple(
            look(picture)
            for key, value in row.items()
            if key.lower().startswith(IMAGE_FIELDS)
            for picture in _embedded(value)
        )
        asked += question is not None
        if question is not None or looks:
            yield Sample(name, f"{place}:{number}", question, looks)
    if not asked:
        raise DatasetError(
            file,
            f"no row has a question (fields: {', '.join(sorted(fields)) or 'none'})",
            f"name its field in question_fields, now {', '.join(question_fields)}",
        )


def _rows(file: Path) -> Iterator[tuple[int, Any]]:
    match file.suffix.lower():
        case ".jsonl":
            yield from read_lines(file)
        case ".json":
            content = read_json(file)
            # Annotations of one picture (V*) are a single object; others keep their rows under some key.
            yield from enumerate(content if isinstance(content, list) else [content])
        case _:
            yield from _parquet_rows(file)


def _parquet_rows(file: Path) -> Iterator[tuple[int, Any]]:
    pa = import_pyarrow()
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise DatasetError(file, f"cannot be read as parquet ({error})", "give a parquet file") from error
    with table:
        number = 0
        for batch in table.iter_batches(batch_size=16):
            for row in batch.to_pylist():
                yield number, row
                number += 1


def _embedded(value: Any) -> Iterator[Any]:
    """The pictures that a value holds itself, decoded."""
    match value:
        case bytes():
            yield from _tried(value)
        case str() if len(value) >= BASE64_CHARS:
            try:
                yield from _tried(base64.b64decode(value.rpartition(",")[2], validate=True))
            except ValueError:  # also of letters beyond ASCII
                return
        case list():
            for inner in value:
                yield from _embedded(inner)
        case Mapping():
            yield from _embedded(value.get("bytes"))


def _tried(data: bytes) -> Iterator[Any]:
    try:
        yield decode_rgb(data)
    except ImageError:
        return


def _decoded(data: bytes, file: Path) -> Look:
    try:
        return look(decode_rgb(data))
    except ImageError as error:
        raise DatasetError(file, str(error), "mend or remove the picture") from error
