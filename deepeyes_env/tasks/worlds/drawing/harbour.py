"""A harbour: a town on the quay, open water, and sailing boats with numbers on their bows."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np

from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, gradient, mix
from deepeyes_env.tasks.worlds.drawing.scenery import HILLS, SKIES, cloud

SAILS = {
    "red": "#c2362c",
    "orange": "#e8812b",
    "yellow": "#edc63f",
    "green": "#3d9a5a",
    "purple": "#7b479c",
    "pink": "#e58bab",
}
"""Colours of mainsails, far apart in hue and far from the water's."""

HULLS = {
    "white": "#f2efe6",
    "black": "#2a2b30",
    "red": "#a32e2a",
    "blue": "#24418a",
    "green": "#1f6b46",
    "yellow": "#e3b23a",
}

LIGHT_HULLS = frozenset({"white", "yellow"})
"""Hulls that carry dark letters."""

WATERS = (("#8fb4c4", "#2f6480"), ("#a9c3c6", "#41727a"), ("#9db6cc", "#37587c"))

HORIZON = 0.34
"""Row where the water begins, as a share of the height."""

BOAT_ROWS = ((0.2, 0.65), (0.42, 0.75), (0.67, 0.88), (0.94, 1.0))
"""Each row of boats: its waterline as a share of the water's height, and the boats' relative size."""


@dataclass(frozen=True, slots=True)
class Boat:
    """One boat.

    Attributes:
        sail: Colour of its mainsail, a key of `SAILS`.
        hull: A key of `HULLS`.
        number: On its bow.
        x: Its mast in pixels.
        line: Its waterline in pixels.
        size: Height of its mast in pixels.
        bow: -1 where it sails to the left, 1 to the right.
    """

    sail: str
    hull: str
    number: str
    x: float
    line: float
    size: float
    bow: int


def waters(width: int, height: int, rng: random.Random) -> Canvas:
    """The harbour without its boats."""
    horizon = round(height * HORIZON)
    sky = gradient(horizon, *rng.choice(SKIES))
    canvas = Canvas(width, height, np.concatenate([sky, gradient(height - horizon, *rng.choice(WATERS))]))
    for _ in range(9):
        cloud(
            canvas,
            rng.uniform(0, width),
            horizon * rng.uniform(0.08, 0.6),
            width * rng.uniform(0.018, 0.05),
            rng,
        )
    for depth, hill in enumerate(rng.sample(HILLS, 2)):
        phase, crest = rng.uniform(0, 6), horizon * (0.6 + 0.14 * depth)
        ridge = [
            (
                x,
                crest
                + horizon * (0.1 * math.sin(phase + 9 * x / width) + 0.02 * math.sin(phase + 37 * x / width)),
            )
            for x in np.linspace(0, width, 90).tolist()
        ]
        canvas.polygon([*ridge, (width, horizon), (0, horizon)], mix(hill, "#cfe0ea", 0.45 - 0.3 * depth))
    _town(canvas, horizon, rng)
    _waves(canvas, horizon, rng)
    return canvas


def _town(canvas: Canvas, quay: float, rng: random.Random) -> None:
    x, panes = 0.0, []
    while x < canvas.width:
        wide, tall = canvas.width * rng.uniform(0.012, 0.026), quay * rng.uniform(0.16, 0.34)
        wall = rng.choice(("#e9e0cf", "#d9cbb4", "#cfd3d2", "#e0cfc4", "#c9bda8", "#dfd9c8", "#b9b4ad"))
        roof = rng.choice(("#7c5145", "#5b5f68", "#8a6350", "#6d5a52"))
        canvas.rectangle(x, quay - tall, x + wide, quay, wall)
        canvas.polygon(
            [(x - 3, quay - tall), (x + wide / 2, quay - tall * 1.3), (x + wide + 3, quay - tall)], roof
        )
        rows = int(tall // (wide * 0.38))
        for row in range(rows):
            for column in (0.28, 0.72):
                y = quay - tall + (row + 0.35) * tall / (rows + 0.4)
                panes.append([(x + wide * column, y), (x + wide * column, y + wide * 0.16)])
        x += wide * rng.uniform(1.0, 1.12)
    canvas.lines(panes, "#4c5763", canvas.width * 0.0022)
    _lighthouse(canvas, canvas.width * rng.uniform(0.08, 0.92), quay, quay * 0.62)
    stone = "#8f8a80"
    canvas.rectangle(0, quay - quay * 0.02, canvas.width, quay + quay * 0.035, stone)
    joints = [
        [(x, quay - quay * 0.012), (x, quay + quay * 0.028)]
        for x in np.arange(0, canvas.width, canvas.width / 90).tolist()
    ]
    canvas.lines(joints, mix(stone, "black", 0.25), 1.5)


def _lighthouse(canvas: Canvas, x: float, foot: float, tall: float) -> None:
    def wide(share: float) -> float:
        return tall * (0.085 - 0.03 * share)

    for band in range(5):
        a, b = band / 5 * 0.84, (band + 1) / 5 * 0.84
        edge = [(x - wide(a), foot - a * tall), (x + wide(a), foot - a * tall)]
        far = [(x + wide(b), foot - b * tall), (x - wide(b), foot - b * tall)]
        canvas.polygon([*edge, *far], "#f3efe6" if band % 2 else "#5a6472")
    canvas.rectangle(
        x - wide(1) * 1.35, foot - tall * 0.86, x + wide(1) * 1.35, foot - tall * 0.83, "#33383f"
    )
    canvas.rectangle(x - wide(1) * 0.7, foot - tall * 0.94, x + wide(1) * 0.7, foot - tall * 0.86, "#f7e7a8")
    canvas.polygon(
        [(x - wide(1), foot - tall * 0.94), (x, foot - tall), (x + wide(1), foot - tall * 0.94)], "#33383f"
    )


def _waves(canvas: Canvas, horizon: float, rng: random.Random) -> None:
    for tone, count in (("#dcebef", 260), ("#1f4a63", 260)):
        strokes: list[list[Point]] = []
        for _ in range(count):
            near = rng.random() ** 0.7
            x, y = rng.uniform(0, canvas.width), horizon + 20 + near * (canvas.height - horizon - 20)
            long = canvas.width * (0.004 + 0.016 * near) * rng.uniform(0.5, 1.2)
            strokes.append(
                [(x, y), (x + long * 0.3, y - long * 0.06), (x + long * 0.7, y + long * 0.05), (x + long, y)]
            )
        canvas.lines(strokes, mix(tone, "#5f8ea6", 0.55), 1.6)


def boat(canvas: Canvas, one: Boat, letters: float, rng: random.Random) -> None:
    """A boat under sail and its reflection; `letters` is its number's height in pixels per em."""
    x, y, size, bow = one.x, one.line, one.size, one.bow
    sail, hull = SAILS[one.sail], HULLS[one.hull]
    full = rng.uniform(0.05, 0.1)

    def at(along: float, up: float) -> Point:
        return x + bow * along * size, y - up * size

    canvas.polygon([at(0, -0.02), at(-0.32, -0.02), at(-0.05, -0.42)], sail, alpha=0.16)
    canvas.polygon([at(-0.35, 0), at(0.42, 0), at(0.34, -0.1), at(-0.32, -0.1)], hull, alpha=0.35)
    canvas.line([at(0, 0.1), at(0, 1.0)], "#6b4e36", size * 0.018)
    leech = [at(-0.36 + 0.34 * t - full * math.sin(math.pi * t), 0.2 + 0.77 * t) for t in _steps()]
    canvas.polygon([at(-0.015, 0.2), *leech, at(-0.015, 0.97)], sail, mix(sail, "black", 0.25), 1)
    seams = [[at(-0.36 + 0.34 * t, 0.2 + 0.77 * t), at(-0.015, 0.22 + 0.74 * t)] for t in (0.25, 0.5, 0.75)]
    canvas.lines(seams, mix(sail, "black", 0.14), 1)
    luff = [at(0.4 - 0.385 * t, 0.16 + 0.72 * t) for t in _steps()]
    canvas.polygon([*luff, at(0.06, 0.24)], "#f3ecdb", "#b9ae98", 1)
    canvas.line([at(0.0, 0.18), at(-0.37, 0.18)], "#6b4e36", size * 0.014)
    stem = [at(0.45, 0.17), at(0.36, -0.01), at(-0.34, -0.01), at(-0.4, 0.13)]
    canvas.polygon(stem, hull, mix(hull, "black", 0.4), 1)
    canvas.line([at(-0.39, 0.135), at(0.0, 0.125), at(0.44, 0.165)], mix(hull, "white", 0.45), size * 0.012)
    ink = "#26282d" if one.hull in LIGHT_HULLS else "#f6f2e6"
    canvas.text(*at(0.13, 0.063), one.number, letters, ink, "bold")
    canvas.line([at(0.47, -0.015), at(0.2, -0.03), at(-0.42, -0.015)], "#e4eff2", size * 0.012, alpha=0.7)


def gull(canvas: Canvas, x: float, y: float, span: float) -> None:
    """A gull far off."""
    wing = [
        (x - span, y - span * 0.3),
        (x - span * 0.4, y - span * 0.45),
        (x, y),
        (x + span * 0.4, y - span * 0.45),
    ]
    canvas.line([*wing, (x + span, y - span * 0.3)], "#f4f4f0", span * 0.14)


def _steps(count: int = 9) -> list[float]:
    return [step / (count - 1) for step in range(count)]
