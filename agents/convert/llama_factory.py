"""LLaMA-Factory's `sharegpt` format: a JSON list beside the `dataset_info.json` that says how to read it.

Written are `deepeyes.json`, `images` and `dataset_info.json` with the data set `deepeyes`; train with
`dataset_dir: OUT`, `dataset: deepeyes`, `template: qwen2_vl`. Read is any `sharegpt` data set of JSON or JSON
Lines that a `dataset_info.json` describes, by its columns and tags, with LLaMA-Factory's defaults
(`llamafactory/data/parser.py`); a function call counts as the assistant's, an observation as the user's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from agents.convert.chat import to_conversation, wild_marker
from agents.convert.image_folder import ImageFolder
from agents.convert.importer import Origin, Record, chat_record
from agents.convert.json_files import read_json, read_lines, read_list, write_list
from agents.convert.sft_json import to_record
from agents.trajectory import Trajectory
from deepeyes_env.tasks.dataset_error import DatasetError
from deepeyes_env.tasks.sft_json import Conversation, read_record

NAME = "llama-factory"

INFO = "dataset_info.json"
DATASET, FILE = "deepeyes", "deepeyes.json"

TAGS = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}
"""Defaults of a data set without `tags`; one that has them has no others."""

_OURS = {
    DATASET: {
        "file_name": FILE,
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "images": "images"},
        "tags": {
            "role_tag": "role",
            "content_tag": "content",
            "user_tag": "user",
            "assistant_tag": "assistant",
            "system_tag": "system",
        },
    }
}
"""As DeepEyesV2's own `dataset_info.json` has it (reference 4.1)."""

_PLACEHOLDERS = ("<video>", "<audio>")
"""What LLaMA-Factory would take for media, besides `<image>` (`llamafactory/extras/constants.py`)."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How one data set is written down: the column of its messages, of its images, and its tags."""

    messages: str
    images: str | None
    system: str | None
    tags: Mapping[str, str]


def write(trajectories: Iterable[Trajectory], directory: Path) -> None:
    """Write `deepeyes.json`, `dataset_info.json` and the images."""
    folder = ImageFolder(directory)
    write_list(directory / FILE, (to_record(trajectory, folder) for trajectory in trajectories))
    (directory / INFO).write_text(json.dumps(_OURS, indent=2) + "\n")


def obstacle(trajectory: Trajectory) -> str | None:
    """Why the format cannot hold a trajectory, or None if it can."""
    texts = [message.text for message in to_conversation(trajectory).messages]
    for placeholder in _PLACEHOLDERS:
        if any(placeholder in text for text in texts):
            return f"a message holds {placeholder}, which LLaMA-Factory would take for media"
    return wild_marker(trajectory)


def read(path: Path, image_root: Path) -> Iterator[Record]:
    """The records of all `sharegpt` data sets that a `dataset_info.json` describes.

    Args:
        path: The `dataset_info.json`.
        image_root: Folder that image paths are relative to and may not leave (`media_dir`).

    Raises:
        DatasetError: The description or a data file cannot be used.
    """
    described = read_json(path)
    if not isinstance(described, Mapping) or not described:
        raise DatasetError(path, "describes no data set", f"give LLaMA-Factory's {INFO}")
    for name, info in described.items():
        file, layout = _described(info, name, path)
        rows = read_lines(file) if file.suffix == ".jsonl" else enumerate(read_list(file))
        for row, record in rows:
            parse = partial(_conversation, record, layout, file, row, image_root.resolve())
            yield chat_record(Origin(NAME, file, row), parse)


def _described(info: Any, name: str, path: Path) -> tuple[Path, _Layout]:
    if not isinstance(info, Mapping) or not isinstance(info.get("file_name"), str):
        raise DatasetError(path, f"{name!r} has no file_name", "only files on this machine can be read")
    if info.get("formatting") != "sharegpt":
        raise DatasetError(
            path,
            f"{name!r} has the formatting {info.get('formatting', 'alpaca')!r}",
            "only 'sharegpt' holds conversations",
            column="formatting",
        )
    file = path.parent / info["file_name"]
    if file.suffix not in (".json", ".jsonl"):
        raise DatasetError(path, f"{name!r} lies in {file.name}", "only .json and .jsonl are read")
    columns = info.get("columns", {"messages": "conversations"})
    if not isinstance(columns, Mapping):
        raise DatasetError(path, f"{name!r} has the columns {columns!r}", "name them", column="columns")
    tags = info.get("tags", TAGS)
    if not isinstance(tags, Mapping):
        raise DatasetError(path, f"{name!r} has the tags {tags!r}", "name them", column="tags")
    layout = _Layout(
        columns.get("messages", "conversations"),
        columns.get("images"),
        columns.get("system"),
        tags,
    )
    return file, layout


def _conversation(record: Any, layout: _Layout, file: Path, row: int, root: Path) -> Conversation:
    """Say the record in DeepEyesV2's words, and read that."""
    if not isinstance(record, Mapping) or not isinstance(said := record.get(layout.messages), list):
        raise DatasetError(file, "there is no list of messages", "drop it", row=row, column=layout.messages)
    messages = [_message(message, layout, file, row) for message in said]
    if layout.system and record.get(layout.system):
        messages.insert(0, {"role": "system", "content": record[layout.system]})
    images = record.get(layout.images) if layout.images else None
    images = [images] if isinstance(images, str) else images
    return read_record({"messages": messages, "images": images}, file, row, root)


def _message(message: Any, layout: _Layout, file: Path, row: int) -> dict[str, Any]:
    tags = layout.tags
    roles = {
        tags.get("user_tag"): "user",
        tags.get("observation_tag"): "user",
        tags.get("assistant_tag"): "assistant",
        tags.get("function_tag"): "assistant",
        tags.get("system_tag"): "system",
    }
    roles.pop(None, None)
    tag = message.get(tags.get("role_tag")) if isinstance(message, Mapping) else None
    if not isinstance(tag, str) or tag not in roles:
        raise DatasetError(
            file,
            f"unknown role {tag!r}",
            f"the tags in {INFO} know {', '.join(map(str, roles))}",
            row=row,
            column=layout.messages,
        )
    return {"role": roles[tag], "content": message.get(tags.get("content_tag"))}
