"""A picture of a picture: photographed again, a little off the middle, behind glass, in other light."""

from __future__ import annotations

import random
from collections.abc import Callable

from deepeyes_env.images import EncodedImage
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, mix
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight

SURROUNDINGS = ("#3a342e", "#5a5348", "#8a8272", "#2c3230", "#6b5a4a")
"""What is seen around the edge: wall, board or table."""

MARGIN = 0.02
"""Most of the width that the surroundings take on a side; image search forgives that much."""


def rephotograph(
    paint: Callable[[Canvas, float, float, float], None],
    width: int,
    height: int,
    shade: float,
    rng: random.Random,
) -> EncodedImage:
    """Photograph what `paint` paints.

    Args:
        paint: Paints a picture on a canvas, centred at x and y, so many pixels wide.
        width: Pixels of the photograph.
        height: Pixels; in the proportions of what is painted.
        shade: Brightness lost at the darkest edge, as a share.
        rng: Chooses surroundings, reflections and light.
    """
    canvas = Canvas(width, height, rng.choice(SURROUNDINGS))
    slack = width * MARGIN
    inner = width * (1 - 2 * MARGIN * rng.random())
    x, y = (size / 2 + rng.uniform(-0.3, 0.3) * slack for size in (width, height))
    canvas.rectangle(
        x - inner / 2 + 3, y - inner / 2, x + inner / 2 + 3, height, mix("#3a342e", "black", 0.5)
    )
    paint(canvas, x, y, inner)
    for _ in range(rng.randint(1, 3)):
        left, broad, lean = rng.uniform(-0.2, 1.0) * width, rng.uniform(0.04, 0.14) * width, width * 0.35
        glare = [(left + lean, 0.0), (left + lean + broad, 0.0), (left + broad, height), (left, height)]
        canvas.polygon(glare, "white", alpha=rng.uniform(0.03, 0.09))
    return as_jpeg(daylight(canvas, rng, shade=shade), rng.randint(62, 88))
