"""A town that climbs a hill: a picture full of different things everywhere, as a jigsaw needs it."""

from __future__ import annotations

import random

from PIL import Image

from deepeyes_env.tasks.worlds.drawing import scenery
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, mix

WALLS = ("#c9b48f", "#d8c9a8", "#b5765a", "#c99a6b", "#a9b3a8", "#e0d6c2", "#bf8d86", "#9aa7b5", "#d2a95f")
ROOFS = ("#8c4a36", "#a3583f", "#6f4438", "#5a5f68", "#94604a", "#7c3b34")
GLASS = ("#3a4b58", "#f0d58a", "#51636e", "#2f3b45")

ROWS = 5
"""Rows of houses, one before the other."""


def paint_town(side: int, rng: random.Random) -> Image.Image:
    """A square picture of `side` pixels."""
    canvas = scenery.outdoors(side, side, side * 0.34, "#7f9a66", rng)
    for row in range(ROWS):
        depth = row / (ROWS - 1)
        foot = side * (0.28 + 0.76 * depth)
        x = -rng.uniform(0, 60)
        while x < side:
            wide = side * rng.uniform(0.08, 0.13) * (0.8 + 0.5 * depth)
            _house(
                canvas, x, foot + rng.uniform(-0.03, 0.03) * side, wide, side * rng.uniform(0.15, 0.24), rng
            )
            if rng.random() < 0.3:
                scenery.tree(canvas, x + wide, foot + side * 0.03, side * rng.uniform(0.1, 0.17), rng)
            x += wide * rng.uniform(0.92, 1.25)
    return canvas.finish()


def _house(canvas: Canvas, left: float, foot: float, wide: float, high: float, rng: random.Random) -> None:
    roof, glass = rng.choice(ROOFS), rng.choice(GLASS)
    wall = mix(rng.choice(WALLS), rng.choice(("white", "black")), rng.uniform(0, 0.14))
    right, top = left + wide, foot - high
    peak = top - wide * rng.uniform(0.3, 0.6)
    ridge = left + wide * rng.choice((0.5, 0.5, 0.25, 0.75))
    canvas.rectangle(left, top, right, foot + high, wall, mix(wall, "black", 0.35), 1)
    canvas.polygon([(left - 4, top), (ridge, peak), (right + 4, top)], roof, mix(roof, "black", 0.35), 1.2)
    if rng.random() < 0.5:
        place = left + wide * rng.uniform(0.15, 0.7)
        canvas.rectangle(place, peak - 3, place + wide * 0.14, top - 2, mix(roof, "black", 0.25))
    columns = 2 if wide < 76 else 3
    for row in range(2):
        for column in range(columns):
            x, y = left + wide * (column + 0.5) / columns, top + high * (0.2 + 0.34 * row)
            half = wide * 0.24 / columns
            canvas.rectangle(x - half, y - half, x + half, y + half * 1.7, glass, "#efe8d8", 1.6)
