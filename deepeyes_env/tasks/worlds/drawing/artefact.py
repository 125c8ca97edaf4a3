"""Vessels in a museum: turned forms with bands of ornament, lit from one side."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from deepeyes_env.tasks.worlds.drawing.brush import Brush, smooth
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, mix

PROFILES: dict[str, list[Point]] = {
    "vase": [
        (0.26, -1.0),
        (0.22, -0.86),
        (0.2, -0.66),
        (0.34, -0.42),
        (0.54, -0.08),
        (0.5, 0.36),
        (0.3, 0.76),
        (0.3, 1.0),
    ],
    "amphora": [
        (0.3, -1.0),
        (0.2, -0.9),
        (0.17, -0.56),
        (0.4, -0.36),
        (0.6, -0.02),
        (0.44, 0.46),
        (0.17, 0.84),
        (0.26, 1.0),
    ],
    "jug": [
        (0.3, -1.0),
        (0.26, -0.9),
        (0.22, -0.55),
        (0.38, -0.2),
        (0.56, 0.24),
        (0.5, 0.66),
        (0.36, 0.9),
        (0.38, 1.0),
    ],
    "urn": [
        (0.5, -1.0),
        (0.42, -0.9),
        (0.5, -0.68),
        (0.6, -0.34),
        (0.55, 0.06),
        (0.3, 0.46),
        (0.14, 0.68),
        (0.34, 1.0),
    ],
    "goblet": [
        (0.52, -1.0),
        (0.53, -0.7),
        (0.48, -0.3),
        (0.32, -0.02),
        (0.1, 0.16),
        (0.09, 0.56),
        (0.16, 0.82),
        (0.42, 1.0),
    ],
    "flask": [
        (0.15, -1.0),
        (0.12, -0.86),
        (0.11, -0.5),
        (0.2, -0.26),
        (0.56, 0.16),
        (0.6, 0.54),
        (0.46, 0.88),
        (0.4, 1.0),
    ],
}
"""Kind -> half width at heights from the rim (-1) to the foot (1)."""

CLAYS = ("#b5562e", "#2a2523", "#e9e2d2", "#3a6a66", "#7d93a8", "#c99a4a", "#6a3a52", "#4b5a3a")
INKS = ("#1f1a18", "#f1e8d4", "#274a8a", "#8a2a22", "#d9b04a", "#2f5a44")
ORNAMENTS = ("meander", "zigzag", "waves", "dots", "leaves", "stripes", "lozenges", "figures")
WALLS = ("#3b4048", "#57504a", "#2f3b38", "#6a5f58", "#474058")


@dataclass(frozen=True, slots=True)
class Vessel:
    """A vessel.

    Attributes:
        kind: A key of `PROFILES`.
        clay: Place in `CLAYS`.
        ink: Place in `INKS`; where it would vanish on the clay, the next one is taken.
        neck: Ornament of the narrow band, one of `ORNAMENTS`.
        belly: Ornament of the broad band.
        foot: Ornament of the lowest band.
        handles: 0, 1 or 2.
        wide: How stout it is, 0-3.
        solid: Whether the broad band is painted on a ground of ink.
        lid: Whether a lid closes it.
        wall: Place in `WALLS`: what it stands before.
        light: Side from which the light falls: -1 or 1.
    """

    kind: str
    clay: int
    ink: int
    neck: str
    belly: str
    foot: str
    handles: int
    wide: int
    solid: bool
    lid: bool
    wall: int
    light: int


def draw_vessel_facts(rng: random.Random) -> Vessel:
    """A random vessel."""
    clay = rng.randrange(len(CLAYS))
    return Vessel(
        kind=rng.choice(list(PROFILES)),
        clay=clay,
        ink=rng.randrange(len(INKS)),
        neck=rng.choice(ORNAMENTS),
        belly=rng.choice(ORNAMENTS),
        foot=rng.choice(ORNAMENTS),
        handles=rng.randint(0, 2),
        wide=rng.randint(0, 3),
        solid=rng.random() < 0.5,
        lid=rng.random() < 0.3,
        wall=rng.randrange(len(WALLS)),
        light=rng.choice((-1, 1)),
    )


def companion_of(vessel: Vessel, rng: random.Random) -> Vessel:
    """A vessel from the same workshop: the same form and clay, otherwise painted, in another room."""
    return replace(
        vessel,
        belly=rng.choice([each for each in ORNAMENTS if each != vessel.belly]),
        neck=rng.choice(ORNAMENTS),
        wide=(vessel.wide + rng.randint(1, 3)) % 4,
        handles=(vessel.handles + rng.randint(1, 2)) % 3,
        solid=not vessel.solid,
        wall=(vessel.wall + rng.randint(1, len(WALLS) - 1)) % len(WALLS),
    )


def paint_vessel(canvas: Canvas, look: Vessel, x: float, y: float, height: float) -> None:
    """Paint the vessel alone, centred at `(x, y)`, `height` pixels from rim to foot."""
    brush = Brush(canvas, x, y, height / 2)
    outline = _profile(look)
    clay, ink = CLAYS[look.clay], ink_of(look)
    brush.oval(0.0, 1.0, outline[-1, 0] * 1.5, 0.05, "black", 0.35)
    _handles(brush, look, outline, clay)
    body = [*outline.tolist(), *(outline * (-1, 1))[::-1].tolist()]
    brush.shape(body, clay)
    for top, bottom, ornament, is_solid in (
        (-0.8, -0.6, look.neck, False),
        (-0.3, 0.24, look.belly, look.solid),
        (0.5, 0.68, look.foot, False),
    ):
        _band(brush, outline, top, bottom, ornament, ink, clay, is_solid)
    _shade(brush, outline, look)
    rim = float(outline[0, 0])
    brush.oval(0, -1.0, rim, 0.05, mix(clay, "black", 0.25), 1, mix(clay, "white", 0.2), 0.015)
    brush.oval(0, -0.995, rim * 0.8, 0.03, mix(clay, "black", 0.65))
    if look.lid:
        lid: list[Point] = [
            (-rim * 1.05, -1.0),
            (-rim * 0.6, -1.13),
            (0, -1.18),
            (rim * 0.6, -1.13),
            (rim * 1.05, -1.0),
            (0, -0.96),
        ]
        brush.blob(lid, clay, 1, mix(clay, "black", 0.5), 0.01)
        brush.oval(0, -1.2, 0.06, 0.06, ink)
        brush.oval(look.light * rim * 0.4, -1.09, rim * 0.25, 0.02, "white", 0.25)


def paint_exhibit(canvas: Canvas, look: Vessel, x: float, y: float, side: float) -> None:
    """Paint the vessel on its plinth before a wall: a square of `side` pixels centred at `(x, y)`."""
    brush = Brush(canvas, x, y, side / 2)
    wall = WALLS[look.wall]
    brush.shape([(-1, -1), (1, -1), (1, 1), (-1, 1)], mix(wall, "black", 0.25))
    for step in range(6):
        size = 0.8 - step * 0.1
        brush.oval(look.light * 0.15, -0.15, size, size, mix(wall, "#f4e6c8", 0.2), 0.2)
    stone = mix(wall, "#e8e2d4", 0.65)
    brush.shape([(-0.62, 0.74), (0.62, 0.74), (0.7, 0.84), (-0.7, 0.84)], mix(stone, "white", 0.25))
    brush.shape([(-0.7, 0.84), (0.7, 0.84), (0.66, 1.0), (-0.66, 1.0)], stone)
    brush.oval(-look.light * 0.22, 0.79, 0.42, 0.03, "black", 0.3)
    paint_vessel(canvas, look, x, y + side * 0.01, side * 0.76)


def ink_of(look: Vessel) -> str:
    """The colour of the painting, never too near the clay's."""
    clay = np.array(_channels(CLAYS[look.clay]))
    for step in range(len(INKS)):
        ink = INKS[(look.ink + step) % len(INKS)]
        if np.abs(np.array(_channels(ink)) - clay).sum() > 210:  # Sum over channels of 0-255: seen at once.
            return ink
    return INKS[look.ink]


def _channels(colour: str) -> tuple[int, int, int]:
    return mix(colour, colour, 0.0)


def _profile(look: Vessel) -> npt.NDArray[np.float64]:
    curve = smooth(PROFILES[look.kind], is_closed=False)
    stout = np.array([0.88 + 0.09 * look.wide, 1.0])
    return curve * stout


def _half(outline: npt.NDArray[np.float64], row: float | npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = np.asarray(np.interp(row, outline[:, 1], outline[:, 0]))
    return found


def _handles(brush: Brush, look: Vessel, outline: npt.NDArray[np.float64], clay: str) -> None:
    sides = ((), (look.light,), (-1, 1))[look.handles]
    for side in sides:
        top, bottom = -0.78, -0.12 if look.kind != "goblet" else -0.3
        start, end = float(_half(outline, top)), float(_half(outline, bottom))
        reach = max(start, end) + 0.2
        loop = [
            (side * start * 0.9, top),
            (side * reach, top - 0.04),
            (side * (reach + 0.03), (top + bottom) / 2),
            (side * end * 0.92, bottom),
        ]
        brush.stroke(loop, mix(clay, "black", 0.45), 0.11)
        brush.stroke(loop, clay, 0.08)
        brush.stroke([(px - 0.015, py) for px, py in loop], mix(clay, "white", 0.4), 0.02, 0.6)


def _band(
    brush: Brush,
    outline: npt.NDArray[np.float64],
    top: float,
    bottom: float,
    ornament: str,
    ink: str,
    clay: str,
    is_solid: bool,
) -> None:
    rows = np.linspace(top, bottom, 9)
    half = _half(outline, rows)
    edge = [*zip(half, rows, strict=True)]
    if is_solid:
        brush.shape([*edge, *[(-w, r) for w, r in reversed(edge)]], ink)
    tone = clay if is_solid else ink
    for row in (top, bottom):
        reach = float(_half(outline, row))
        brush.stroke([(-reach, row), (0, row + 0.03), (reach, row)], tone if not is_solid else ink, 0.025)
    _ornament(brush, outline, top + 0.05, bottom - 0.03, ornament, tone)


def _ornament(
    brush: Brush, outline: npt.NDArray[np.float64], top: float, bottom: float, kind: str, ink: str
) -> None:
    """A frieze that runs round the body: narrower towards the edges, as on a turned thing."""
    tall = bottom - top
    count = 6 if tall > 0.3 else 9

    def at(turn: float, share: float) -> Point:
        row = top + tall * share
        angle = -math.pi / 2 + math.pi * turn
        return float(_half(outline, row)) * math.sin(angle) * 0.99, row + 0.03 * math.cos(angle)

    def line(points: list[tuple[float, float]], width: float = 0.03) -> None:
        brush.stroke([at(*point) for point in points], ink, width, soft=False)

    for step in range(count):
        a, b = step / count, (step + 1) / count
        m = (a + b) / 2
        if kind == "meander":
            c, d = a + (b - a) * 0.3, a + (b - a) * 0.65
            line(
                [
                    (a, 0.95),
                    (a, 0.05),
                    (b - (b - a) * 0.15, 0.05),
                    (b - (b - a) * 0.15, 0.7),
                    (c, 0.7),
                    (c, 0.38),
                    (d, 0.38),
                ]
            )
        elif kind == "zigzag":
            line([(a, 0.9), (m, 0.1), (b, 0.9)], 0.035)
        elif kind == "waves":
            brush.stroke(
                [
                    at(a, 0.7),
                    at(a + (b - a) * 0.3, 0.2),
                    at(a + (b - a) * 0.7, 0.3),
                    at(a + (b - a) * 0.6, 0.6),
                    at(b, 0.7),
                ],
                ink,
                0.03,
            )
        elif kind == "dots":
            for share in (0.3, 0.7) if tall > 0.3 else (0.5,):
                px, py = at(m, share)
                brush.oval(px, py, 0.045 * math.cos(math.pi * (m - 0.5)) + 0.01, 0.045, ink)
        elif kind == "leaves":
            brush.blob(
                [at(a, 0.9), at(m, 0.75), at(b - (b - a) * 0.2, 0.1), at(a + (b - a) * 0.25, 0.45)], ink
            )
        elif kind == "stripes":
            brush.shape([at(a, 0.0), at(m, 0.0), at(m, 1.0), at(a, 1.0)], ink)
        elif kind == "lozenges":
            brush.shape(
                [at(m, 0.05), at(b, 0.5), at(m, 0.95), at(a, 0.5)], ink if step % 2 else None, 1, ink, 0.018
            )
        else:
            px, py = at(m, 0.2)
            brush.oval(px, py, 0.03, 0.03, ink)
            brush.shape([at(m - 0.02, 0.3), at(m + 0.02, 0.3), at(m + 0.035, 0.68), at(m - 0.035, 0.68)], ink)
            line([(m - 0.02, 0.66), (m - 0.045, 0.98)], 0.02)
            line([(m + 0.02, 0.66), (m + 0.04, 0.98)], 0.02)
            line([(m - 0.015, 0.36), (b - 0.035, 0.22 if step % 2 else 0.56)], 0.018)


def _shade(brush: Brush, outline: npt.NDArray[np.float64], look: Vessel) -> None:
    """Rounds the body: dark towards the far side, a soft light on the near one."""
    dark = -look.light
    for share, alpha in ((0.25, 0.10), (0.45, 0.12), (0.62, 0.14), (0.78, 0.16), (0.9, 0.18)):
        inner, outer = outline * (dark * share, 1), outline * (dark, 1)
        brush.shape([*outer.tolist(), *inner[::-1].tolist()], "#120a06", alpha)
    inner, outer = outline * (look.light * 0.9, 1), outline * (look.light, 1)
    brush.shape([*outer.tolist(), *inner[::-1].tolist()], "#120a06", 0.15)
    for near, far, alpha in ((0.3, 0.66, 0.1), (0.42, 0.58, 0.16)):
        part = outline[(outline[:, 1] > -0.92) & (outline[:, 1] < 0.85)]
        inner, outer = part * (look.light * near, 1), part * (look.light * far, 1)
        brush.shape([*outer.tolist(), *inner[::-1].tolist()], "#fff6e0", alpha)
