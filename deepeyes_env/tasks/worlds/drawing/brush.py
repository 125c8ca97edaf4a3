"""Paints soft shapes about a centre: coordinates in units of the thing painted, curves through points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from matplotlib.path import Path

from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Colour, Point

CURVE_STEPS = 7
"""Points drawn between two points of a curve; more are not seen at the sizes drawn."""


class Brush:
    """Paints on a canvas in the units of one thing: `(0, 0)` is its centre, y points down."""

    def __init__(self, canvas: Canvas, x: float, y: float, unit: float, turn: float = 0.0) -> None:
        """Take up the brush.

        Args:
            canvas: What is painted on.
            x: Column of the thing's centre in pixels.
            y: Row of its centre.
            unit: Pixels of one unit.
            turn: Clockwise degrees about the centre.
        """
        self.canvas, self.x, self.y, self.unit = canvas, x, y, unit
        cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
        self._matrix = np.array([[cos, sin], [-sin, cos]]) * unit

    def place(self, points: Sequence[Point] | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Points in pixels."""
        placed: npt.NDArray[np.float64] = np.asarray(points, dtype=float) @ self._matrix + (self.x, self.y)
        return placed

    def blob(
        self,
        points: Sequence[Point],
        fill: Colour | None,
        alpha: float = 1.0,
        outline: Colour | None = None,
        width: float = 0.0,
    ) -> None:
        """A closed smooth curve through `points`; `width` of its outline in units."""
        self._closed(smooth(points), fill, alpha, outline, width)

    def shape(
        self,
        points: Sequence[Point],
        fill: Colour | None,
        alpha: float = 1.0,
        outline: Colour | None = None,
        width: float = 0.0,
    ) -> None:
        """A closed polygon."""
        self._closed(np.asarray(points, dtype=float), fill, alpha, outline, width)

    def oval(
        self,
        x: float,
        y: float,
        across: float,
        down: float,
        fill: Colour | None,
        alpha: float = 1.0,
        outline: Colour | None = None,
        width: float = 0.0,
        tilt: float = 0.0,
    ) -> None:
        """An ellipse with half axes `across` and `down`, turned clockwise by `tilt` degrees."""
        self._closed(ellipse(x, y, across, down, tilt), fill, alpha, outline, width)

    def stroke(
        self, points: Sequence[Point], colour: Colour, width: float, alpha: float = 1.0, *, soft: bool = True
    ) -> None:
        """An open line through `points`, curved if `soft`."""
        line = smooth(points, is_closed=False) if soft else np.asarray(points, dtype=float)
        self.canvas.path(Path(self.place(line)), None, colour, width * self.unit, alpha)

    def strokes(self, lines: Sequence[Sequence[Point]], colour: Colour, width: float, alpha: float) -> None:
        """Many straight open lines in one pass; where they cross they do not add up."""
        points = np.concatenate([np.asarray(line, dtype=float) for line in lines])
        codes = np.full(len(points), Path.LINETO, dtype=np.uint8)
        codes[np.cumsum([0, *(len(line) for line in lines[:-1])])] = Path.MOVETO
        self.canvas.path(Path(self.place(points), codes), None, colour, width * self.unit, alpha)

    def frame(self, outer: Sequence[Point], inner: Sequence[Point], fill: Colour, alpha: float = 1.0) -> None:
        """What lies inside `outer` and outside `inner`; both smooth curves or polygons given as points."""
        hole = list(reversed([*inner, inner[0]]))
        points = self.place([*outer, outer[0], *hole])
        codes = np.full(len(points), Path.LINETO, dtype=np.uint8)
        codes[[0, len(outer) + 1]] = Path.MOVETO
        codes[[len(outer), len(points) - 1]] = Path.CLOSEPOLY
        self.canvas.path(Path(points, codes), fill, alpha=alpha)

    def _closed(
        self,
        points: npt.NDArray[np.float64],
        fill: Colour | None,
        alpha: float,
        outline: Colour | None,
        width: float,
    ) -> None:
        placed = self.place(points)
        path = Path(np.concatenate([placed, placed[:1]]), closed=True)
        self.canvas.path(path, fill, outline, width * self.unit, alpha)


def smooth(points: Sequence[Point], *, is_closed: bool = True) -> npt.NDArray[np.float64]:
    """A Catmull-Rom curve through `points`, as `[n, 2]` points close together."""
    knots = np.asarray(points, dtype=float)
    if is_closed:
        before, after, beyond = np.roll(knots, 1, 0), np.roll(knots, -1, 0), np.roll(knots, -2, 0)
    else:
        padded = np.concatenate([knots[:1], knots, knots[-1:]])
        before, knots, after, beyond = padded[:-3], padded[1:-2], padded[2:-1], padded[3:]
    control = np.stack([before, knots, after, beyond])
    curve = np.einsum("sk,knd->nsd", _blend(), control).reshape(-1, 2)
    end = np.empty((0, 2)) if is_closed else np.asarray(points[-1:], dtype=float)
    return np.concatenate([curve, end])


@lru_cache(maxsize=1)
def _blend() -> npt.NDArray[np.float64]:
    t = np.arange(CURVE_STEPS)[:, None] / CURVE_STEPS
    basis = np.array([[0, -0.5, 1, -0.5], [1, 0, -2.5, 1.5], [0, 0.5, 2, -1.5], [0, 0, -0.5, 0.5]])
    found: npt.NDArray[np.float64] = np.concatenate([t**0, t, t**2, t**3], axis=1) @ basis.T
    return found


def ellipse(x: float, y: float, across: float, down: float, tilt: float = 0.0) -> npt.NDArray[np.float64]:
    """The points of an ellipse."""
    cos, sin = math.cos(math.radians(tilt)), math.sin(math.radians(tilt))
    turned: npt.NDArray[np.float64] = _CIRCLE * (across, down) @ np.array([[cos, sin], [-sin, cos]]) + (x, y)
    return turned


_TURNS = np.linspace(0, 2 * math.pi, 72, endpoint=False)
# At 72 corners an ellipse of 300 pixels misses its curve by a third of a pixel.
_CIRCLE = np.stack([np.cos(_TURNS), np.sin(_TURNS)], axis=1)


def mirrored(points: Sequence[Point]) -> list[Point]:
    """The points on the other side of the middle line x = 0."""
    return [(-x, y) for x, y in points]
