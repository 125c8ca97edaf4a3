"""Portraits: oval paintings of faces that exist nowhere."""

from __future__ import annotations

import random

from deepeyes_env.tasks.worlds.drawing.brush import Brush, ellipse
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, mix
from deepeyes_env.tasks.worlds.drawing.portrait.clothes import paint_body
from deepeyes_env.tasks.worlds.drawing.portrait.face import (
    paint_beard,
    paint_face,
    paint_features,
    paint_glasses,
)
from deepeyes_env.tasks.worlds.drawing.portrait.facts import ASPECT, BACKDROPS, MATS, Portrait
from deepeyes_env.tasks.worlds.drawing.portrait.hair import paint_hair_before, paint_hair_behind
from deepeyes_env.tasks.worlds.drawing.portrait.hats import paint_hat


def paint_portrait(canvas: Canvas, look: Portrait, x: float, y: float, width: float) -> None:
    """Paint `look` in its mat, centred at `(x, y)`, `width` pixels wide and `ASPECT` times as high."""
    # The painter's hand belongs to the painting: the same strokes wherever it hangs.
    hand = random.Random(repr(look))
    brush = Brush(canvas, x, y, width / 2)
    _backdrop(brush, look, hand)
    head = Brush(
        canvas, x + look.turn * 0.03 * width / 2, y + (look.low * 0.05 - 0.12) * width / 2, width / 2
    )
    paint_hair_behind(head, look)
    paint_body(head, look, hand)
    paint_face(head, look, hand)
    paint_features(head, look)
    paint_beard(head, look, hand)
    paint_hair_before(head, look, hand)
    paint_glasses(head, look)
    paint_hat(head, look)
    _mat(brush, look)


def _backdrop(brush: Brush, look: Portrait, hand: random.Random) -> None:
    tone = BACKDROPS[look.backdrop]
    brush.shape([(-1, -ASPECT), (1, -ASPECT), (1, ASPECT), (-1, ASPECT)], mix(tone, "black", 0.3))
    for step in range(5):
        size = 0.82 - step * 0.12
        brush.oval(look.light * 0.14, -0.15, size, size * 1.2, mix(tone, "#f3e2c0", 0.08), 0.36)
    for share, ink in ((0.35, "black"), (0.35, "white"), (0.2, "#c98f4a")):
        lines = []
        for _ in range(26):
            px, py = hand.uniform(-0.9, 0.72), hand.uniform(-1.05, 1.15)
            lines.append([(px, py), (px + hand.uniform(0.05, 0.22), py + hand.uniform(-0.16, 0.02))])
        brush.strokes(lines, mix(tone, ink, share), 0.035, 0.22)


def _mat(brush: Brush, look: Portrait) -> None:
    mat = MATS[look.mat]
    box: list[Point] = [(-1, -ASPECT), (1, -ASPECT), (1, ASPECT), (-1, ASPECT)]
    oval = [tuple(point) for point in ellipse(0, 0, 0.9, 1.14).tolist()]
    brush.frame(box, oval, mat)
    brush.oval(0.012, 0.02, 0.915, 1.155, None, 0.35, "black", 0.05)
    for across, ink, width in (
        (0.92, "#7a5a22", 0.06),
        (0.925, "#d9b45a", 0.034),
        (0.905, "#f3dc98", 0.01),
        (0.95, "#5a3f16", 0.01),
    ):
        brush.oval(0, 0, across, across + 0.24, None, 1, ink, width)
    brush.shape(box, None, 1, mix(mat, "#d9b45a", 0.6), 0.03)
