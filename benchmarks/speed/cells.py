"""The work that every contender does: cells, and the picture that they work on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 4_000, 3_000
"""12 megapixels, a phone's photograph."""

FIRST, FIRST_ANSWER = "x = 6\nprint(x * 7)", "42"
NEXT, NEXT_ANSWER = "x += 1\nprint(x > 6)", "True"

SIZE, SIZE_ANSWER = "print(image_1.size)", f"({WIDTH}, {HEIGHT})"
SHOW_ALL = "display(image_1)"

CROP = "view = image_1.crop((1500, 1000, 2500, 2000))\ndisplay(view)"
ENLARGE = """
import numpy
close_up = view.crop((250, 250, 750, 750)).resize((1000, 1000))
print(round(numpy.asarray(close_up).mean()))
display(close_up)
"""
SHOWN = (1_000, 1_000)
"""Size of the picture that each of these two shows."""


def write_photograph(path: Path) -> None:
    """Write a JPEG of the kind that a camera makes: smooth shapes under sensor noise, about 4 MB."""
    rng = np.random.default_rng(0)
    across, down = np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT)[:, None]
    shapes = 127 + 60 * np.sin(9 * across) * np.cos(7 * down)
    noise = rng.normal(0, 8, (HEIGHT, WIDTH))
    channels = [shapes + noise, shapes * down + noise, shapes * across + noise]
    pixels = np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, "JPEG", quality=90)
