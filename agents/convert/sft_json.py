"""DeepEyesV2's SFT data: a JSON list of `{"messages": [...], "images": [...]}` (reference 4.1).

Every `<image>` in any message stands for the next of `images`. The reader of `deepeyes_env.tasks.sft_json`
checks that, and refuses what the released data are known to hold wrongly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from agents.convert.chat import to_conversation
from agents.convert.image_folder import ImageFolder
from agents.convert.importer import Origin, Record, chat_record
from agents.convert.json_files import read_list, write_list
from agents.trajectory import Trajectory
from deepeyes_env.tasks.sft_json import read_record

NAME = "sft"

FILE = "sft.json"
"""What is written, beside `images`."""


def write(trajectories: Iterable[Trajectory], directory: Path) -> None:
    """Write `sft.json` and the images that it names."""
    folder = ImageFolder(directory)
    write_list(directory / FILE, (to_record(trajectory, folder) for trajectory in trajectories))


def to_record(trajectory: Trajectory, folder: ImageFolder) -> dict[str, Any]:
    """One record; its images go into `folder`."""
    messages = to_conversation(trajectory).messages
    return {
        "messages": [{"role": message.role, "content": message.text} for message in messages],
        "images": [folder.add(image) for message in messages for image in message.images],
    }


def read(path: Path, image_root: Path) -> Iterator[Record]:
    """The records of one file.

    Args:
        path: The JSON file.
        image_root: Folder that its image paths are relative to and may not leave.

    Raises:
        DatasetError: It is no JSON list.
    """
    for row, record in enumerate(read_list(path)):
        parse = partial(read_record, record, path, row, image_root.resolve())
        yield chat_record(Origin(NAME, path, row), parse)
