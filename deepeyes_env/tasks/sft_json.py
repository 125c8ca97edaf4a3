"""The released SFT data: conversations as `messages` + `images` (reference 4.1), read one by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deepeyes_env.images import EncodedImage, ImageError
from deepeyes_env.protocol import IMAGE_MARKER
from deepeyes_env.tasks.dataset_error import DatasetError

Role = Literal["system", "user", "assistant"]

ROLES: tuple[Role, ...] = ("system", "user", "assistant")
"""There is no tool role: tool output comes as `user` messages (reference 4.1)."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        role: Who speaks.
        text: The text, with one `<image>` marker per image.
        images: The images of this message, in the order of the markers.
    """

    role: Role
    text: str
    images: tuple[EncodedImage, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversation:
    """One training conversation; `name` is its file and number."""

    name: str
    messages: tuple[Message, ...]


def read_conversations(
    path: str | Path,
    image_root: str | Path | None = None,
    on_bad_row: Callable[[DatasetError], None] | None = None,
) -> Iterator[Conversation]:
    """Read conversations; the images of one are decoded when it is reached.

    Args:
        path: A JSON file that holds a list of records.
        image_root: Folder that image paths are relative to and may not leave; None is the file's folder.
        on_bad_row: Is told of each record that cannot be used, which is then left out. The released data has
            some (reference 4.1). None raises instead.

    Raises:
        DatasetError: The file is not a JSON list, or a record cannot be used and `on_bad_row` is None.
    """
    file = Path(path)
    root = (Path(image_root) if image_root is not None else file.parent).resolve()
    for row, record in enumerate(_records(file)):
        try:
            yield read_record(record, file, row, root)
        except DatasetError as error:
            if on_bad_row is None:
                raise
            on_bad_row(error)


def read_record(record: Any, file: Path, row: int, root: Path) -> Conversation:
    """Check one record and load its images.

    Args:
        record: The parsed record.
        file: Where it comes from, for messages and the conversation's name.
        row: Its number in the file.
        root: Resolved folder of the images.

    Raises:
        DatasetError: A field is missing, the markers do not match the images, or an image is unusable.
    """
    if not isinstance(record, Mapping):
        raise DatasetError(file, "the record is not an object", "give 'messages' and 'images'", row=row)
    said = [_message(message, file, row) for message in _list(record, "messages", file, row)]
    paths = _list(record, "images", file, row) if record.get("images") is not None else []
    markers = sum(text.count(IMAGE_MARKER) for _, text in said)
    if not said:
        raise DatasetError(file, "the conversation is empty", "drop the record", row=row, column="messages")
    if markers != len(paths):
        raise DatasetError(
            file,
            f"{markers} {IMAGE_MARKER} markers for {len(paths)} images",
            "every image needs exactly one marker; drop the record",
            row=row,
            column="images",
        )
    images = iter([_image(image, file, row, root) for image in paths])
    messages = tuple(
        Message(role, text, tuple(next(images) for _ in range(text.count(IMAGE_MARKER))))
        for role, text in said
    )
    return Conversation(f"{file.stem}/{row}", messages)


def _records(file: Path) -> list[Any]:
    try:
        records = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(
            file, f"cannot be read as JSON ({error})", "give a JSON list of records"
        ) from error
    if not isinstance(records, list):
        raise DatasetError(file, "the file is not a JSON list", "give a JSON list of records")
    return records


def _list(record: Mapping[str, Any], key: str, file: Path, row: int) -> list[Any]:
    value = record.get(key)
    if not isinstance(value, list):
        raise DatasetError(
            file, "the field is missing or not a list", "see reference 4.1", row=row, column=key
        )
    return value


def _message(message: Any, file: Path, row: int) -> tuple[Role, str]:
    role = message.get("role") if isinstance(message, Mapping) else None
    if role not in ROLES:
        raise DatasetError(
            file, f"unknown role {role!r}", f"use one of {', '.join(ROLES)}", row=row, column="messages"
        )
    text = message.get("content")
    if not isinstance(text, str):
        raise DatasetError(
            file, f"a {role} message has no text", "give 'content' as text", row=row, column="messages"
        )
    return role, text


def _image(path: Any, file: Path, row: int, root: Path) -> EncodedImage:
    try:
        place = (root / str(path)).resolve()
    except ValueError as error:
        raise DatasetError(
            file, f"image {path!r} is no path ({error})", "drop the record", row=row, column="images"
        ) from error
    if not place.is_relative_to(root):
        raise DatasetError(
            file,
            f"image {str(path)!r} lies outside {str(root)!r}",
            "set image_root to the folder that holds the images",
            row=row,
            column="images",
        )
    try:
        return EncodedImage.from_bytes(place.read_bytes())
    except (OSError, ImageError) as error:
        raise DatasetError(
            file, f"image {str(path)!r} cannot be used ({error})", "drop the record", row=row, column="images"
        ) from error
