"""What the backends over a network share: how images get in, and what an untrusted reply may hold."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence

from PIL import Image

from deepeyes_env.images import ImageError, decode_rgb
from deepeyes_env.sandbox.base import SandboxLimits

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_BASE64_PER_BYTE = 4 / 3
_BYTES_PER_PIXEL = 3
_CONTAINER_BYTES = 1 << 20
"""Room for an image file's own overhead: headers, filters, metadata."""


def setup_cell(files: Sequence[str], seed: int) -> str:
    """The cell that a session begins with: seeded generators, and `image_1`, `image_2`, ...

    It leaves no other name behind.

    Args:
        files: For each image, a Python expression that gives what `PIL.Image.open` takes.
        seed: Seed of `random` and NumPy's legacy generator.
    """
    lines = [f'__import__("random").seed({seed})', f'__import__("numpy").random.seed({seed % 2**32})']
    lines += [
        f'image_{number} = __import__("PIL.Image").Image.open({file}).convert("RGB")'
        for number, file in enumerate(files, 1)
    ]
    return "\n".join(lines)


def sendable(text: str) -> str:
    """The text with lone surrogates replaced, so that it can be encoded."""
    return text.encode("utf-8", "replace").decode()


def clean(text: object, limits: SandboxLimits) -> tuple[str, bool]:
    """A stream of a reply as text that can be shown, and whether it was cut.

    Terminal colours go, what is no text becomes empty, lone surrogates are replaced, the middle is cut.
    """
    if not isinstance(text, str):
        return "", text is not None
    shown = sendable(_ANSI.sub("", text))
    if len(shown) <= limits.output_chars:
        return shown, False
    half = limits.output_chars // 2
    notice = f"\n[... cut: {len(shown)} characters written, output_chars = {limits.output_chars} kept ...]\n"
    return shown[:half] + notice + shown[len(shown) - half :], True


def decode_images(encoded: Iterable[object], limits: SandboxLimits) -> tuple[tuple[Image.Image, ...], bool]:
    """The pictures of a reply, and whether any was left out.

    A cell can send what it likes as a picture, so one that is too large or does not decode is left out; it is
    no failure of the server.

    Args:
        encoded: Pictures in base64, with or without a `data:` prefix.
        limits: Number and area of the pictures that are kept.
    """
    images: list[Image.Image] = []
    left_out = False
    room = limits.pixels_per_cell
    for item in encoded:
        if len(images) == limits.images_per_cell:
            return tuple(images), True
        try:
            images.append(_decode(item, min(limits.pixels_per_image, room)))
            room -= images[-1].width * images[-1].height
        except ValueError:
            left_out = True
    return tuple(images), left_out


def _decode(encoded: object, max_pixels: int) -> Image.Image:
    if not isinstance(encoded, str):
        raise ImageError("a picture that is no text")
    data = encoded.partition(",")[2] if encoded.startswith("data:") else encoded
    if len(data) > _BASE64_PER_BYTE * (_BYTES_PER_PIXEL * max_pixels + _CONTAINER_BYTES):
        raise ImageError(f"a picture of more than {max_pixels} pixels")
    return decode_rgb(base64.b64decode(data), max_pixels)
