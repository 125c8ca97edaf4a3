"""Episodes over chat APIs: observations as parts with images in place, and turns put together again."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from PIL import Image

from deepeyes_env.images import EncodedImage
from deepeyes_env.protocol import IMAGE_MARKER, STOP_STRINGS

EXIF_ORIENTATION = 0x0112
"""Tag of the side that is up (EXIF 2.32, section 4.6.4)."""

FORMATS = ("PNG", "JPEG", "WEBP")
"""What services take (OpenAI's guide to images and vision); other files are sent as PNG."""

Part = dict[str, Any]
"""`{"type": "text", ...}` or `{"type": "image_url", ...}`, as in OpenAI's chat messages."""

ImageT = TypeVar("ImageT")


def pieces(text: str, images: Iterable[ImageT]) -> Iterator[str | ImageT]:
    """A text and its images in the place of their markers, piece by piece; no piece of text is empty.

    Args:
        text: With one `<image>` marker per image.
        images: The images, in order; no more are taken than there are markers.
    """
    remaining = iter(images)
    first, *others = text.split(IMAGE_MARKER)
    if first:
        yield first
    for other in others:
        yield next(remaining)
        if other:
            yield other


def content_parts(text: str, images: Iterable[EncodedImage]) -> list[Part]:
    """A text with its images in the place of their markers.

    Args:
        text: With one `<image>` marker per image.
        images: The images, in order; no more are taken than there are markers.

    Returns:
        The parts, at least one, none of them empty: services refuse those.
    """
    return [
        _text(piece)
        if isinstance(piece, str)
        else {"type": "image_url", "image_url": {"url": data_url(piece)}}
        for piece in pieces(text, images)
    ] or [_text(" ")]


def data_url(image: EncodedImage) -> str:
    """The image as a `data:` address that every service shows the right way up."""
    with Image.open(io.BytesIO(image.data)) as opened:
        as_it_is = opened.format in FORMATS and opened.getexif().get(EXIF_ORIENTATION, 1) == 1
        mime = f"image/{opened.format}".lower()
    if not as_it_is:
        mime, image = "image/png", EncodedImage.from_pil(image.decode())
    return f"data:{mime};base64,{base64.b64encode(image.data).decode('ascii')}"


THOUGHT_END = "</think>\n"


def thinking(reasoning: str) -> str:
    """Reasoning that a server has moved into a field of its own, as the model wrote it; nothing if it is."""
    return f"<think>{reasoning}{THOUGHT_END}" if reasoning else ""


def split_for_stop(thought: str, content: str) -> tuple[str, str]:
    """A turn in two: what no stop string ends, and what one ends.

    Reasoning of its own may mention the tags that end a turn. Only where nothing follows it may one have
    ended it there, while the model was still thinking: vLLM looks for stop strings in reasoning too.

    Args:
        thought: The reasoning that the server has taken out of the turn, in its tags again, or nothing.
        content: The rest of the turn.
    """
    return (thought, content) if content.strip() else ("", thought.removesuffix(THOUGHT_END) + content)


def up_to_stop(text: str, stop: Sequence[str] = STOP_STRINGS) -> str:
    """The text up to the end of the first stop string in it, or all of it."""
    ends = [text.find(string) + len(string) for string in stop if string in text]
    return text[: min(ends)] if ends else text


def dropped_stop(text: str, stop: Sequence[str] = STOP_STRINGS) -> str:
    """The stop string that a server left out at the end of a turn that it stopped, or nothing.

    Args:
        text: The turn as the server gave it.
        stop: The stop strings of the request: closing tags.
    """
    opened = {text.rfind(closing.replace("</", "<")): closing for closing in stop}
    start = max(opened, default=-1)
    return opened[start] if start >= 0 and opened[start] not in text[start:] else ""


def _text(text: str) -> Part:
    return {"type": "text", "text": text}
