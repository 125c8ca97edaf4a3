"""TRL's conversational format with images: parquet with the columns `messages` and `images`.

    dataset = load_dataset("parquet", data_files="OUT/*.parquet", split="train")
    SFTTrainer(model, SFTConfig(assistant_only_loss=True, max_length=None), train_dataset=dataset)

The content of every message is a list of `{"type": "text", "text": ...}` and `{"type": "image"}`, whose
images stand in `images` in the same order (`trl.data_utils.prepare_multimodal_messages`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.convert.chat import pieces, to_conversation
from agents.convert.image_folder import read_inside
from agents.convert.importer import Origin, Record, chat_record
from agents.convert.parquet_rows import parquet_files, rows
from agents.store.parquet_files import (
    image_column,
    image_value,
    import_pyarrow,
    text,
    with_metadata,
    write_files,
)
from agents.trajectory import Trajectory
from deepeyes_env.images import EncodedImage, ImageError
from deepeyes_env.protocol import IMAGE_MARKER
from deepeyes_env.tasks.sft_json import Conversation, Message, Role

if TYPE_CHECKING:
    import pyarrow as pa

NAME = "trl"

COLUMNS = ("messages", "images")

_ROLES: dict[str, Role] = {"system": "system", "user": "user", "tool": "user", "assistant": "assistant"}
"""Their roles -> ours; a tool's result is what the user shows (reference 1.4)."""


def schema() -> pa.Schema:
    """The two columns."""
    pa = import_pyarrow()
    block = pa.struct({"type": pa.string(), "text": pa.string()})
    message = pa.struct({"role": pa.string(), "content": pa.list_(block)})
    return with_metadata(
        pa.schema({"messages": pa.list_(message), "images": image_column()}), image_columns=["images"]
    )


def write(trajectories: Iterable[Trajectory], directory: Path) -> None:
    """Write `train-00000.parquet`, ..."""
    write_files(directory, "train", schema(), map(to_row, trajectories))


def to_row(trajectory: Trajectory) -> dict[str, Any]:
    """One row."""
    messages = to_conversation(trajectory).messages
    return {
        "messages": [{"role": m.role, "content": [_block(piece) for piece in _pieces(m)]} for m in messages],
        "images": [image_value(image) for m in messages for image in m.images],
    }


def read(path: Path, image_root: Path) -> Iterator[Record]:
    """The rows of a parquet file, or of all in a folder.

    Args:
        path: The file or folder.
        image_root: Folder of images that are not inside, whose paths may not leave it.

    Raises:
        DatasetError: A file cannot be read or lacks a column.
    """
    for file in parquet_files(path):
        for number, row in rows(file, COLUMNS):
            origin = Origin(NAME, file, number)
            yield chat_record(origin, partial(_conversation, row, origin, image_root.resolve()))


def _pieces(message: Message) -> Iterable[str | EncodedImage]:
    # Only a user's markers are images; the policy may have written one.
    return pieces(message) if message.role == "user" else [message.text]


def _block(piece: str | EncodedImage) -> dict[str, Any]:
    return {"type": "text", "text": text(piece)} if isinstance(piece, str) else {"type": "image"}


def _conversation(row: Mapping[str, Any], origin: Origin, root: Path) -> Conversation:
    given = {name: row[name] or [] for name in ("images", "messages")}
    for name, value in given.items():
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            raise origin.error(f"not a list but {value!r:.100}", "give a list", name)
    for message in given["messages"]:
        if not isinstance(message, Mapping) or not {"role", "content"} <= message.keys():
            raise origin.error(f"not a message: {message!r:.100}", "give {'role': ..., 'content': ...}")
    images = [_image(image, origin, root) for image in given["images"]]
    said = [_said(message, origin) for message in _laid_out(given["messages"], len(images))]
    wanted = sum(blocks for _, _, blocks in said)
    if wanted != len(images):
        raise origin.error(
            f"{wanted} blocks of type image for {len(images)} images", "give one block per image", "images"
        )
    remaining = iter(images)
    messages = (Message(role, text, tuple(islice(remaining, blocks))) for role, text, blocks in said)
    return Conversation(origin.task_id, tuple(messages))


def _laid_out(messages: Sequence[Mapping[str, Any]], images: int) -> Iterator[Mapping[str, Any]]:
    """Content as blocks; before a first user message of plain text stand all images, as TRL puts them."""
    waiting = images
    for message in messages:
        content = message["content"]
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
            if message["role"] == "user":
                content, waiting = [{"type": "image"}] * waiting + content, 0
        yield {"role": message["role"], "content": content}


def _said(message: Mapping[str, Any], origin: Origin) -> tuple[Role, str, int]:
    """Role, text with markers, and number of images of a message."""
    role, content = message["role"], message["content"]
    if not isinstance(role, str) or role not in _ROLES:
        raise origin.error(f"unknown role {role!r}", f"use one of {', '.join(_ROLES)}")
    if not isinstance(content, Sequence):
        raise origin.error(f"a {role} message has no content", "give a list of blocks")
    texts: list[str] = []
    for block in content:
        match block:
            case {"type": "text", "text": str(said)}:
                texts.append(said if role == "assistant" else said.replace(IMAGE_MARKER, "‹image>"))
            case {"type": "image"}:
                texts.append(IMAGE_MARKER)
            case _:
                raise origin.error(f"a block of a {role} message cannot be read: {block!r:.100}", _READABLE)
    return _ROLES[role], "".join(texts), sum(block["type"] == "image" for block in content)


_READABLE = "give {'type': 'text', 'text': ...} or {'type': 'image'}"


def _image(value: Any, origin: Origin, root: Path) -> EncodedImage:
    try:
        data = value["bytes"] if value["bytes"] is not None else read_inside(root, value["path"])
        return EncodedImage.from_bytes(data)
    except (OSError, ValueError, TypeError, KeyError, ImageError) as error:
        raise origin.error(f"an image cannot be used ({error})", "drop the row", "images") from error
