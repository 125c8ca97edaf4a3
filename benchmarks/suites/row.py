"""One row of a release, and readers of its columns that say what is wrong with which of them.

    question = text(row, "question")
    choices = lettered(row, ("A", "B", "C", "D"))
    picture = image(row, "image")

A value may be written in any way that releases write it: numbers and lists as text, pictures in base64.
"""

from __future__ import annotations

import ast
import base64
import binascii
import json
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from deepeyes_env.images import MAX_DECODED_PIXELS, EncodedImage, ImageError, decode_rgb
from deepeyes_env.tasks.dataset_error import DatasetError

LARGEST_PICTURE = 1 << 28
"""Area in pixels above which a published picture is refused, 16,384 x 16,384: no suite has a larger one."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Row(Mapping[str, Any]):
    """One row under its public column names, with its place for messages.

    Attributes:
        columns: Column -> value.
        suite: Name of the suite that reads it.
        origin: The file or the data set that it is from.
        number: Its number there, from 0.
        part: Which of the items that it holds is asked for, from 0 (`Suite.parts`).
        folder: Where paths of pictures begin; None where there are no files.
    """

    columns: Mapping[str, Any]
    suite: str = ""
    origin: str = ""
    number: int = 0
    part: int = 0
    folder: Path | None = None

    def __getitem__(self, column: str) -> Any:
        """The value of a column.

        Raises:
            RowError: There is no such column.
        """
        try:
            return self.columns[column]
        except KeyError:
            found = ", ".join(map(str, self.columns))
            raise RowError(
                self, column, f"there is no such column but {found}", "give the release that the suite names"
            ) from None

    def get(self, column: str, default: Any = None) -> Any:
        """The value of a column, or `default` where there is none."""
        return self.columns.get(column, default)

    def __contains__(self, column: object) -> bool:
        return column in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def at_part(self, part: int) -> Row:
        """The same row for another of its items."""
        return replace(self, part=part)


class RowError(DatasetError):
    """A row that cannot become an item; a `ValueError` that names suite, row, column, cause and mend."""

    def __init__(self, row: Row, column: str, problem: str, mend: str) -> None:
        """Describe the problem.

        Args:
            row: The row.
            column: The column at fault.
            problem: What is wrong.
            mend: What would be right.
        """
        super().__init__(row.origin, f"suite {row.suite!r}: {problem}", mend, row=row.number, column=column)
        self.suite = row.suite


def missing(value: object) -> bool:
    """Whether a value stands for none: null, NaN, or the empty text that a TSV writes for it."""
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or (isinstance(value, str) and not value.strip())
    )


def text(row: Row, column: str) -> str:
    """A text that is there; numbers are written as they are read (`7`, not `7.0`, for a whole one).

    Raises:
        RowError: There is none.
    """
    value = row[column]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if missing(value) or not isinstance(value, str | int | float):
        raise RowError(
            row, column, f"there is no text but {_shown(value)}", "fill the column or drop the row"
        )
    return str(value).strip()


def optional_text(row: Row, column: str) -> str | None:
    """A text, or None where the column is missing or empty.

    Raises:
        RowError: It is something else than text.
    """
    return None if column not in row or missing(row[column]) else text(row, column)


def integer(row: Row, column: str) -> int:
    """A whole number, also written as text or as a float.

    Raises:
        RowError: It is none.
    """
    value = row[column]
    try:
        number = float(value)
        if isinstance(value, bool) or not number.is_integer():
            raise ValueError("no whole number")
        return int(value) if isinstance(value, int) else int(number)
    except (TypeError, ValueError, OverflowError):
        raise RowError(row, column, f"{_shown(value)} is no whole number", "write one") from None


def flag(row: Row, column: str) -> bool:
    """True or false, also as 0 and 1 and as text in any case.

    Raises:
        RowError: It is neither.
    """
    value = row[column]
    known = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    found = known.get(str(int(value)) if isinstance(value, float) and value in (0, 1) else str(value).lower())
    if found is None:
        raise RowError(row, column, f"{_shown(value)} is neither true nor false", "write 1 or 0")
    return found


def sequence(row: Row, column: str) -> tuple[Any, ...]:
    """A list, also one written as text in JSON or as Python writes it (VLMEvalKit's TSV files have both).

    Raises:
        RowError: It is none.
    """
    value = _parsed(row[column])
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
        raise RowError(row, column, f"{_shown(row[column])} is no list", "write a list, for example in JSON")
    return tuple(value)


def texts(row: Row, column: str) -> tuple[str, ...]:
    """A list of texts that are there.

    Raises:
        RowError: It is none.
    """
    return tuple(text(_only(row, column, value), column) for value in sequence(row, column))


def lettered(row: Row, columns: Sequence[str]) -> dict[str, str]:
    """Options in columns of their own (`A`, `B`, ...), without those that are missing.

    Returns:
        Letter (the column's name) -> text, in order.

    Raises:
        RowError: Fewer than two are there.
    """
    found = {column: option for column in columns if (option := optional_text(row, column)) is not None}
    if len(found) < 2:
        raise RowError(row, columns[0], f"there are {len(found)} options", "give two or more")
    return found


def options(row: Row, column: str) -> dict[str, str]:
    """Options in one column: a list, or an object by letter; also written as text (see `sequence`).

    Returns:
        Letter -> text, in order.

    Raises:
        RowError: There are none, or fewer than two.
    """
    value = _parsed(row[column])
    if isinstance(value, Mapping):
        read = {
            str(letter): optional_text(_only(row, column, option), column) for letter, option in value.items()
        }
        found = {letter: option for letter, option in read.items() if option is not None}
    else:
        found = dict(zip(LETTERS, texts(row, column), strict=False))
    if len(found) < 2:
        raise RowError(row, column, f"there are {len(found)} options", "give two or more")
    return found


def _only(row: Row, column: str, value: Any) -> Row:
    """The same place with another value."""
    return replace(row, columns={column: value})


def label(row: Row, column: str, choices: Mapping[str, str]) -> str:
    """The letter of the right option, also in brackets.

    Raises:
        RowError: It is no option's.
    """
    found = text(row, column).strip("()")
    if found not in choices:
        raise RowError(
            row, column, f"{found!r:.80} is none of {', '.join(choices)}", "write an option's letter"
        )
    return found


def image(row: Row, column: str) -> EncodedImage:
    """One picture: encoded bytes, `{"bytes", "path"}`, PIL, base64, a data URL, or a path in the copy.

    A picture larger than the environment decodes is shrunk to what it does (`MAX_DECODED_PIXELS`).

    Raises:
        RowError: There is none, or it cannot be used.
    """
    return _image(row, column, row[column])


def images(row: Row, column: str) -> tuple[EncodedImage, ...]:
    """All pictures of a column that holds one or a list of them, also a list written as text.

    Raises:
        RowError: There is none, or one cannot be used.
    """
    value = row[column]
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _parsed(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        pictures = tuple(_image(row, column, one) for one in value)
    else:
        pictures = (_image(row, column, value),)
    if not pictures:
        raise RowError(row, column, "there is no picture", "add one or drop the row")
    return pictures


def _image(row: Row, column: str, value: Any) -> EncodedImage:
    if missing(value):
        raise RowError(row, column, "there is no picture", "add one or drop the row")
    try:
        return (
            EncodedImage.from_pil(value)
            if isinstance(value, Image.Image)
            else _encoded(_picture_bytes(value, row.folder))
        )
    except (OSError, ValueError) as error:
        raise RowError(
            row, column, f"the picture cannot be used ({error})", "give an image or its path in the copy"
        ) from error


def _encoded(data: bytes) -> EncodedImage:
    try:
        return EncodedImage.from_bytes(data)
    except ImageError:
        picture = decode_rgb(data, LARGEST_PICTURE)
        if picture.width * picture.height <= MAX_DECODED_PIXELS:
            raise
        return EncodedImage.from_pil(shrunk(picture, MAX_DECODED_PIXELS))


def shrunk(picture: Image.Image, pixels: int) -> Image.Image:
    """The picture at an area of at most `pixels`, of which it has more, in its own shape."""
    scale = math.sqrt(pixels / (picture.width * picture.height))
    size = [max(1, math.floor(side * scale)) for side in picture.size]
    return picture.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def _picture_bytes(value: Any, folder: Path | None) -> bytes:
    match value:
        case bytes() if value:
            return value
        case {"bytes": bytes(inside)} if inside:
            return inside
        case {"path": str(path)}:
            return _read(folder, path)
        case str() if value.startswith("data:"):
            return base64.b64decode(value.partition(",")[2], validate=True)
        case str() if (data := _base64(value)) is not None:
            return data
        case str():
            return _read(folder, value)
    raise ValueError(f"it is {_shown(value)}")


PATH_LENGTH = 1024
"""A longer text is no path: base64 of even the smallest PNG file with any content is decoded before."""

_MAGIC = (b"\x89PNG", b"\xff\xd8", b"RIFF", b"GIF8", b"BM")
"""How the files of `deepeyes_env.images.FORMATS` begin, by which base64 is told from a path."""


def _base64(value: str) -> bytes | None:
    """The bytes of a text that is a picture in base64, else None."""
    try:
        data = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if len(value) > PATH_LENGTH or data.startswith(_MAGIC) else None


def _read(folder: Path | None, path: str) -> bytes:
    """The file of a path in a copy, which does not lead out of it; also from a zip archive beside the rows.

    A path may begin with the folder's own name: VisualProbe's begin where several suites lie side by side.
    """
    parts = PurePosixPath(path.replace("\\", "/"))
    if folder is None:
        raise ValueError(f"a path, {path!r:.100}, but the rows bring no files")
    if parts.is_absolute() or ".." in parts.parts:
        raise ValueError(f"the path {path!r:.100} leads out of the copy")
    inner = PurePosixPath(*parts.parts[1:]) if len(parts.parts) > 1 else parts
    for name in (parts, inner):
        if (folder / name).is_file():
            return (folder / name).read_bytes()
        for archive in sorted(folder.glob("*.zip")):
            with zipfile.ZipFile(archive) as packed, suppress(KeyError):
                return packed.read(str(name))
    raise FileNotFoundError(f"there is no {path!r:.100} in {str(folder)!r}")


def _parsed(value: Any) -> Any:
    """What a text says in JSON or as a Python literal; else itself; an array of numpy as a list."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if not isinstance(value, str):
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            return read(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return value


def _shown(value: object) -> str:
    return f"{type(value).__name__} {value!r:.80}"
