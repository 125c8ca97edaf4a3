"""A potter's shop: glazed pots on wooden shelves against a sunlit wall."""

from __future__ import annotations

import math
import random
from functools import lru_cache

import numpy as np
import numpy.typing as npt

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
    """A form's smooth profile, `[50, 2]`: height and half width as shares of its height."""
    heights, widths = np.array(FORMS[form]).T
    even = np.linspace(0, 1, 50)
    # Running means round the corners; the ends are kept.
    smooth = np.interp(even, heights, widths)
    for _ in range(8):
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
        canvas.rectangle(0, board + 30, WIDTH, board + 62, "black", alpha=0.08)
        canvas.rectangle(0, board + 30, WIDTH, board + 44, "black", alpha=0.1)
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


def pot(canvas: Canvas, form: str, x: float, foot: float, height: float, glaze: Colour) -> None:
    """A pot standing at `(x, foot)`; it looks the same every time."""
    shares, widths = profile(form).T * height
    canvas.ellipse(x + height * 0.06, foot, widths[0] * 1.5, height * 0.035, "black", 0.28)
    if form == "jug":
        _handle(canvas, x, foot, height, glaze)
    side = np.stack([x + widths, foot - shares], axis=1)
    other = np.stack([x - widths, foot - shares], axis=1)
    canvas.polygon([*map(tuple, side), *map(tuple, other[::-1])], glaze, mix(glaze, "black", 0.35), 1)
    _strip(canvas, x, foot, shares, widths, (0.62, 0.985), "black", 0.2)
    _strip(canvas, x, foot, shares, widths, (0.36, 0.7), "black", 0.09)
    _strip(canvas, x, foot, shares, widths, (-0.78, -0.52), "white", 0.3)
    rim = height * 0.022 + widths[-1] * 0.1
    canvas.ellipse(x, foot - height, widths[-1], rim, mix(glaze, "white", 0.25))
    canvas.ellipse(x, foot - height + 1, widths[-1] * 0.82, rim * 0.7, mix(glaze, "black", 0.6))


def ring(form: str, x: float, foot: float, height: float, share: float) -> list[Point]:
    """The line that a painted ring follows on a pot's front, at a share of its height."""
    wide = half_width(form, share) * height
    turns = [math.pi * (0.5 + (step / 8 - 0.5) * 0.94) for step in range(9)]
    return [(x - wide * math.cos(t), foot - share * height + wide * 0.1 * math.sin(t)) for t in turns]


def _strip(
    canvas: Canvas,
    x: float,
    foot: float,
    shares: npt.NDArray[np.float64],
    widths: npt.NDArray[np.float64],
    span: tuple[float, float],
    tone: str,
    alpha: float,
) -> None:
    inner, outer = (np.stack([x + widths * share, foot - shares], axis=1) for share in span)
    canvas.polygon([*map(tuple, inner), *map(tuple, outer[::-1])], tone, alpha=alpha)


def _handle(canvas: Canvas, x: float, foot: float, height: float, glaze: Colour) -> None:
    turns = [math.pi * (step / 10 - 0.5) for step in range(11)]
    loop = [
        (x + height * (0.2 + 0.17 * math.cos(t)), foot - height * (0.62 - 0.22 * math.sin(t))) for t in turns
    ]
    canvas.line(loop, mix(glaze, "black", 0.35), height * 0.075)
    canvas.line(loop, mix(glaze, "black", 0.12), height * 0.055)
