"""A town that climbs a hill: a picture full of different things everywhere, as a jigsaw needs it."""

from __future__ import annotations

import random

from deepeyes_env.tasks.worlds.drawing import scenery
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Colour, Point, box, mix

WALLS = ("#c9b48f", "#d8c9a8", "#b5765a", "#c99a6b", "#a9b3a8", "#e0d6c2", "#bf8d86", "#9aa7b5", "#d2a95f")
ROOFS = ("#8c4a36", "#a3583f", "#6f4438", "#5a5f68", "#94604a", "#7c3b34")
GLASS = ("#3a4b58", "#f0d58a", "#51636e", "#2f3b45")

ROWS = 5
"""Rows of houses, one before the other."""


def paint_town(side: int, rng: random.Random) -> Canvas:
    """A square picture of `side` pixels."""
    canvas = scenery.outdoors(side, side, side * 0.34, "#7f9a66", rng)
    for row in range(ROWS):
        depth = row / (ROWS - 1)
        foot = side * (0.28 + 0.76 * depth)
        parts: list[Part] = []
        panes: list[Pane] = []
        trees, x = [], -rng.uniform(0, 60)
        while x < side:
            wide = side * rng.uniform(0.08, 0.13) * (0.8 + 0.5 * depth)
            house = x, foot + rng.uniform(-0.03, 0.03) * side, wide, side * rng.uniform(0.15, 0.24)
            parts += _house(*house, rng)
            panes += _panes(*house, rng.choice(GLASS))
            if rng.random() < 0.3:
                trees.append((x + wide, foot + side * 0.03, side * rng.uniform(0.1, 0.17)))
            x += wide * rng.uniform(0.92, 1.25)
        outlines, fills, edges = zip(*parts, strict=True)
        canvas.polygons(outlines, list(fills), list(edges), 1.2)
        boxes, tones = zip(*panes, strict=True)
        canvas.rectangles(boxes, list(tones))
        for tree in trees:
            scenery.tree(canvas, *tree, rng)
    return canvas


Part = tuple[list[Point], Colour, Colour]
"""Outline of a part of a house, its colour, and its edge's."""

Pane = tuple[tuple[float, float, float, float], Colour]
"""Left, top, right and bottom of a pane or of its frame, and its colour."""


def _house(left: float, foot: float, wide: float, high: float, rng: random.Random) -> list[Part]:
    """Wall, roof and perhaps a chimney."""
    roof = rng.choice(ROOFS)
    wall = mix(rng.choice(WALLS), rng.choice(("white", "black")), 0.02 * rng.randint(0, 7))
    right, top = left + wide, foot - high
    peak = top - wide * rng.uniform(0.3, 0.6)
    ridge = left + wide * rng.choice((0.5, 0.5, 0.25, 0.75))
    parts: list[Part] = [
        (box(left, top, right, foot + high), wall, mix(wall, "black", 0.35)),
        ([(left - 4, top), (ridge, peak), (right + 4, top)], roof, mix(roof, "black", 0.35)),
    ]
    if rng.random() < 0.5:
        place = left + wide * rng.uniform(0.15, 0.7)
        chimney = mix(roof, "black", 0.25)
        parts.append((box(place, peak - 3, place + wide * 0.14, top - 2), chimney, chimney))
    return parts


def _panes(left: float, foot: float, wide: float, high: float, glass: str) -> list[Pane]:
    """The windows' frames and their glass; no house hides those of the house to its left."""
    columns, top = 2 if wide < 76 else 3, foot - high
    half = wide * 0.24 / columns
    panes: list[Pane] = []
    for row in range(2):
        for column in range(columns):
            x, y = left + wide * (column + 0.5) / columns, top + high * (0.2 + 0.34 * row)
            for rim, tone in ((0.8, "#efe8d8"), (-0.8, glass)):
                panes.append(((x - half - rim, y - half - rim, x + half + rim, y + half * 1.7 + rim), tone))
    return panes
