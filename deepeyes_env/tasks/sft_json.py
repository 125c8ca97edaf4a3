"""A record of the released SFT data: a conversation as `messages` + `images` (reference 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
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
