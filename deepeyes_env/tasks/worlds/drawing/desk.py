"""A wooden desk seen from above, with what lies about on it."""

from __future__ import annotations

import math
import random

from deepeyes_env.tasks.worlds.drawing.brush import Brush
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, mix

WOODS = ("#6b4630", "#7d5a3a", "#4f3629", "#8a6a4a", "#5a4038")


def desk(width: int, height: int, rng: random.Random) -> Canvas:
    """Boards with their grain, `width` by `height` pixels."""
    wood = rng.choice(WOODS)
    canvas = Canvas(width, height, wood)
    board = height / 4
    for row in range(4):
        tone = mix(wood, "black" if rng.random() < 0.5 else "white", rng.uniform(0.0, 0.08))
        canvas.rectangle(0, row * board, width, (row + 1) * board, tone)
        grain: list[list[Point]] = []
        for _ in range(9):
            y, swing, phase = row * board + rng.uniform(6, board - 6), rng.uniform(1, 4), rng.uniform(0, 6)
            grain.append([(x, y + swing * math.sin(phase + x / 130)) for x in range(0, width + 40, 40)])
        canvas.lines(grain, mix(tone, "black", 0.16), 1.2)
        canvas.line([(0, row * board), (width, row * board)], mix(wood, "black", 0.5), 2.5)
    return canvas


def pen(canvas: Canvas, x: float, y: float, size: float, rng: random.Random) -> None:
    """A dip pen of `size` pixels lying about `(x, y)`."""
    brush = Brush(canvas, x, y, size / 2, rng.uniform(-35, 35))
    barrel = rng.choice(("#2f4b6b", "#7a2a24", "#2a2a2e", "#3f5a3a"))
    brush.stroke([(-0.97, 0.07), (0.7, 0.07)], "black", 0.1, 0.25)
    brush.stroke([(-1, 0), (-0.3, 0.015), (0.62, 0)], barrel, 0.1)
    brush.stroke([(-0.9, -0.02), (0.4, -0.02)], mix(barrel, "white", 0.5), 0.02, 0.7)
    brush.shape([(0.62, -0.05), (0.98, 0.0), (0.62, 0.05)], "#c9b06a", 1, "#5a4a20", 0.012)


def inkwell(canvas: Canvas, x: float, y: float, size: float, rng: random.Random) -> None:
    """An open inkwell of `size` pixels seen from above."""
    brush = Brush(canvas, x, y, size / 2)
    glass = rng.choice(("#34566b", "#3f5f4a", "#5a4a6b"))
    brush.oval(0.1, 0.12, 1.0, 1.0, "black", 0.25)
    brush.shape(
        [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)], glass, 1, mix(glass, "black", 0.5), 0.05
    )
    brush.oval(0, 0, 0.62, 0.62, mix(glass, "white", 0.2), 1, mix(glass, "white", 0.6), 0.06)
    brush.oval(0, 0, 0.45, 0.45, "#12131c")
    brush.oval(-0.15, -0.18, 0.14, 0.08, "white", 0.4, tilt=-30)


def coins(canvas: Canvas, x: float, y: float, size: float, rng: random.Random) -> None:
    """A few coins within `size` pixels of `(x, y)`."""
    for _ in range(rng.randint(2, 4)):
        metal = rng.choice(("#c9a24a", "#b8b4a8", "#a8683c"))
        px, py, r = (
            x + rng.uniform(-1, 1) * size,
            y + rng.uniform(-1, 1) * size,
            size * rng.uniform(0.34, 0.48),
        )
        canvas.circle(px + r * 0.1, py + r * 0.14, r, "black", alpha=0.3)
        canvas.circle(px, py, r, metal, mix(metal, "black", 0.4), 1.5)
        canvas.circle(px, py, r * 0.78, None, mix(metal, "black", 0.25), 1.2)
        canvas.circle(px - r * 0.3, py - r * 0.3, r * 0.2, "white", alpha=0.35)
