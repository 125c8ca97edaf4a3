"""A map of open country: hills, woods, lakes, rivers and roads, without a name on it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.path import Path

from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, closed, mix

STYLES = (
    ("#ece8d3", "#cdd8b4", "#cdb98a", "#8fb4c6", "#b08a68"),
    ("#f1eddf", "#dbe2c4", "#d8c3a0", "#9fc0cc", "#9a7f6a"),
    ("#e4e7d8", "#bfcfae", "#c3b78f", "#86abbd", "#8d7b68"),
)
"""Colours of lowland, woods, heights, water and roads."""

INK = "#2f3236"
"""Colour of frame and lettering."""

MARGIN = 34
"""Pixels between the sheet's edge and the map's frame."""


def country(width: int, height: int, rng: random.Random) -> Canvas:
    """The sheet, framed, with a grid; towns are for the caller to add."""
    low, wood, high, water, road = rng.choice(STYLES)
    canvas = Canvas(width, height, low)
    for _ in range(7):
        outline = _lump(rng, rng.uniform(0, width), rng.uniform(0, height), rng.uniform(50, 130))
        canvas.path(closed(outline), mix(low, wood, rng.uniform(0.6, 1)))
        _trees(canvas, outline, mix(wood, "#3c5a3a", 0.45), rng)
    for _ in range(rng.randint(3, 4)):
        _hill(canvas, rng.uniform(0, width), rng.uniform(0, height), low, high, rng)
    for _ in range(3):
        _river(canvas, water, rng)
    _grid(canvas, mix(low, "black", 0.13))
    for _ in range(4):
        way = _winding(rng, _edge(canvas, rng), _edge(canvas, rng), 26)
        canvas.line(way, mix(road, "black", 0.15), 4.4)
        canvas.line(way, mix(low, "white", 0.4), 2.6)
    for _ in range(2):
        x, y = rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height
        shore = closed(_lump(rng, x, y, rng.uniform(16, 40)))
        canvas.path(shore, water, mix(water, "black", 0.25), 1)
    _frame(canvas, low)
    return canvas


def _lump(rng: random.Random, x: float, y: float, size: float) -> list[Point]:
    turns = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    swell = np.zeros(72)
    for wave in range(2, 8):
        swell += rng.uniform(0.3, 1.0) / wave * np.sin(wave * turns + rng.uniform(0, 6.3))
    radius = size * (1 + 0.24 * swell)
    return _points(x + radius * 1.25 * np.cos(turns), y + radius * np.sin(turns))


def _points(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> list[Point]:
    return list(zip(x.tolist(), y.tolist(), strict=True))


def _trees(canvas: Canvas, outline: list[Point], ink: tuple[int, int, int], rng: random.Random) -> None:
    x, y = (list(side) for side in zip(*outline, strict=True))
    west, east, north, south = min(x), max(x), min(y), max(y)
    places = [(rng.uniform(west, east), rng.uniform(north, south)) for _ in range(36)]
    inside = Path(np.asarray(outline)).contains_points(places)
    strokes: list[Sequence[Point]] = [
        [(left - 3, top + 3), (left, top - 4), (left + 3, top + 3)]
        for (left, top), grows in zip(places, inside, strict=True)
        if grows
    ]
    if strokes:
        canvas.lines(strokes, ink, 1)


def _hill(canvas: Canvas, x: float, y: float, low: str, high: str, rng: random.Random) -> None:
    foot, rings = np.asarray(_lump(rng, x, y, rng.uniform(110, 190))), 6
    drift = np.array([rng.uniform(-24, 24), rng.uniform(-24, 24)])
    centre = np.array([x, y])
    for ring in range(rings):
        share = 1 - ring / rings
        outline = closed((centre + (foot - centre) * share + drift * (1 - share)).tolist())
        tint = mix(low, high, 0.14 + 0.12 * ring)
        canvas.path(outline, tint, mix(tint, "#7a5a34", 0.3), 0.9)


def _river(canvas: Canvas, water: str, rng: random.Random) -> None:
    course = _winding(rng, _edge(canvas, rng), _edge(canvas, rng), 60)
    for start, width in ((0, 1.8), (12, 2.8), (26, 3.8)):
        canvas.line(course[start:], mix(water, "black", 0.08), width)


def _winding(rng: random.Random, start: Point, end: Point, swing: float) -> list[Point]:
    share = np.linspace(0, 1, 40)
    x, y = start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
    far = math.dist(start, end) or 1.0
    sway = np.zeros(40)
    for wave in (1.5, 3, 6.5):
        sway += swing / wave * np.sin(wave * 2 * math.pi * share + rng.uniform(0, 6.3))
    return _points(x - (end[1] - start[1]) / far * sway, y + (end[0] - start[0]) / far * sway)


def _edge(canvas: Canvas, rng: random.Random) -> Point:
    along, side = rng.uniform(0.1, 0.9), rng.randrange(4)
    across = canvas.width * along, canvas.height * along
    return [
        (across[0], 0.0),
        (canvas.width * 1.0, across[1]),
        (across[0], canvas.height * 1.0),
        (0.0, across[1]),
    ][side]


def _grid(canvas: Canvas, ink: tuple[int, int, int]) -> None:
    step = canvas.width / 7
    strokes = [[(step * k, 0.0), (step * k, canvas.height * 1.0)] for k in range(1, 7)]
    strokes += [
        [(0.0, step * k), (canvas.width * 1.0, step * k)] for k in range(1, int(canvas.height / step) + 1)
    ]
    canvas.lines(strokes, ink, 1)


def _frame(canvas: Canvas, paper: str) -> None:
    wide, high, margin = canvas.width, canvas.height, MARGIN
    border = mix(paper, "white", 0.6)
    for box in (
        (0, 0, wide, margin),
        (0, high - margin, wide, high),
        (0, 0, margin, high),
        (wide - margin, 0, wide, high),
    ):
        canvas.rectangle(*box, border)
    canvas.rectangle(margin, margin, wide - margin, high - margin, None, INK, 2)
    canvas.rectangle(margin - 7, margin - 7, wide - margin + 7, high - margin + 7, None, INK, 0.8)
    step = wide / 7
    for place in range(7):
        canvas.text(step * (place + 0.5), margin / 2 - 2, "ABCDEFG"[place], 13, INK, "serif")
    for place in range(int((high - margin) / step)):
        canvas.text(margin / 2 - 3, step * (place + 0.5), str(place + 1), 13, INK, "serif")
