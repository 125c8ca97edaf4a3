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

GRAIN_SIDE = 2112
"""Side of the shared noise picture in pixels."""

GRAIN_DEVIATION = 2.0
"""Standard deviation of the noise in grey levels: a good camera at low light."""


def daylight(
    picture: Canvas | Image.Image | npt.NDArray[np.uint32],
    rng: random.Random,
    shade: float = 0.12,
    noise: float = GRAIN_DEVIATION,
) -> Image.Image:
    """Photographic finish: light falling off from one side, and sensor noise.

    Args:
        picture: A finished canvas or a canvas's `words`, which are lit in place, or an RGB image, which is
            copied first.
        rng: Chooses the light's direction and the noise.
        shade: Brightness lost at the darkest edge, as a share.
        noise: Standard deviation of the noise on white, in grey levels, at most 25.

    Returns:
        An image of mode RGBX: RGB with a byte of padding, which `as_jpeg` takes as it is.
    """
    turn = rng.uniform(0, 2 * math.pi)
    words = picture.words if isinstance(picture, Canvas) else picture
    words = _words(words) if isinstance(words, Image.Image) else words
    height, width = words.shape
    across = 0.7 * shade * math.cos(turn) * np.linspace(-0.5, 0.5, width)
    down = 0.7 * shade * math.sin(turn) * np.linspace(-0.5, 0.5, height)
    column = np.round(256 * (1 - 0.5 * shade - across)).astype(np.int16)
    row = np.round(-256 * down).astype(np.int16)[:, None]
    left, top, strength = rng.randrange(64), rng.randrange(64), round(4 * noise)
    level = np.empty((BAND, width), np.int16)
    dim = _Dimmer(width)
    for start in range(0, height, BAND):
        stop = min(start + BAND, height)
        part = level[: stop - start]
        np.add(_grain_band(strength, top + start, stop - start, left, width), column, out=part)
        part += row[start:stop]
        np.clip(part, 0, 256, out=part)
        dim(words[start:stop], part)
    return Image.frombuffer("RGBX", (width, height), words, "raw", "RGBX", 0, 1)


def _words(image: Image.Image) -> npt.NDArray[np.uint32]:
    """Pixels packed in words, uint32 `[height, width]`."""
    return np.array(image.convert("RGBX")).view(np.uint32)[..., 0]


BAND = 32
"""Rows that are lit at once: what they need stays in the processor's cache."""


class _Dimmer:
    """Multiplies all channels of pixels, packed in words, by `level` / 256, in place.

    Two channels are multiplied at once, with room for a product between them: four times as fast as channel
    by channel, and most of what a picture costs.
    """

    def __init__(self, width: int) -> None:
        self._level, self._even, self._odd = (np.empty((BAND, width), np.uint32) for _ in range(3))

    def __call__(self, words: npt.NDArray[np.uint32], level: npt.NDArray[np.int16]) -> None:
        wide, even, odd = (each[: len(words)] for each in (self._level, self._even, self._odd))
        np.copyto(wide, level, casting="unsafe")
        pairs, evens, odds = words.view(np.uint16), even.view(np.uint16), odd.view(np.uint16)
        np.bitwise_and(pairs, 0x00FF, out=evens)
        np.right_shift(pairs, 8, out=odds)
        even *= wide
        odd *= wide
        evens >>= 8
        odds &= 0xFF00
        np.bitwise_or(even, odd, out=words)


@lru_cache(maxsize=4)
def _grain(strength: int) -> npt.NDArray[np.int16]:
    # Shared and cut at a random place: fresh normals for every picture cost more than drawing the picture.
    normals = np.random.default_rng(0).standard_normal((GRAIN_SIDE, GRAIN_SIDE), dtype=np.float32)
    coarse = np.round(64 * np.clip(normals, -5, 5)).astype(np.int16)
    return (coarse * np.int16(strength) + np.int16(128)) >> 8


def _grain_band(strength: int, top: int, rows: int, left: int, columns: int) -> npt.NDArray[np.int16]:
    """A band of normal noise of `strength` / 4 levels, int16 `[rows, columns]`.

    It repeats where a picture is larger.
    """
    start = top % (GRAIN_SIDE - BAND)
    band = _grain(strength)[start : start + rows]
    if left + columns > GRAIN_SIDE:
        band = np.tile(band, (1, -(-(left + columns) // GRAIN_SIDE)))
    return band[:, left : left + columns]


def as_jpeg(image: Image.Image, quality: int, *, fine_colour: bool = False) -> EncodedImage:
    """Encode as JPEG; photographs carry its artefacts, as found ones do.

    Args:
        image: RGB or RGBX.
        quality: PIL's 1-95.
        fine_colour: Keep colour at full resolution (4:4:4) instead of at half of it (4:2:0).
    """
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=quality, subsampling=0 if fine_colour else 2)
    data = buffer.getvalue()
    return EncodedImage(data, image.width, image.height, hashlib.sha256(data).hexdigest())
