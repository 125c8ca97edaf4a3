"""Your own questions: one JSON object a line, images beside the file.

    {"question": "What does the sign say?", "image": "photos/7.jpg", "answer": "Open"}

`images` may replace `image` and hold several paths; `answer` may be a list whose first entry is the canonical
one; `choices` maps letters to options; `family` and `skills` are for reports.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Split, Task
from deepeyes_env.tasks.dataset_error import DatasetError

if TYPE_CHECKING:
    from deepeyes_env.search.base import SearchEngine
    from deepeyes_env.tasks import JsonlConfig


class JsonlSource:
    """Tasks from JSON Lines files; a line is parsed, and its images read, when it is asked for."""

    def __init__(self, config: JsonlConfig) -> None:
        """Find where the lines begin.

        Args:
            config: The file of each split.

        Raises:
            DatasetError: A file cannot be read.
        """
        files: dict[Split, str | None] = {
            "train": config.train,
            "validation": config.validation,
            "test": config.test,
        }
        self._lines = {split: [] if path is None else _lines(Path(path)) for split, path in files.items()}
        self._files = {split: Path(path) for split, path in files.items() if path is not None}

    @property
    def name(self) -> str:
        """Name of the source in task ids."""
        return "jsonl"

    def size(self, split: Split) -> int:
        """Number of lines of the split's file."""
        return len(self._lines[split])

    def task(self, index: int, split: Split = "train") -> Task:
        """The task in line `index`, blank lines not counted.

        Raises:
            IndexError: There is no such line.
            DatasetError: The line cannot be used.
        """
        if not 0 <= index < self.size(split):
            raise IndexError(f"task index {index} is outside the {self.size(split)} lines of {split!r}")
        file = self._files[split]
        record = _record(self._lines[split][index], file, index)
        return Task(
            id=f"jsonl/{file.stem}/{index}",
            question=_text(record, "question", file, index),
            images=_images(record, file, index),
            answer=_answer(record, file, index),
            skills=_skills(record, file, index),
            family=str(record.get("family", file.stem)),
        )

    def search_engine(self) -> SearchEngine | None:
        """None: the files bring no corpus."""
        return None


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            path, f"cannot be read ({error})", "give the path of a UTF-8 JSON Lines file"
        ) from error
    return [line for line in text.removeprefix("\ufeff").split("\n") if line.strip()]


def _record(line: str, file: Path, row: int) -> Mapping[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DatasetError(file, f"not JSON ({error})", "write one object a line", row=row) from error
    if not isinstance(record, dict):
        raise DatasetError(file, "not a JSON object", "write one object a line", row=row)
    return record


def _text(record: Mapping[str, Any], key: str, file: Path, row: int) -> str:
    value = record.get(key)
    if not isinstance(value, str) or not value.strip():
        raise DatasetError(file, f"there is no {key}", f"give {key!r} as text", row=row, column=key)
    return value.strip()


def _answer(record: Mapping[str, Any], file: Path, row: int) -> Answer:
    given = record.get("answer")
    texts = [
        str(text).strip()
        for text in (given if isinstance(given, list) else [given])
        if isinstance(text, str | int | float) and not isinstance(text, bool)
    ]
    if not texts or not all(texts):
        raise DatasetError(file, "there is no answer", "give 'answer' as text", row=row, column="answer")
    return Answer(texts[0], tuple(texts[1:]), choices=_choices(record, file, row))


def _choices(record: Mapping[str, Any], file: Path, row: int) -> dict[str, str]:
    choices = record.get("choices") or {}
    if not isinstance(choices, dict) or not all(isinstance(option, str) for option in choices.values()):
        raise DatasetError(
            file, "the choices are no options by letter", 'give {"A": "..."}', row=row, column="choices"
        )
    return choices


def _skills(record: Mapping[str, Any], file: Path, row: int) -> frozenset[Skill]:
    skills = record.get("skills") or []
    known = [str(skill) for skill in Skill]
    if not isinstance(skills, list) or not all(skill in known for skill in skills):
        raise DatasetError(
            file,
            f"unknown skill in {skills!r}",
            f"give a list of {', '.join(known)}",
            row=row,
            column="skills",
        )
    return frozenset(map(Skill, skills))


def _images(record: Mapping[str, Any], file: Path, row: int) -> tuple[EncodedImage, ...]:
    paths = record.get("images") or record.get("image") or []
    paths = paths if isinstance(paths, list) else [paths]
    if not paths or not all(isinstance(path, str) for path in paths):
        raise DatasetError(file, "there is no image", "give 'image' as a path", row=row, column="image")
    return tuple(_image(file.parent / path, file, row) for path in paths)


def _image(path: Path, file: Path, row: int) -> EncodedImage:
    try:
        return EncodedImage.from_bytes(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DatasetError(
            file,
            f"image {str(path)!r} cannot be used ({error})",
            "give an image file",
            row=row,
            column="image",
        ) from error
