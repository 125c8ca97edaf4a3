"""Some tasks of another source, by their indexes: nothing is copied, and the source's search engine stays.

    {"format": 1, "source": {"kind": "fictional", ...}, "split": "train", "indexes": [3, 17], "ids": [...]}

The named split holds the chosen tasks, in the order of the file; the other splits are the source's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from deepeyes_env.task import Split, Task
from deepeyes_env.tasks import DeepEyesV2Config, JsonlConfig, SelectionConfig, SourceConfig, open_source
from deepeyes_env.tasks.dataset_error import DatasetError

if TYPE_CHECKING:
    from deepeyes_env.search.base import SearchEngine

FORMAT = 1
"""Version of the file; another one is refused."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which tasks of which source.

    Attributes:
        source: The source; `select` makes the paths in it absolute.
        split: The split that the chosen tasks are from, and are.
        indexes: Their indexes in the source.
        ids: Their ids, by which a source that has changed is noticed.
        format: Version of the file.
    """

    source: SourceConfig
    split: Split
    indexes: tuple[int, ...]
    ids: tuple[str, ...]
    format: int = FORMAT

    def to_json(self) -> str:
        """The file's text."""
        return json.dumps(_plain(asdict(self)), indent=1) + "\n"


def read_selection(path: str | Path) -> Selection:
    """Read a file.

    Raises:
        DatasetError: It is no selection, or one of another format.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        found = content["format"]
        if found != FORMAT:
            raise DatasetError(path, f"the format is {found!r}", f"this version reads {FORMAT}; curate again")
        selection = TypeAdapter(Selection).validate_python(content, extra="forbid")
        if len(selection.indexes) != len(selection.ids):
            raise ValueError(f"{len(selection.indexes)} indexes for {len(selection.ids)} ids")
        return selection
    except DatasetError:
        raise
    except (OSError, ValueError, ValidationError, KeyError, TypeError) as error:
        raise DatasetError(
            path, f"cannot be read as a selection ({error})", "give the tasks.json of `deepeyes curate`"
        ) from error


class SelectedTasks:
    """The chosen tasks as a source."""

    def __init__(self, config: SelectionConfig) -> None:
        """Open the source that they are from.

        Args:
            config: Names the file.

        Raises:
            ConfigError: The source cannot be opened.
            DatasetError: The file, or one of the source's, cannot be used.
        """
        self._file = config.file
        self._chosen = read_selection(config.file)
        self._source = open_source(self._chosen.source)

    @property
    def name(self) -> str:
        """Name of the source that the tasks are from: their ids are its own."""
        return self._source.name

    def size(self, split: Split) -> int | None:
        """Number of chosen tasks; of another split as the source has it."""
        return len(self._chosen.indexes) if split == self._chosen.split else self._source.size(split)

    def task(self, index: int, split: Split = "train") -> Task:
        """The chosen task number `index`; of another split as the source has it.

        Raises:
            IndexError: There is no such task.
            DatasetError: The source has another task there now, or its row cannot be used.
        """
        if split != self._chosen.split:
            return self._source.task(index, split)
        if not 0 <= index < len(self._chosen.indexes):
            raise IndexError(f"task index {index} is outside the {len(self._chosen.indexes)} chosen tasks")
        task = self._source.task(self._chosen.indexes[index], split)
        if task.id != (wanted := self._chosen.ids[index]):
            raise DatasetError(
                self._file,
                f"the source has {task.id!r} where {wanted!r} was chosen",
                "the source has changed: curate again",
                row=index,
            )
        return task

    def search_engine(self) -> SearchEngine | None:
        """The engine of the source that the tasks are from."""
        return self._source.search_engine()


def select(source: SourceConfig, split: Split, tasks: Iterable[tuple[int, str]]) -> Selection:
    """Choose tasks.

    Args:
        source: Where they are from.
        split: The split that they are from.
        tasks: Index and id of each.
    """
    chosen = list(tasks)
    indexes, ids = tuple(index for index, _ in chosen), tuple(name for _, name in chosen)
    return Selection(_absolute(source), split, indexes, ids)


def _absolute(source: SourceConfig) -> SourceConfig:
    if isinstance(source, SelectionConfig):
        return replace(source, file=_whole(source.file))
    if isinstance(source, JsonlConfig):
        train, validation, test = (path and _whole(path) for path in _parts(source))
        return replace(source, train=train, validation=validation, test=test)
    if isinstance(source, DeepEyesV2Config):
        train, validation, test = (tuple(map(_whole, paths)) for paths in _parts(source))
        cache = source.image_search_cache and _whole(source.image_search_cache)
        return replace(source, train=train, validation=validation, test=test, image_search_cache=cache)
    return source


def _parts(source: Any) -> tuple[Any, Any, Any]:
    return source.train, source.validation, source.test


def _whole(path: str) -> str:
    return str(Path(path).resolve())


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
    return value
