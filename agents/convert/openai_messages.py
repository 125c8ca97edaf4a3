"""OpenAI's chat messages: JSON Lines of `{"messages": [...]}`, images as `image_url` parts in their place.

Images are written into the lines as data URLs, or as files whose paths, relative to the JSON Lines file, are
the URLs. Both are read, and `file://` too; nothing is fetched from a network.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from agents.convert.chat import pieces, to_conversation
from agents.convert.image_folder import ImageFolder, data_url, read_inside
from agents.convert.importer import Origin, Record, chat_record
from agents.convert.json_files import read_lines, write_lines
from agents.trajectory import Trajectory
from deepeyes_env.images import EncodedImage, ImageError
from deepeyes_env.protocol import IMAGE_MARKER
from deepeyes_env.tasks.sft_json import Conversation, Message, Role

NAME = "openai"

FILE = "messages.jsonl"
"""What is written, beside `images` if they are files."""

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "tool": "user",
    "assistant": "assistant",
}
"""Their roles -> ours; a tool's result is what the user shows (reference 1.4)."""


def write(trajectories: Iterable[Trajectory], directory: Path) -> None:
    """Write `messages.jsonl` with the images inside."""
    write_lines(directory / FILE, (to_record(trajectory, data_url) for trajectory in trajectories))


def write_with_files(trajectories: Iterable[Trajectory], directory: Path) -> None:
    """Write `messages.jsonl` and the images beside it."""
    folder = ImageFolder(directory)
    write_lines(directory / FILE, (to_record(trajectory, folder.add) for trajectory in trajectories))


def to_record(trajectory: Trajectory, url: Callable[[EncodedImage], str]) -> dict[str, Any]:
    """One line; `url` gives an image's address."""
    return {"messages": [to_message(m, url) for m in to_conversation(trajectory).messages]}


def to_message(message: Message, url: Callable[[EncodedImage], str]) -> dict[str, Any]:
    """One message; text alone stays text. `url` gives an image's address."""
    if not message.images:
        return {"role": message.role, "content": message.text}
    return {"role": message.role, "content": [_part(piece, url) for piece in pieces(message)]}


def read(path: Path, image_root: Path) -> Iterator[Record]:
    """The records of one file.

    Args:
        path: The JSON Lines file.
        image_root: Folder that paths of images are relative to and may not leave.

    Raises:
        DatasetError: The file is no JSON Lines.
    """
    for row, record in read_lines(path):
        origin = Origin(NAME, path, row)
        yield chat_record(origin, partial(_conversation, record, origin, image_root.resolve()))


def _conversation(record: Any, origin: Origin, root: Path) -> Conversation:
    said = record.get("messages") if isinstance(record, Mapping) else None
    if not isinstance(said, list):
        raise origin.error("there is no list of messages", "give {'messages': [...]}")
    return Conversation(origin.task_id, tuple(_message(message, origin, root) for message in said))


def _message(message: Any, origin: Origin, root: Path) -> Message:
    role = message.get("role") if isinstance(message, Mapping) else None
    if not isinstance(role, str) or role not in _ROLES:
        raise origin.error(f"unknown role {role!r}", f"use one of {', '.join(_ROLES)}")
    if message.get("tool_calls"):
        raise origin.error("a message has tool_calls", "write calls as <tool_call> or <code> in the text")
    content = message.get("content")
    if isinstance(content, str):
        return Message(_ROLES[role], _spoken(content, role))
    if not isinstance(content, list):
        raise origin.error(f"a {role} message has no content", "give text or a list of parts")
    texts, images = [], []
    for part in content:
        match part:
            case {"type": "text", "text": str(text)}:
                texts.append(_spoken(text, role))
            case {"type": "image_url", "image_url": {"url": str(url)}}:
                texts.append(IMAGE_MARKER)
                images.append(_image(url, origin, root))
            case _:
                raise origin.error(f"a part of a {role} message cannot be read: {part!r:.100}", _PARTS)
    return Message(_ROLES[role], "".join(texts), tuple(images))


_PARTS = "give {'type': 'text', 'text': ...} or {'type': 'image_url', 'image_url': {'url': ...}}"


def _spoken(text: str, role: str) -> str:
    """A marker in a user's text is no image here; it loses its power as in tool output."""
    return text if _ROLES[role] == "assistant" else text.replace(IMAGE_MARKER, "‹image>")


def _image(url: str, origin: Origin, root: Path) -> EncodedImage:
    try:
        return EncodedImage.from_bytes(_bytes(url, root))
    except (OSError, ValueError, ImageError) as error:
        raise origin.error(f"image {url!r:.100} cannot be used ({error})", "drop the record") from error


def _bytes(url: str, root: Path) -> bytes:
    parts = urlsplit(url)
    if parts.scheme == "data":
        head, _, data = url.partition(",")
        if not head.endswith(";base64"):
            raise ValueError("a data URL must be base64")
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise ValueError(f"the data URL is no base64: {error}") from error
    if parts.scheme not in ("", "file"):
        raise ValueError(f"nothing is fetched by {parts.scheme}; download it and give its path")
    return read_inside(root, unquote(parts.path) if parts.scheme else url)


def _part(piece: str | EncodedImage, url: Callable[[EncodedImage], str]) -> dict[str, Any]:
    if isinstance(piece, str):
        return {"type": "text", "text": piece}
    return {"type": "image_url", "image_url": {"url": url(piece)}}
