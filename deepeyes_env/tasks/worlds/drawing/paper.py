"""A sheet of paper lying on a table: turned a little, folded, stained; and letters printed on it."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Colour, Point, gradient, mix

TABLES = (("#6b4a31", "#54371f"), ("#3f4a52", "#2f383f"), ("#8a6a48", "#6f5234"), ("#5a3f3a", "#432c29"))
"""Upper and lower colour of a table top."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """Where a sheet lies; its own coordinates are pixels from its upper left corner before it is turned.

    Attributes:
        x: Column of its middle.
        y: Row of its middle.
        width: Pixels.
        height: Pixels.
        angle: Clockwise degrees.
        colour: Of the paper.
    """

    x: float
    y: float
    width: float
    height: float
    angle: float
    colour: str

    def at(self, across: float, down: float) -> Point:
        """A place of the sheet in pixels of the picture."""
        turn = math.radians(self.angle)
        dx, dy = across - self.width / 2, down - self.height / 2
        return (
            self.x + dx * math.cos(turn) - dy * math.sin(turn),
            self.y + dx * math.sin(turn) + dy * math.cos(turn),
        )

    def box(self, left: float, top: float, right: float, bottom: float) -> list[Point]:
        """Corners of a rectangle on the sheet in pixels of the picture."""
        return [self.at(left, top), self.at(right, top), self.at(right, bottom), self.at(left, bottom)]


def table_top(width: int, height: int, rng: random.Random) -> Canvas:
    """A wooden or slate table with its grain."""
    boards = _boards(width + SPARE, height + SPARE, rng.randrange(len(TABLES)))
    left, top = rng.randrange(SPARE), rng.randrange(SPARE)
    part = boards[top : top + height, left : left + width]
    canvas = Canvas(width, height)
    canvas.words[...] = part[:, ::-1] if rng.random() < 0.5 else part
    return canvas


SPARE = 160
"""Pixels by which a table is larger each way than what is seen of it."""


@lru_cache(maxsize=4 * len(TABLES))
def _boards(width: int, height: int, table: int) -> npt.NDArray[np.uint32]:
    # Shared and cut at a random place: to draw the grain anew takes as long as all else on the table.
    rng = random.Random(table)
    upper, lower = TABLES[table]
    canvas = Canvas(width, height, gradient(height, upper, lower))
    for shade in (0.12, 0.2):
        strokes = []
        for _ in range(32):
            y, sway = rng.uniform(0, height), rng.uniform(4, 22)
            phase = rng.uniform(0, 6.3)
            strokes.append(
                [(x, y + sway * math.sin(phase + x / width * 4)) for x in range(0, width + 56, 56)]
            )
        canvas.lines(strokes, mix(upper, lower if shade < 0.15 else "black", shade), rng.uniform(1, 3))
    return canvas.words.copy()


def lay(canvas: Canvas, sheet: Sheet, rng: random.Random, torn: float | None = None) -> None:
    """Lay the sheet down with its shadow and folds.

    Args:
        canvas: The table.
        sheet: The sheet.
        rng: Chooses the folds.
        torn: Row of the sheet, below which it is torn off, or None.
    """
    end = sheet.height if torn is None else torn
    edge = [sheet.at(0, 0), sheet.at(sheet.width, 0), sheet.at(sheet.width, end)]
    steps = 24
    for step in range(steps + 1):
        jag = 0.0 if torn is None else rng.uniform(-7, 7)
        edge.append(sheet.at(sheet.width * (1 - step / steps), end + jag))
    for spread, alpha in ((14, 0.1), (8, 0.16), (4, 0.2)):
        canvas.shadows([edge], spread, spread * 1.3, alpha)
    canvas.polygon(edge, sheet.colour)
    for fold in (rng.uniform(0.26, 0.4), rng.uniform(0.58, 0.74)):
        row = min(fold * sheet.height, end - 40)
        # Side by side rather than one over the other: each strip darkens as many layers as lie upon it.
        for strip in range(4):
            start, end = (0 if strip == 0 else 10 + 8 * (strip - 1)), 10 + 8 * strip
            box = sheet.box(0, row + start, sheet.width, row + end)
            canvas.polygon(box, mix(sheet.colour, "black", 0.018 * (4 - strip)))
        canvas.line([sheet.at(0, row), sheet.at(sheet.width, row)], "white", 1.5, alpha=0.7)


def write(
    canvas: Canvas,
    sheet: Sheet,
    across: float,
    down: float,
    string: str,
    size: float,
    colour: Colour,
    font: str = "mono",
    align: str = "left",
) -> None:
    """One line of print; places are the sheet's, the rest is as `Canvas.text`."""
    x, y = sheet.at(across, down)
    canvas.text(x, y, string, size, colour, font, angle=sheet.angle, align=align)


def rule(
    canvas: Canvas, sheet: Sheet, down: float, left: float, right: float, colour: Colour, width: float
) -> None:
    """A printed line across the sheet."""
    canvas.line([sheet.at(left, down), sheet.at(right, down)], colour, width)


def blot(
    canvas: Canvas, x: float, y: float, wide: float, high: float, colour: Colour, rng: random.Random
) -> None:
    """An opaque blot of ink with a ragged rim about `(x, y)`; `wide` and `high` are half its size."""
    waves = [(k, rng.uniform(0, 6.3), rng.uniform(0.01, 0.05)) for k in range(2, 8)]
    rim = []
    for step in range(60):
        turn = 2 * math.pi * step / 60
        far = 1 + sum(swell * math.sin(k * turn + phase) for k, phase, swell in waves)
        # A rounded box rather than an ellipse, so that the ends of a figure are covered too.
        across, down = math.cos(turn), math.sin(turn)
        rim.append(
            (
                x + wide * far * math.copysign(abs(across) ** 0.6, across),
                y + high * far * math.copysign(abs(down) ** 0.6, down),
            )
        )
    canvas.polygon(rim, colour)
    for _ in range(5):
        side = rng.choice((-1, 1)) * rng.uniform(1.15, 1.4)
        canvas.circle(x + wide * side, y + rng.uniform(-0.5, 0.5) * high, rng.uniform(1, 3), colour)


def coins(canvas: Canvas, rng: random.Random) -> None:
    """A few coins lying about; draw them before the sheet."""
    for _ in range(rng.randint(4, 8)):
        x, y = rng.uniform(0.02, 0.98) * canvas.width, rng.uniform(0.02, 0.98) * canvas.height
        metal, radius = rng.choice(("#c9a24a", "#b9784a", "#bfc3c7")), rng.uniform(15, 24)
        canvas.circle(x + 3, y + 4, radius, "black", alpha=0.3)
        canvas.circle(x, y, radius, metal, mix(metal, "black", 0.4), 1.2)
        canvas.circle(x, y, radius * 0.78, mix(metal, "white", 0.15), mix(metal, "black", 0.2), 1)


def cup_ring(canvas: Canvas, sheet: Sheet, rng: random.Random) -> None:
    """The faint ring that a cup left on the sheet."""
    x, y = sheet.at(rng.uniform(0, 1) * sheet.width, rng.uniform(0.1, 0.9) * sheet.height)
    for radius, width, alpha in ((58, 5, 0.12), (60, 1.5, 0.16)):
        canvas.circle(x, y, radius, None, "#7a4a22", width, alpha=alpha)
