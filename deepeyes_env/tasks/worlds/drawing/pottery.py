"""A potter's shop: glazed pots on wooden shelves against a sunlit wall."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from deepeyes_env.tasks.worlds.drawing.brush import ellipse
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Colour, Point, gradient, mix
from deepeyes_env.tasks.worlds.drawing.wood import grain

WIDTH, HEIGHT = 1260, 868

BOARDS = (398.0, 796.0)
"""Rows of the upper edges of the two shelves."""

FORMS: dict[str, tuple[Point, ...]] = {
    "vase": ((0, 0.17), (0.05, 0.19), (0.35, 0.29), (0.55, 0.27), (0.8, 0.12), (0.9, 0.12), (1, 0.2)),
    "bottle": ((0, 0.2), (0.06, 0.23), (0.3, 0.27), (0.5, 0.22), (0.64, 0.09), (0.9, 0.065), (1, 0.09)),
    "jug": ((0, 0.22), (0.05, 0.25), (0.3, 0.32), (0.55, 0.28), (0.78, 0.2), (0.95, 0.2), (1, 0.22)),
    "jar": ((0, 0.24), (0.06, 0.29), (0.4, 0.34), (0.7, 0.33), (0.85, 0.25), (0.93, 0.22), (1, 0.24)),
    "bowl": ((0, 0.2), (0.06, 0.22), (0.2, 0.36), (0.45, 0.56), (0.7, 0.68), (0.9, 0.73), (1, 0.74)),
}
"""Form -> its profile from foot to rim: height and half width, both as shares of the pot's height."""

WALLS = (("#efe6d6", "#dccdb4"), ("#dfe6e4", "#c3cfcc"), ("#efdcd2", "#d8bcae"), ("#e3e4d3", "#c8cab0"))
WOODS = ("#8a6240", "#6f4e37", "#9a7650", "#7b5b48")


@lru_cache(maxsize=len(FORMS))
def profile(form: str) -> npt.NDArray[np.float64]:
    """A form's smooth profile, `[30, 2]`: height and half width as shares of its height."""
    heights, widths = np.array(FORMS[form]).T
    even = np.linspace(0, 1, 30)
    # Running means round the corners; the ends are kept.
    smooth = np.interp(even, heights, widths)
    for _ in range(3):
        smooth[1:-1] = (smooth[:-2] + smooth[1:-1] + smooth[2:]) / 3
    return np.stack([even, smooth], axis=1)


def half_width(form: str, share: float) -> float:
    """Half width of a form at a share of its height, as a share of its height."""
    heights, widths = profile(form).T
    return float(np.interp(share, heights, widths))


def stands(count: int, jitter: float, rng: random.Random) -> list[Point]:
    """Where `count` pots stand on the shelves, in pixels, row by row.

    Args:
        count: At least 2.
        jitter: How far a pot may stand from its even place, as a share of the distance between places.
        rng: Shifts them.
    """
    upper = count // 2
    places = []
    for board, of_row in zip(BOARDS, (upper, count - upper), strict=True):
        step = (WIDTH - 60) / of_row
        places += [
            (30 + step * (column + 0.5 + rng.uniform(-jitter, jitter)), board - 2) for column in range(of_row)
        ]
    return places


def shop(rng: random.Random) -> Canvas:
    """The bare shop: a wall in the light of a window, and two shelves."""
    canvas = Canvas(WIDTH, HEIGHT, gradient(HEIGHT, *rng.choice(WALLS)))
    _sunlight(canvas, rng)
    wood = rng.choice(WOODS)
    for board in BOARDS:
        canvas.rectangle(0, board + 44, WIDTH, board + 62, "black", alpha=0.08)
        canvas.rectangle(0, board + 30, WIDTH, board + 44, "black", alpha=0.17)
        canvas.rectangle(0, board - 6, WIDTH, board, mix(wood, "white", 0.18))
        canvas.rectangle(0, board, WIDTH, board + 30, wood)
        grain(canvas, board + 4, board + 27, 26, wood, rng)
        canvas.line([(0, board + 0.5), (WIDTH, board + 0.5)], mix(wood, "white", 0.35), 1.2)
    return canvas


def _sunlight(canvas: Canvas, rng: random.Random) -> None:
    # The shape of a window's panes, thrown aslant on the wall.
    left, top = rng.uniform(0, 0.6) * canvas.width, rng.uniform(-0.1, 0.3) * canvas.height
    wide, slope = rng.uniform(110, 180), rng.uniform(0.25, 0.6)
    for column in range(3):
        for row in range(2):
            x, y = left + column * (wide + 16), top + row * 230 + column * wide * slope
            pane = [(x, y), (x + wide, y + wide * slope), (x + wide, y + wide * slope + 210), (x, y + 210)]
            canvas.polygon(pane, "#fff6dc", alpha=0.38)


@dataclass(frozen=True, slots=True)
class Pot:
    """A pot standing at `(x, foot)`, a key of `FORMS`, `height` pixels high."""

    form: str
    x: float
    foot: float
    height: float
    glaze: Colour


def stand(canvas: Canvas, pots: Sequence[Pot]) -> None:
    """Paint pots that do not hide one another; a pot looks the same every time."""
    bodies, shadows, rims, mouths = [], [], [], []
    for pot in pots:
        widths = profile(pot.form)[:, 1] * pot.height
        if pot.form == "jug":
            _handle(canvas, pot)
        bodies.append(_strip(pot, (1.0, -1.0)))
        shadow = widths[0] * 1.5, pot.height * 0.035
        shadows.append(ellipse(pot.x + pot.height * 0.06, pot.foot, *shadow))
        rim, top = pot.height * 0.022 + widths[-1] * 0.1, pot.foot - pot.height
        rims.append(ellipse(pot.x, top, widths[-1], rim))
        mouths.append(ellipse(pot.x, top + 1, widths[-1] * 0.82, rim * 0.7))
    glazes = [pot.glaze for pot in pots]
    canvas.polygons(shadows, "black", alpha=0.28)
    canvas.polygons(bodies, glazes, [mix(glaze, "black", 0.35) for glaze in glazes], 1)
    for span, tone, alpha in SHADES:
        canvas.polygons([_strip(pot, span) for pot in pots], tone, alpha=alpha)
    canvas.polygons(rims, [mix(glaze, "white", 0.25) for glaze in glazes])
    canvas.polygons(mouths, [mix(glaze, "black", 0.6) for glaze in glazes])


SHADES = (((0.62, 0.985), "black", 0.2), ((0.36, 0.7), "black", 0.09), ((-0.78, -0.52), "white", 0.3))
"""Strips down a pot, by their sides as shares of its half width: shade, half shade and gleam."""


def rings(pot: Pot, shares: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """The lines that painted rings follow on a pot's front, at shares of its height, `[n, 9, 2]`."""
    heights, widths = profile(pot.form).T
    wide = np.interp(shares, heights, widths)[:, None] * pot.height
    turns = math.pi * (0.5 + np.linspace(-0.47, 0.47, 9))
    rows = pot.foot - shares[:, None] * pot.height
    return np.stack([pot.x - wide * np.cos(turns), rows + wide * 0.1 * np.sin(turns)], axis=-1)


def _strip(pot: Pot, span: tuple[float, float]) -> npt.NDArray[np.float64]:
    """The part of a pot between two shares of its half width, `[60, 2]`."""
    shares, widths = profile(pot.form).T * pot.height
    one, other = (np.stack([pot.x + widths * share, pot.foot - shares], axis=1) for share in span)
    return np.concatenate([one, other[::-1]])


def _handle(canvas: Canvas, pot: Pot) -> None:
    turns = [math.pi * (step / 10 - 0.5) for step in range(11)]
    loop = [
        (
            pot.x + pot.height * (0.2 + 0.17 * math.cos(t)),
            pot.foot - pot.height * (0.62 - 0.22 * math.sin(t)),
        )
        for t in turns
    ]
    canvas.line(loop, mix(pot.glaze, "black", 0.35), pot.height * 0.075)
    canvas.line(loop, mix(pot.glaze, "black", 0.12), pot.height * 0.055)
