"""What makes a drawing a found picture: uneven light, sensor noise and JPEG artefacts."""

from __future__ import annotations

import hashlib
import io
import math
import random
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from deepeyes_env.images import EncodedImage
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas


def daylight(picture: Canvas | Image.Image, rng: random.Random, shade: float = 0.12) -> Image.Image:
    """Photographic finish: light falling off from one side, and sensor noise.

    Args:
        picture: A finished canvas, which is lit in place, or an RGB image, which is copied first.
        rng: Chooses the light's direction and the noise.
        shade: Brightness lost at the darkest edge, as a share.
    """
    turn = rng.uniform(0, 2 * math.pi)
    words = picture.words if isinstance(picture, Canvas) else _words(picture)
    height, width = words.shape
    across = 0.7 * shade * math.cos(turn) * np.linspace(-0.5, 0.5, width)
    down = 0.7 * shade * math.sin(turn) * np.linspace(-0.5, 0.5, height)
    column = np.round(256 * (1 - 0.5 * shade - across)).astype(np.int16)
    row = np.round(-256 * down).astype(np.int16)
    left, top = rng.randrange(64), rng.randrange(64)
    for start in range(0, height, BAND):
        stop = min(start + BAND, height)
        level = row[start:stop, None] + column + _grain_band(top + start, stop - start, left, width)
        _dim(words[start:stop], np.clip(level, 0, 256).astype(np.uint32))
    return Image.frombuffer("RGBX", (width, height), words, "raw", "RGBX", 0, 1).convert("RGB")


def _words(image: Image.Image) -> npt.NDArray[np.uint32]:
    """Pixels packed in words, uint32 `[height, width]`."""
    return np.array(image.convert("RGBX")).view(np.uint32)[..., 0]


BAND = 32
"""Rows that are lit at once: what they need stays in the processor's cache."""

_EVEN, _ODD = np.uint32(0x00FF00FF), np.uint32(0xFF00FF00)


def _dim(words: npt.NDArray[np.uint32], level: npt.NDArray[np.uint32]) -> None:
    """Multiply all channels of pixels, packed in words, by `level` / 256, in place.

    Two channels are multiplied at once, with room for a product between them: four times as fast as channel
    by channel, and most of what a picture costs.
    """
    even, odd = words & _EVEN, (words >> 8) & _EVEN
    even *= level
    odd *= level
    even >>= 8
    even &= _EVEN
    odd &= _ODD
    np.bitwise_or(even, odd, out=words)


GRAIN_SIDE = 2112
"""Side of the shared noise picture in pixels."""

GRAIN_DEVIATION = 2.0
"""Standard deviation of the noise in grey levels: a good camera at low light."""


@lru_cache(maxsize=1)
def _grain() -> npt.NDArray[np.int16]:
    # Shared and cut at a random place: fresh normals for every picture cost more than drawing the picture.
    normals = np.random.default_rng(0).standard_normal((GRAIN_SIDE, GRAIN_SIDE), dtype=np.float32)
    return np.round(GRAIN_DEVIATION * normals).astype(np.int16)


def _grain_band(top: int, rows: int, left: int, columns: int) -> npt.NDArray[np.int16]:
    """A band of the noise, int16 `[rows, columns]`, which repeats where a picture is larger than it."""
    start = top % (GRAIN_SIDE - BAND)
    band = _grain()[start : start + rows]
    if left + columns > GRAIN_SIDE:
        band = np.tile(band, (1, -(-(left + columns) // GRAIN_SIDE)))
    return band[:, left : left + columns]


def as_jpeg(image: Image.Image, quality: int, *, fine_colour: bool = False) -> EncodedImage:
    """Encode as JPEG; photographs carry its artefacts, as found ones do.

    Args:
        image: RGB.
        quality: PIL's 1-95.
        fine_colour: Keep colour at full resolution (4:4:4) instead of at half of it (4:2:0).
    """
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=quality, subsampling=0 if fine_colour else 2)
    data = buffer.getvalue()
    return EncodedImage(data, image.width, image.height, hashlib.sha256(data).hexdigest())
