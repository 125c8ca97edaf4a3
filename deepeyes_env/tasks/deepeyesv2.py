"""The released DeepEyesV2 RL data: parquet files in the schema of reference 4.3, read row by row.

A row group is the smallest part of a parquet file that can be read. The last few are kept, with their images
still encoded, so reading in order touches every byte once.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepeyes_env.images import EncodedImage, ImageError
from deepeyes_env.task import Answer, Skill, Split, Task
from deepeyes_env.tasks.dataset_error import DatasetError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from deepeyes_env.search.base import SearchEngine
    from deepeyes_env.search.image_cache import ImageCacheEngine
    from deepeyes_env.tasks import DeepEyesV2Config

COLUMNS = ("prompt", "images", "data_source", "reward_model", "extra_info")
"""Columns that every file must have (reference 4.3); `env_name` is read where it exists."""

SKILLS: dict[str, frozenset[Skill]] = {
    "perception": frozenset({Skill.PERCEPTION}),
    "reason": frozenset({Skill.REASONING}),
    "search": frozenset({Skill.SEARCH}),
    "vstar-test": frozenset({Skill.PERCEPTION}),
}
"""`data_source` -> skills (reference 3)."""

CACHED_ROW_GROUPS = 4


class DeepEyesV2Source:
    """Tasks from parquet files, in file order. Safe to use from many threads."""

    def __init__(self, config: DeepEyesV2Config) -> None:
        """Open the files' footers.

        Args:
            config: The files of each split.

        Raises:
            DatasetError: A file is missing, is not parquet, or lacks a column; or the cache cannot be used.
        """
        files: dict[Split, tuple[str, ...]] = {
            "train": config.train,
            "validation": config.validation,
            "test": config.test,
        }
        self._cache = _image_cache(config.image_search_cache)
        self._tables = {split: [_ParquetRows(Path(path)) for path in paths] for split, paths in files.items()}

    @property
    def name(self) -> str:
        """Name of the source in task ids."""
        return "deepeyesv2"

    def size(self, split: Split) -> int:
        """Number of rows in all files of `split`."""
        return sum(len(table) for table in self._tables[split])

    def task(self, index: int, split: Split = "train") -> Task:
        """The task in row `index` of `split`.

        Raises:
            IndexError: There is no such row.
            DatasetError: The row cannot be used.
        """
        row = index
        for table in self._tables[split] if index >= 0 else ():
            if row < len(table):
                return self._known(read_row(table.row(row), table.path, row))
            row -= len(table)
        raise IndexError(f"task index {index} is outside the {self.size(split)} rows of {split!r}")

    def search_engine(self) -> SearchEngine | None:
        """The image-search cache, if there is one; the released data bring no corpus."""
        return self._cache

    def _known(self, task: Task) -> Task:
        """The task, after the cache has learnt whose picture it shows."""
        if self._cache is not None:
            self._cache.bind(task.images[0], task.metadata["index"])
        return task


def _image_cache(path: str | None) -> ImageCacheEngine | None:
    from deepeyes_env.search.image_cache import ImageCacheEngine

    return None if path is None else ImageCacheEngine(path)


class _ParquetRows:
    """The rows of one file, by number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _open(path)
        missing = [column for column in COLUMNS if column not in self._file.schema_arrow.names]
        if missing:
            raise DatasetError(
                path,
                f"the column is missing (found {', '.join(self._file.schema_arrow.names)})",
                "the DeepEyesV2 RL schema has " + ", ".join(COLUMNS),
                column=missing[0],
            )
        _check_types(self._file.schema_arrow, path)
        sizes = [self._file.metadata.row_group(group).num_rows for group in range(self._file.num_row_groups)]
        self._starts = [sum(sizes[:group]) for group in range(len(sizes))]
        self._lock = threading.Lock()
        self._group = lru_cache(maxsize=CACHED_ROW_GROUPS)(self._read_group)

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    def row(self, number: int) -> dict[str, Any]:
        group = max(g for g, start in enumerate(self._starts) if start <= number)
        with self._lock:
            table = self._group(group)
        row: dict[str, Any] = table.slice(number - self._starts[group], 1).to_pylist()[0]
        return row

    def _read_group(self, group: int) -> pa.Table:
        columns = [*COLUMNS, *({"env_name"} & set(self._file.schema_arrow.names))]
        try:
            return self._file.read_row_group(group, columns=columns)
        except OSError as error:
            raise DatasetError(
                self.path, f"row group {group} cannot be read ({error})", "fetch it again"
            ) from error


def _open(path: Path) -> pq.ParquetFile:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ImportError("reading parquet needs pyarrow: pip install 'deepeyes-gym[data]'") from error
    try:
        return pq.ParquetFile(path, memory_map=True)
    except (OSError, pa.ArrowInvalid) as error:
        raise DatasetError(
            path, f"cannot be read as parquet ({error})", "give the path of a parquet file"
        ) from error


def _check_types(schema: pa.Schema, path: Path) -> None:
    wanted = {
        "prompt": ("a list of role and content", lambda kind: _is_list(kind, "role", "content")),
        "images": ("a list", _is_list),
        "reward_model": ("a struct", _is_struct),
        "extra_info": ("a struct", _is_struct),
    }
    for column, (shape, fits) in wanted.items():
        kind = schema.field(column).type
        if not fits(kind):
            raise DatasetError(path, f"the type is {kind}", f"it must be {shape}", column=column)


def _is_struct(kind: pa.DataType, *names: str) -> bool:
    import pyarrow.types as types

    # A column in which every value is missing has the null type.
    return types.is_null(kind) or (
        types.is_struct(kind) and all(kind.get_field_index(name) >= 0 for name in names)
    )


def _is_list(kind: pa.DataType, *names: str) -> bool:
    import pyarrow.types as types

    lists = types.is_list(kind) or types.is_large_list(kind)
    return types.is_null(kind) or (lists and (not names or _is_struct(kind.value_type, *names)))


def read_row(row: Mapping[str, Any], file: Path, number: int) -> Task:
    """Turn one row into a task.

    Args:
        row: The row's columns as plain Python data.
        file: Where it comes from, for messages and the task's id.
        number: Number of the row in the file.

    Raises:
        DatasetError: The row has no question, answer or image, or an image does not decode.
    """
    extra = row["extra_info"] or {}
    source = row["data_source"] or ""
    return Task(
        id=f"deepeyesv2/{file.stem}/{number}",
        question=_question(row, extra, file, number),
        images=_images(row["images"], file, number),
        answer=_answer(row["reward_model"], file, number),
        skills=SKILLS.get(source, frozenset()),
        family=source,
        system_prompt=_said(row["prompt"], "system"),
        metadata={"index": str(extra.get("index", number)), "env_name": row.get("env_name") or ""},
    )


def _question(row: Mapping[str, Any], extra: Mapping[str, Any], file: Path, number: int) -> str:
    # `extra_info.question` is bare; the prompt repeats it inside the upstream template (reference 1.3).
    text = extra.get("question") or _said(row["prompt"], "user") or ""
    question = str(text).replace("<image>", "").strip()
    if not question:
        raise DatasetError(
            file,
            "the row has no question",
            "fill extra_info.question or a user message",
            row=number,
            column="prompt",
        )
    return question


def _said(prompt: Sequence[Mapping[str, Any]] | None, role: str) -> str | None:
    return next((message["content"] for message in prompt or () if message["role"] == role), None)


def _answer(reward_model: Mapping[str, Any] | None, file: Path, number: int) -> Answer:
    truth = (reward_model or {}).get("ground_truth")
    texts = [
        str(text).strip() for text in (truth if isinstance(truth, list) else [truth]) if text is not None
    ]
    if not texts or not texts[0]:
        raise DatasetError(
            file, "the row has no answer", "fill reward_model.ground_truth", row=number, column="reward_model"
        )
    return Answer(texts[0], aliases=tuple(texts[1:]))


def _images(images: Sequence[Any] | None, file: Path, number: int) -> tuple[EncodedImage, ...]:
    if not images:
        raise DatasetError(
            file,
            "the row has no image",
            "the environment needs at least one; drop the row or add its image",
            row=number,
            column="images",
        )
    return tuple(_image(image, file, number) for image in images)


def _image(image: Any, file: Path, number: int) -> EncodedImage:
    data = image.get("bytes") if isinstance(image, Mapping) else image
    try:
        if not isinstance(data, bytes) or not data:
            raise ImageError("the image has no bytes; embed the encoded file in `bytes`")
        return EncodedImage.from_bytes(data)
    except ImageError as error:
        raise DatasetError(
            file, str(error), "replace the image or drop the row", row=number, column="images"
        ) from error
