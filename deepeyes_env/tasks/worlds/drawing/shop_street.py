"""A street of shops with coloured doors; above each door hangs a board with an emblem."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deepeyes_env.tasks.worlds.drawing import scenery
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Colour, mix
from deepeyes_env.tasks.worlds.drawing.emblem import Emblem, paint_emblem

WIDTH, HEIGHT = 1260, 840

STREET = 680
"""Row where the shops meet the pavement."""

DOORS = {
    "red": "#c2302a",
    "yellow": "#e8bb2f",
    "blue": "#2f62b0",
    "green": "#3f9450",
    "pink": "#e0809c",
    "violet": "#7a4fa5",
    "turquoise": "#2fa9a0",
}
"""Colours of doors and of the frames above them, far apart in hue."""

WALLS = ("#d8cbb6", "#cfd2d1", "#ddd3c9", "#c9c4b6", "#e0dccf", "#c8bfb3")
BOARD = "#faf7f0"
"""Ground of a board; the encyclopaedia's emblems stand on the same."""

EMBLEM_SHARE = 0.86
"""Height of an emblem as a share of its board, as in the encyclopaedia's pictures."""

FRAME_SHARE = 0.09
"""Width of a board's frame as a share of the board's side."""

DOOR_TOP = 132
"""Height of a door in pixels."""


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop; `door` is a key of `DOORS`, `x` the middle of its door, `top` the row of its roof in pixels."""

    door: str
    emblem: Emblem
    left: float
    right: float
    x: float
    top: float


def line_up(rng: random.Random, emblems: Sequence[Emblem]) -> list[Shop]:
    """One shop for each emblem, from left to right."""
    doors, step = rng.sample(list(DOORS), len(emblems)), (WIDTH - 40) / len(emblems)
    shops = []
    for place, (door, emblem) in enumerate(zip(doors, emblems, strict=True)):
        left, right = 20 + step * place + rng.uniform(0, 5), 20 + step * (place + 1) - rng.uniform(0, 5)
        x = (left + right) / 2 + rng.uniform(-0.2, 0.2) * (step - 170)
        shops.append(Shop(door, emblem, left, right, x, rng.uniform(110, 240)))
    return shops


WARES = ("#b4643c", "#d9c48a", "#8a8f96", "#cfa05a", "#dcd6c6")


def paint_shops(shops: Sequence[Shop], board: float, rng: random.Random) -> Canvas:
    """The street; `board` is the side of a board in pixels."""
    canvas = scenery.outdoors(WIDTH, HEIGHT, STREET - 30, "#b9b0a2", rng)
    for _ in range(3):
        scenery.tree(canvas, rng.uniform(0, WIDTH), STREET - 20, rng.uniform(480, 620), rng)
    for shop in shops:
        _paint_shop(canvas, shop, board, rng)
    scenery.paving(canvas, STREET, "#a9a297", rng)
    for _ in range(rng.randint(3, 5)):
        scenery.person(canvas, rng.uniform(60, WIDTH - 60), rng.uniform(STREET + 80, HEIGHT - 16), 112, rng)
    return canvas


def _paint_shop(canvas: Canvas, shop: Shop, board: float, rng: random.Random) -> None:
    wall, roof = rng.choice(WALLS), rng.choice(("#5a4a45", "#6e5348", "#4b4f57", "#7a6a5e"))
    left, right, top, wide = shop.left, shop.right, shop.top, shop.right - shop.left
    eaves = [
        (left - 6, top),
        (left + wide * 0.16, top - 52),
        (right - wide * 0.16, top - 52),
        (right + 6, top),
    ]
    canvas.polygon(eaves, roof, mix(roof, "black", 0.3), 1.5)
    canvas.rectangle(left, top, right, STREET, wall)
    if rng.random() < 0.5:
        _bricks(canvas, left, top, right, wall)
    canvas.rectangle(left, top, right, top + 8, mix(wall, "black", 0.16))
    canvas.rectangle(left, STREET - 16, right, STREET, mix(wall, "black", 0.45))
    for column in range(3 if wide > 240 else 2):
        at = left + wide * (column + 0.5) / (3 if wide > 240 else 2)
        _paint_window(canvas, at, top + 62, rng)
    for side in (-1, 1):
        inner, outer = shop.x + side * 44, right - 12 if side > 0 else left + 12
        if abs(outer - inner) > 40:
            _paint_display(canvas, min(inner, outer), max(inner, outer), rng)
    _paint_door(canvas, shop, rng)
    _paint_board(canvas, shop, board)


def _bricks(canvas: Canvas, left: float, top: float, right: float, wall: str) -> None:
    rows = top + 12 * np.arange(int((STREET - top) / 12))
    starts = left + np.where(np.arange(len(rows)) % 2, 14, 28)
    x = starts[:, None] + 28 * np.arange(int((right - left) / 28) + 1)
    row, column = np.nonzero(x <= right)
    across, down = x[row, column], rows[row]
    level = np.stack([np.full_like(rows, left), rows, np.full_like(rows, right), rows], axis=1)
    upright = np.stack([across, down, across, down + 12], axis=1)
    canvas.lines(np.concatenate([level, upright]).reshape(-1, 2, 2), mix(wall, "black", 0.1), 1)


def _paint_window(canvas: Canvas, x: float, y: float, rng: random.Random) -> None:
    glass = rng.choice(("#324452", "#3f5666", "#f3d98b", "#2b3844"))
    parts: list[tuple[tuple[float, float, float, float], Colour]] = [
        ((x - 24.5, y - 34.5, x + 24.5, y + 34.5), "#d8d0be"),
        ((x - 23.5, y - 33.5, x + 23.5, y + 33.5), "#f5f1e6"),
        ((x - 19, y - 29, x + 19, y + 29), glass),
        ((x - 1.5, y - 29, x + 1.5, y + 29), "#f5f1e6"),
        ((x - 19, y - 7.5, x + 19, y - 4.5), "#f5f1e6"),
        ((x - 28, y + 34, x + 28, y + 40), "#e4dccb"),
    ]
    canvas.rectangles([part for part, _ in parts], [tint for _, tint in parts])


def _paint_display(canvas: Canvas, left: float, right: float, rng: random.Random) -> None:
    wood = rng.choice(("#5b4636", "#4a4f52", "#6a5a48", "#3f4a44"))
    canvas.rectangle(left, STREET - 118, right, STREET - 30, "#2c3a43", wood, 5)
    canvas.rectangle(left + 3, STREET - 50, right - 3, STREET - 33, mix(wood, "black", 0.2))
    wares: list[tuple[float, float, float, float]] = []
    tints: list[Colour] = []
    x = left + 16
    while x < right - 12:
        ware, top = rng.choice(WARES), STREET - 50 - rng.uniform(14, 40)
        wares += [(x - 7.5, top - 0.5, x + 7.5, STREET - 50), (x - 6.5, top + 0.5, x + 6.5, STREET - 51)]
        tints += [mix(ware, "black", 0.4), ware]
        x += 21
    if wares:
        canvas.rectangles(wares, tints)
    glint = [
        (left + 6, STREET - 40),
        (left + 34, STREET - 112),
        (left + 48, STREET - 112),
        (left + 18, STREET - 36),
    ]
    canvas.polygon(glint, "white", alpha=0.1)


def _paint_door(canvas: Canvas, shop: Shop, rng: random.Random) -> None:
    x, paint, top = shop.x, DOORS[shop.door], STREET - DOOR_TOP
    canvas.rectangle(x - 36, top - 8, x + 36, STREET, "#eee7d8")
    canvas.rectangle(x - 29, top, x + 29, STREET, paint)
    for row, height in ((top + 12, 44), (top + 70, 48)):
        canvas.rectangle(x - 20, row, x + 20, row + height, None, mix(paint, "black", 0.3), 2)
    canvas.circle(x + rng.choice((-1, 1)) * 23, top + 64, 3, "#d9c98a")
    canvas.rectangle(x - 40, STREET - 5, x + 40, STREET, "#8d867b")


def _paint_board(canvas: Canvas, shop: Shop, side: float) -> None:
    x, y, half = shop.x, STREET - DOOR_TOP - 30 - side / 2, side / 2
    frame = side * FRAME_SHARE
    for hook in (-0.3, 0.3):
        canvas.line(
            [(x + hook * side, y - half - frame), (x + hook * side, y - half - frame - 14)], "#33363a", 2
        )
    canvas.line(
        [(x - half * 0.9, y - half - frame - 14), (x + half * 0.9, y - half - frame - 14)], "#33363a", 3.5
    )
    canvas.rectangle(
        x - half - frame + 5,
        y - half - frame + 7,
        x + half + frame + 5,
        y + half + frame + 7,
        "black",
        alpha=0.22,
    )
    canvas.rectangle(x - half - frame, y - half - frame, x + half + frame, y + half + frame, DOORS[shop.door])
    canvas.rectangle(x - half, y - half, x + half, y + half, BOARD)
    paint_emblem(canvas, shop.emblem, x, y, side * EMBLEM_SHARE)
