"""Wood: the grain that makes a flat colour a board."""

from __future__ import annotations

import random

from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Colour, mix


def grain(canvas: Canvas, top: float, bottom: float, count: int, wood: Colour, rng: random.Random) -> None:
    """`count` thin level lines between two rows, a little darker than `wood`."""
    strokes = [
        [(x, y), (x + rng.uniform(40, 240), y + rng.uniform(-2, 2))]
        for x, y in ((rng.uniform(-90, canvas.width), rng.uniform(top, bottom)) for _ in range(count))
    ]
    canvas.lines(strokes, mix(wood, "black", 0.14), 1.2)
