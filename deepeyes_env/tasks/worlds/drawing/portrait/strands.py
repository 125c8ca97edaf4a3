"""Brush strokes of hair."""

from __future__ import annotations

import random

from deepeyes_env.tasks.worlds.drawing.brush import Brush
from deepeyes_env.tasks.worlds.drawing.canvas import Point, mix


def paint_strands(
    brush: Brush,
    box: tuple[float, float, float, float],
    flow: Point,
    tone: str,
    hand: random.Random,
    count: int,
) -> None:
    """Brush strokes of hair, light and dark, inside a box, along `flow`."""
    left, top, right, bottom = box
    for ink, alpha in (("black", 0.3), ("#f4dfb8", 0.22)):
        lines: list[list[Point]] = []
        for _ in range(count):
            px, py, far = hand.uniform(left, right), hand.uniform(top, bottom), hand.uniform(0.5, 1.1)
            lines.append([(px, py), (px + flow[0] * far, py + flow[1] * far)])
        brush.strokes(lines, mix(tone, ink, 0.6), 0.014, alpha)
