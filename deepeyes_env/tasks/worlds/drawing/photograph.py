"""What makes a drawing a found picture: uneven light, sensor noise and JPEG artefacts."""

from __future__ import annotations

import hashlib
import io
import math
import random
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops

from deepeyes_env.images import EncodedImage

GRAIN_SIDE = 2112
"""Side of the shared noise picture in pixels."""

GRAIN_DEVIATION = 2.0
"""Standard deviation of the noise in grey levels: a good camera at low light."""


def daylight(
    image: Image.Image, rng: random.Random, shade: float = 0.12, noise: float = GRAIN_DEVIATION
) -> Image.Image:
    """Photographic finish: light falling off from one side, and sensor noise.

    Args:
        image: RGB.
        rng: Chooses the light's direction and the noise.
        shade: Brightness lost at the darkest edge, as a share.
        noise: Standard deviation of the noise on white, in grey levels.
    """
    turn = rng.uniform(0, 2 * math.pi)
    across, down = np.meshgrid(np.linspace(-0.5, 0.5, 16), np.linspace(-0.5, 0.5, 16))
    light = 1 - shade * (0.5 + 0.7 * (across * math.cos(turn) + down * math.sin(turn)))
    coarse = Image.fromarray(np.clip(light * 255, 0, 255).astype(np.uint8))
    grain = _grain_over(image.size, rng.randrange(64), rng.randrange(64))
    if noise != GRAIN_DEVIATION:
        stronger = (128 + (level - 128) * noise / GRAIN_DEVIATION for level in range(256))
        grain = grain.point([round(min(255.0, max(0.0, level))) for level in stronger])
    veil = ImageChops.add(coarse.resize(image.size, Image.Resampling.BILINEAR), grain, 1, -128)
    return ImageChops.multiply(image, Image.merge("RGB", (veil, veil, veil)))


@lru_cache(maxsize=1)
def _grain() -> Image.Image:
    # Shared and cut at a random place: fresh normals for every picture cost more than drawing the picture.
    normals = np.random.default_rng(0).standard_normal((GRAIN_SIDE, GRAIN_SIDE), dtype=np.float32)
    return Image.fromarray(np.clip(128 + GRAIN_DEVIATION * normals, 0, 255).astype(np.uint8))


def _grain_over(size: tuple[int, int], left: int, top: int) -> Image.Image:
    """The noise from `(left, top)` on, both below 64; repeated where a picture is larger than it."""
    step = GRAIN_SIDE - 64
    if max(size) <= step:
        return _grain().crop((left, top, left + size[0], top + size[1]))
    tile, sheet = _grain().crop((left, top, left + step, top + step)), Image.new("L", size)
    for x in range(0, size[0], step):
        for y in range(0, size[1], step):
            sheet.paste(tile, (x, y))
    return sheet


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
