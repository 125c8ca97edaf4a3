"""A folder of texts and captioned pictures, with all folders in it.

Texts (`.md`, `.html`, `.txt`, ...) are cut into passages. The caption of `map.jpg` is the text of `map.txt`
(or `map.jpg.txt`) beside it, or `map.json` with the fields of `Caption`, or its line in one of the files
`captions.jsonl`, `captions.csv`, `metadata.jsonl` and `metadata.csv`, whose first field is then `file` or
`file_name` (the names that Hugging Face's image folders use). A picture without a caption goes by its name.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepeyes_env.search.corpora.document import Document, Picture, address
from deepeyes_env.search.corpora.passages import passages
from deepeyes_env.tasks.dataset_error import DatasetError

HTML, MARKDOWN, PLAIN = {".html", ".htm", ".xhtml"}, {".md", ".markdown"}, {".txt", ".text", ".rst"}
PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"}
"""The formats of `deepeyes_env.images.FORMATS` by their files' endings."""

CAPTION_FILES = ("captions.jsonl", "captions.csv", "metadata.jsonl", "metadata.csv")
FILE_FIELDS = ("file", "file_name")
CAPTION_FIELDS = ("caption", "text")


@dataclass(frozen=True, slots=True)
class Caption:
    """What is said about a picture.

    Attributes:
        text: The caption.
        title: A title; None takes the file's name.
        url: An address; None takes the file's place in the folder.
        date: A date as text.
    """

    text: str
    title: str | None = None
    url: str | None = None
    date: str | None = None


class FolderCorpus:
    """The files in order of their names; `total` and `done` count files."""

    def __init__(self, folder: Path) -> None:
        """List the files.

        Raises:
            DatasetError: There are no texts and no pictures, or a list of captions cannot be used.
        """
        self._folder = folder
        files = _files(folder)
        self._captions = {
            picture: caption
            for file in files
            if file.name in CAPTION_FILES
            for picture, caption in _listed_captions(file)
        }
        self._sidecars = _sidecars(files)
        used = {*self._sidecars.values(), *(file for file in files if file.name in CAPTION_FILES)}
        readable = HTML | MARKDOWN | PLAIN | PICTURES
        self._files = [file for file in files if file.suffix.lower() in readable and file not in used]
        self.total: int | None = len(self._files)
        self.done = 0
        there = set(files)
        missing = next((picture for picture in self._captions if picture not in there), None)
        if missing is not None:
            caption_file = self._captions[missing][1]
            raise DatasetError(
                caption_file, f"captions {missing.name!r}, which is not there", "mend the file's name"
            )
        if not self._files:
            raise DatasetError(
                folder,
                "has no texts and no pictures",
                f"expected files that end in {', '.join(sorted(readable))}",
            )

    def __iter__(self) -> Iterator[Document]:
        """The documents.

        Raises:
            DatasetError: A file cannot be read.
        """
        for file in self._files:
            yield from self._picture(file) if file.suffix.lower() in PICTURES else self._passages(file)
            self.done += 1

    def _name(self, file: Path) -> str:
        return file.relative_to(self._folder).as_posix()

    def _passages(self, file: Path) -> Iterator[Document]:
        name = self._name(file)
        title, text = _read_text(file)
        for number, passage in enumerate(passages(text), start=1):
            yield Document(
                id=f"{name}#{number}",
                title=title or file.stem,
                url=address(name),
                body=passage,
                file=str(file),
            )

    def _picture(self, file: Path) -> Iterator[Document]:
        name = self._name(file)
        sidecar = self._sidecars.get(file)
        listed = self._captions.get(file)
        if sidecar is not None:
            caption = _sidecar_caption(sidecar)
        else:
            caption = Caption("") if listed is None else listed[0]
        yield Document(
            id=name,
            title=caption.title or _words(file.stem),
            url=caption.url or address(name),
            body=caption.text,
            date=caption.date,
            picture=Picture(str(file), file.read_bytes),
            file=str(file),
        )


def _files(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise DatasetError(folder, f"cannot be read ({error})", "give the path of a folder") from error

    found = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(file for file in found if file.is_file())


def _sidecars(files: list[Path]) -> dict[Path, Path]:
    """Pictures and the files beside them that are about them."""
    there = set(files)
    sidecars = {}
    for file in files:
        if file.suffix.lower() in PICTURES:
            names = [file.with_suffix(end) for end in (".json", ".txt")]
            names += [file.with_name(file.name + end) for end in (".json", ".txt")]
            beside = [name for name in names if name in there]
            if beside:
                sidecars[file] = beside[0]
    return sidecars


def _read_text(file: Path) -> tuple[str, str]:
    from deepeyes_env.search.corpora.markup import read_html, read_markdown

    text = _decode(file)
    if file.suffix.lower() in HTML:
        return read_html(text)
    if file.suffix.lower() in MARKDOWN:
        return read_markdown(text)
    return "", text


def _decode(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(file, f"cannot be read ({error})", "save it as UTF-8 or move it away") from error


def _words(stem: str) -> str:
    return " ".join(stem.replace("_", " ").replace("-", " ").split()) or stem


def _sidecar_caption(file: Path) -> Caption:
    text = _decode(file)
    if file.suffix != ".json":
        return Caption(" ".join(text.split()))
    return _caption(_json(text, file, None), file, None)


def _csv_rows(text: str, file: Path) -> Iterator[Mapping[str, Any]]:
    try:
        yield from csv.DictReader(io.StringIO(text, newline=""))
    except csv.Error as error:
        raise DatasetError(file, f"cannot be read as CSV ({error})", "mend it, or use JSON Lines") from error


def _listed_captions(file: Path) -> Iterator[tuple[Path, tuple[Caption, Path]]]:
    text = _decode(file)
    records: Iterator[tuple[int, Mapping[str, Any]]]
    if file.suffix == ".csv":
        records = enumerate(_csv_rows(text, file))
    else:
        records = ((row, _json(line, file, row)) for row, line in enumerate(text.split("\n")) if line.strip())
    for row, record in records:
        name = next((record[field] for field in FILE_FIELDS if record.get(field)), None)
        if not isinstance(name, str):
            raise DatasetError(
                file, "names no picture", f"add one of the fields {', '.join(FILE_FIELDS)}", row=row
            )
        yield file.parent / name, (_caption(record, file, row), file)


def _json(text: str, file: Path, row: int | None) -> Mapping[str, Any]:
    mend = 'expected an object such as {"caption": "A lighthouse"}'
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DatasetError(file, f"not a JSON object ({error})", mend, row=row) from error
    if not isinstance(record, dict):
        raise DatasetError(file, f"a JSON {type(record).__name__}, not an object", mend, row=row)
    return record


def _caption(record: Mapping[str, Any], file: Path, row: int | None) -> Caption:
    text = next((record[field] for field in CAPTION_FIELDS if record.get(field) is not None), None)
    if text is None:
        raise DatasetError(
            file, "has no caption", f"add one of the fields {', '.join(CAPTION_FIELDS)}", row=row
        )
    values = {"text": text, **{field: record.get(field) or None for field in ("title", "url", "date")}}
    for field, value in values.items():
        if value is not None and not isinstance(value, str):
            raise DatasetError(
                file, f"is {value!r:.40}, which is no text", "give a string", row=row, column=field
            )
    return Caption(**values)
