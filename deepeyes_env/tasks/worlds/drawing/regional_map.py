"""Maps of a region: towns at their places, rivers through them, a grid in kilometres and a scale."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deepeyes_env.tasks.worlds.drawing.brush import Brush, smooth
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, mix, text_width

KILOMETRES = 100
"""Side of the mapped square."""

PAPERS = ("#f0e6cc", "#ece4d2", "#e6e8d4", "#f3ead8")


Projection = Callable[[float, float], Point]
"""Kilometres east and north -> pixels."""


@dataclass(frozen=True, slots=True)
class Place:
    """A town on a map: kilometres east and north of its lower left corner, and the river it lies on."""

    name: str
    east: int
    north: int
    river: str


def paint_regional_map(
    canvas: Canvas, title: str, places: Sequence[Place], x: float, y: float, side: float
) -> None:
    """Paint the map of a region: a square of `side` pixels centred at `(x, y)`.

    Coordinates along the border are kilometres; a town's label stands beside its dot.
    """
    hand = random.Random(f"map of {title}")
    inner = side * 0.86
    left, top = x - inner / 2, y - inner / 2
    paper = hand.choice(PAPERS)
    frame = Brush(canvas, x, y, side / 2)
    frame.shape([(-1, -1), (1, -1), (1, 1), (-1, 1)], mix(paper, "#8a7a58", 0.15))
    canvas.rectangle(left, top, left + inner, top + inner, paper)

    def at(east: float, north: float) -> Point:
        return left + inner * east / KILOMETRES, top + inner * (1 - north / KILOMETRES)

    _relief(canvas, places, at, inner, hand)
    grid = [[at(step, 0), at(step, KILOMETRES)] for step in range(20, KILOMETRES, 20)]
    grid += [[at(0, step), at(KILOMETRES, step)] for step in range(20, KILOMETRES, 20)]
    canvas.lines(grid, mix(paper, "#7a6a48", 0.35), side * 0.0012)
    _rivers(canvas, places, at, side, hand)
    for place in places:
        px, py = at(place.east, place.north)
        canvas.circle(px, py, side * 0.011, "#f7f0de", "#3a2a20", side * 0.004)
        canvas.circle(px, py, side * 0.005, "#a8322c")
        size = side * 0.026
        east = px + side * 0.02 + text_width(place.name, size, "serif-bold") < left + inner
        canvas.text(
            px + side * (0.019 if east else -0.019),
            py,
            place.name,
            size,
            "#2f241a",
            "serif-bold",
            align="left" if east else "right",
        )
    canvas.rectangle(left, top, left + inner, top + inner, None, "#4a3a28", side * 0.005)
    for step in range(0, KILOMETRES + 1, 20):
        px, py = at(step, step)
        canvas.text(px, top + inner + side * 0.03, str(step), side * 0.021, "#4a3a28", "serif")
        canvas.text(left - side * 0.012, py, str(step), side * 0.021, "#4a3a28", "serif", align="right")
    canvas.text(
        x, top - side * 0.033, f"{title.upper()}  ·  kilometres", side * 0.027, "#4a3a28", "serif-bold"
    )


def _relief(
    canvas: Canvas, places: Sequence[Place], at: Projection, inner: float, hand: random.Random
) -> None:
    hills: list[list[Point]] = []
    for _ in range(70):
        east, north = hand.uniform(3, KILOMETRES - 3), hand.uniform(3, KILOMETRES - 3)
        if all(
            (east - p.east) ** 2 + (north - p.north) ** 2 > 90
            and not (abs(north - p.north) < 4 and 0 < east - p.east < 34)
            for p in places
        ):
            px, py = at(east, north)
            r = inner * hand.uniform(0.008, 0.016)
            hills.append([(px - r, py + r * 0.7), (px, py - r), (px + r, py + r * 0.7)])
    if hills:
        canvas.lines(hills, "#a08a5e", inner * 0.002)


def _rivers(
    canvas: Canvas, places: Sequence[Place], at: Projection, side: float, hand: random.Random
) -> None:
    for river in sorted({place.river for place in places}):
        stops = sorted((p.east, p.north) for p in places if p.river == river)
        start, end = (
            (0.0, stops[0][1] + hand.uniform(-12, 12)),
            (float(KILOMETRES), stops[-1][1] + hand.uniform(-12, 12)),
        )
        # The river passes just beside its towns, so that no dot hides it.
        course: list[Point] = [start, *[(e, n - 2.4) for e, n in stops], end]
        line = [
            at(min(max(e, 0.0), 100.0), min(max(n, 1.0), 99.0))
            for e, n in smooth(course, is_closed=False).tolist()
        ]
        canvas.line(line, "#7fa6bd", side * 0.007)
        canvas.line(line, "#a9cbdc", side * 0.003)
        towns = [at(place.east, place.north) for place in places]
        spot, beyond = max(
            itertools.pairwise(line[2:-2]),
            key=lambda pair: min(math.dist(pair[0], t) for t in towns),
        )
        turn = math.degrees(math.atan2(beyond[1] - spot[1], beyond[0] - spot[0]))
        lift = math.radians(turn + 90)
        x, y = spot[0] - side * 0.018 * math.cos(lift), spot[1] - side * 0.018 * math.sin(lift)
        canvas.text(x, y, river, side * 0.02, "#4a7690", "serif-italic", turn)
