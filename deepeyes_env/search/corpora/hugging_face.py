"""A data set of Hugging Face's library: from the hub, or saved on this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from deepeyes_env.errors import ConfigError
from deepeyes_env.search.corpora.document import Document, Picture, address
from deepeyes_env.search.corpora.passages import passages
from deepeyes_env.tasks.dataset_error import DatasetError

INSTALL = "Hugging Face's datasets are not installed: pip install 'deepeyes-gym[datasets]'"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a data set hold what.

    Attributes:
        text: The text; longer ones are cut into passages.
        id: A name for each row; None takes the row's number.
        title: The title; None takes the id.
        url: The address.
        date: A date as text.
        image: A picture; its row is not cut into passages.
    """

    text: str = "text"
    id: str | None = None
    title: str | None = None
    url: str | None = None
    date: str | None = None
    image: str | None = None


class HuggingFaceCorpus:
    """The rows of one split in their order; `total` and `done` count rows."""

    def __init__(self, name: str, columns: Columns, split: str = "train", subset: str | None = None) -> None:
        """Load the data set, which may have to be fetched.

        Args:
            name: Name on the hub, a folder of data files, or one that `save_to_disk` has written.
            columns: Which columns hold what.
            split: Name of the split; a folder written by `save_to_disk` may have none.
            subset: Name of the subset (or configuration), for data sets that have several.

        Raises:
            ConfigError: The library is not installed.
            DatasetError: The data set cannot be loaded, or lacks a column.
        """
        self._name, self._columns = name, columns
        self._rows = _load(name, split, subset)
        wanted = {
            field: column for field in Columns.__slots__ if (column := getattr(columns, field)) is not None
        }
        for field, column in wanted.items():
            if column not in self._rows.column_names:
                raise DatasetError(
                    name,
                    f"has no column {column!r} but {', '.join(self._rows.column_names)}",
                    f"name the right one with --columns.{field}",
                )
        self._rows = self._rows.select_columns(sorted(set(wanted.values())))
        if columns.image is not None:
            self._rows = _undecoded(self._rows, columns.image, name)
        self.total: int | None = len(self._rows)
        self.done = 0

    def __iter__(self) -> Iterator[Document]:
        """The documents.

        Raises:
            DatasetError: A row cannot be used.
        """
        for row, record in enumerate(self._rows):
            yield from self._documents(record, row)
            self.done += 1

    def _documents(self, record: Mapping[str, Any], row: int) -> Iterator[Document]:
        columns = self._columns
        name = _text(record, columns.id, self._name, row) or str(row)
        text = _text(record, columns.text, self._name, row) or ""
        image = None if columns.image is None else record[columns.image]
        pieces = [text] if image is not None else list(passages(text))
        for number, piece in enumerate(pieces, start=1):
            yield Document(
                id=name if len(pieces) == 1 else f"{name}#{number}",
                title=_text(record, columns.title, self._name, row) or name,
                url=_text(record, columns.url, self._name, row) or address(name),
                body=piece,
                date=_text(record, columns.date, self._name, row),
                picture=None if image is None else _picture(image, f"{self._name}, row {row}"),
                file=self._name,
                row=row,
            )


def _load(name: str, split: str, subset: str | None) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise ConfigError(INSTALL) from error
    try:
        if (Path(name) / "state.json").is_file():
            return datasets.load_from_disk(name)
        if (Path(name) / "dataset_dict.json").is_file():
            splits = json.loads((Path(name) / "dataset_dict.json").read_text(encoding="utf-8"))["splits"]
            if split not in splits:
                raise ValueError(f"its splits are {', '.join(splits)}")
            return datasets.load_from_disk(str(Path(name) / split))
        return datasets.load_dataset(name, subset, split=split)
    except Exception as error:  # the library lets through whatever its readers and its network raise
        raise DatasetError(
            name, f"cannot be loaded as a data set ({error})", "look at its name, its --split and --subset"
        ) from error


def _undecoded(rows: Any, column: str, name: str) -> Any:
    import datasets

    if not isinstance(rows.features[column], datasets.Image):
        raise DatasetError(name, "holds no pictures", "name a column of images", column=column)
    return rows.cast_column(column, datasets.Image(decode=False))


def _text(record: Mapping[str, Any], column: str | None, name: str, row: int) -> str | None:
    value = None if column is None else record[column]
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise DatasetError(
        name,
        f"is a {type(value).__name__}, which is no text",
        "name a column of text",
        row=row,
        column=str(column),
    )


def _picture(image: Mapping[str, Any], name: str) -> Picture:
    data = image.get("bytes")
    return Picture(name, partial(bytes, data) if data is not None else Path(image["path"]).read_bytes)
