"""A conversation as OpenAI's chat messages, images as data URLs in the place of their markers."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from PIL import Image

from agents.trajectory import Turn
from deepeyes_env.images import EncodedImage
from deepeyes_env.protocol import IMAGE_MARKER

EXIF_ORIENTATION = 0x0112
"""Tag of the side that is up (EXIF 2.32, section 4.6.4)."""

FORMATS = ("PNG", "JPEG", "WEBP")
"""What services take (OpenAI's guide to images and vision); other files are sent as PNG."""

Message = dict[str, Any]


class Conversation(Protocol):
    """What a `Transcript` and a `Trajectory` both are."""

    @property
    def system_prompt(self) -> str:
        """Text of the system message."""
        ...

    @property
    def prompt(self) -> str:
        """Text of the first observation."""
        ...

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The policy's turns, each with the observation it led to."""
        ...

    @property
    def images(self) -> tuple[EncodedImage, ...]:
        """All images in order of appearance."""
        ...


def chat_messages(conversation: Conversation) -> list[Message]:
    """The whole conversation so far.

    Args:
        conversation: A transcript or a trajectory.

    Returns:
        System message, first observation, then each turn and what it led to.
    """
    images = iter(conversation.images)
    messages: list[Message] = [{"role": "system", "content": conversation.system_prompt}]
    messages.append(_user_message(conversation.prompt, images))
    for turn in conversation.turns:
        messages.append({"role": "assistant", "content": turn.text})
        if turn.observation:
            messages.append(_user_message(turn.observation, images))
    return messages


def data_url(image: EncodedImage) -> str:
    """The image as a `data:` address that every service shows the right way up."""
    with Image.open(io.BytesIO(image.data)) as opened:
        as_it_is = opened.format in FORMATS and opened.getexif().get(EXIF_ORIENTATION, 1) == 1
        mime = f"image/{opened.format}".lower()
    if not as_it_is:
        mime, image = "image/png", EncodedImage.from_pil(image.decode())
    return f"data:{mime};base64,{base64.b64encode(image.data).decode('ascii')}"


def _user_message(text: str, images: Iterator[EncodedImage]) -> Message:
    return {"role": "user", "content": _parts(text.split(IMAGE_MARKER), images)}


def _parts(pieces: Sequence[str], images: Iterator[EncodedImage]) -> list[Message]:
    parts = [_text(pieces[0])]
    for piece in pieces[1:]:
        parts += [{"type": "image_url", "image_url": {"url": data_url(next(images))}}, _text(piece)]
    # Services refuse an empty part, and a message without any.
    return [part for part in parts if part.get("text") != ""] or [_text(" ")]


def _text(text: str) -> Message:
    return {"type": "text", "text": text}
