"""Golden files: a few rows of each suite in exactly the public schema, with tiny pictures painted here.

A module `golden_<room>.py` beside this one names its files in `GOLDEN`; `all_golden` finds them.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas
import pyarrow
import pyarrow.parquet
from PIL import Image

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Golden:
    """One file of a suite.

    Attributes:
        suite: Name of the suite that reads it.
        schema: Where the columns are from.
        write: Writes it into a folder and returns what is opened.
        answers: For every item a right answer and a wrong one.
    """

    suite: str
    schema: str
    write: Callable[[Path], Path]
    answers: Sequence[tuple[str, str]]


def all_golden() -> list[Golden]:
    """The golden files of all modules beside this one."""
    modules = sorted(path.stem for path in HERE.glob("golden_*.py"))
    return [golden for name in modules for golden in import_module(name).GOLDEN]


def picture(colour: str = "teal", form: str = "PNG") -> bytes:
    """A small picture as a file."""
    buffer = io.BytesIO()
    Image.new("RGB", (56, 56), colour).save(buffer, form)
    return buffer.getvalue()


def embedded(colour: str = "teal") -> dict[str, Any]:
    """A picture as `datasets` stores it."""
    return {"bytes": picture(colour), "path": f"{colour}.png"}


def base64_picture(colour: str = "teal") -> str:
    """A picture as VLMEvalKit's TSV files hold it."""
    return base64.b64encode(picture(colour, "JPEG")).decode()


def parquet(rows: Sequence[Mapping[str, Any]], name: str = "test-00000-of-00001.parquet"):
    """Writes parquet as the hub does."""

    def write(folder: Path) -> Path:
        table = pyarrow.Table.from_pylist([dict(row) for row in rows])
        pyarrow.parquet.write_table(table, folder / name, row_group_size=2)
        return folder / name

    return write


def tsv(rows: Sequence[Mapping[str, Any]], name: str):
    """Writes a TSV as VLMEvalKit does."""

    def write(folder: Path) -> Path:
        pandas.DataFrame(rows).to_csv(folder / name, sep="\t", index=False)
        return folder / name

    return write


def json_folder(
    rows: list[dict[str, Any]] | dict[str, dict[str, Any]],
    name: str,
    pictures: Sequence[str],
    archive: str | None = None,
):
    """Writes JSON (rows, or rows by id) or JSON Lines with pictures beside it, or in a zip archive."""

    def write(folder: Path) -> Path:
        lines = "\n".join(json.dumps(row) for row in rows)
        (folder / name).write_text(lines if name.endswith("l") else json.dumps(rows))
        for path in pictures:
            if archive is None:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(picture())
        if archive is not None:
            with zipfile.ZipFile(folder / archive, "w") as packed:
                for path in pictures:
                    packed.writestr(path, picture())
        return folder

    return write
