"""Photographs that scikit-image carries, as the ground on which papers lie."""

from __future__ import annotations

import random
from functools import lru_cache
from importlib import resources

from PIL import Image, ImageFilter, ImageOps

from deepeyes_env.tasks.worlds.drawing.canvas import rgb
from deepeyes_env.tasks.worlds.real.packages import package

TINTS = {
    "coffee.png": None,
    "brick.png": ("#3b1f17", "#d9a583"),
    "gravel.png": ("#2b2b2d", "#cfc9bd"),
    "grass.png": ("#12240f", "#b9cf8f"),
}
"""File -> colours for its dark and its light parts; None for a photograph in colour. All are CC0."""


def ground(width: int, height: int, rng: random.Random) -> Image.Image:
    """A photograph that fills a picture, RGB, a little out of focus as what lies below a paper is."""
    photograph = _photograph(rng.choice(sorted(TINTS)))
    scale = max(width / photograph.width, height / photograph.height)
    wide, high = round(width / scale), round(height / scale)
    left, top = rng.randint(0, photograph.width - wide), rng.randint(0, photograph.height - high)
    part = photograph.crop((left, top, left + wide, top + high))
    return part.resize((width, height), Image.Resampling.BILINEAR)


def lay(paper: Image.Image, base: Image.Image, left: int, top: int, angle: float) -> Image.Image:
    """A paper lying on a picture, with its shadow.

    Args:
        paper: RGB.
        base: RGB; not changed.
        left: Left edge of the turned paper's bounds.
        top: Upper edge of the turned paper's bounds.
        angle: Degrees, anti-clockwise.
    """
    turned = paper.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    mask = Image.new("L", paper.size, 255).rotate(angle, Image.Resampling.BILINEAR, expand=True)
    shown = base.copy()
    shadow = mask.resize((mask.width // 4, mask.height // 4)).filter(ImageFilter.BoxBlur(3)).resize(mask.size)
    shown.paste("black", (left + 8, top + 10), shadow.point([value * 2 // 5 for value in range(256)]))
    shown.paste(turned, (left, top), mask)
    return shown


@lru_cache(maxsize=8)
def _photograph(name: str) -> Image.Image:
    package("skimage")
    with resources.files("skimage").joinpath("data", name).open("rb") as file, Image.open(file) as image:
        photograph = image.convert("RGB")
    if (tint := TINTS[name]) is not None:
        dark, light = map(rgb, tint)
        photograph = ImageOps.colorize(photograph.convert("L"), dark, light)
    return photograph.filter(ImageFilter.GaussianBlur(1.2))
