"""Products as a catalogue shows them: on a table, before coloured paper."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from deepeyes_env.tasks.worlds.drawing.brush import Brush
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Colour, Point, mix

PAPERS = ("#d9c7a8", "#b8c4c0", "#c9b3b0", "#a9b0c4", "#cfcdb4", "#8f9a86", "#d8b98a")
TABLES = ("#6b4a30", "#8a6a48", "#4a3a34", "#9a8a74", "#5a4f5c")
BODIES = ("#a8322c", "#2b5a8a", "#2f6b4a", "#c98f2a", "#5a3a6e", "#e6ddc8", "#2f2f33", "#2f8a8a", "#c2663a")
TRIMS = ("#d9b04a", "#e9e2d2", "#8a8f96", "#3a2a20", "#b87a4a")


@dataclass(frozen=True, slots=True)
class ProductLook:
    """How a product looks.

    Attributes:
        kind: A key of `PAINTERS`.
        body: Place in `BODIES`.
        trim: Place in `TRIMS`: metal, lines and lettering.
        label: Place in `BODIES`: the second colour.
        form: Which of three forms it has, 0-2.
        motif: Which of six marks it bears, 0-5.
        wide: How broad it is, 0-3.
        paper: Place in `PAPERS`.
        table: Place in `TABLES`.
        light: Side from which the light falls: -1 or 1.
        place: Where it stands, -2 (left) to 2.
    """

    kind: str
    body: int
    trim: int
    label: int
    form: int
    motif: int
    wide: int
    paper: int
    table: int
    light: int
    place: int


def draw_product_facts(rng: random.Random, kind: str) -> ProductLook:
    """A random look of one kind."""
    body = rng.randrange(len(BODIES))
    return ProductLook(
        kind=kind,
        body=body,
        trim=rng.randrange(len(TRIMS)),
        label=(body + rng.randint(1, len(BODIES) - 1)) % len(BODIES),
        form=rng.randint(0, 2),
        motif=rng.randint(0, 5),
        wide=rng.randint(0, 3),
        paper=rng.randrange(len(PAPERS)),
        table=rng.randrange(len(TABLES)),
        light=rng.choice((-1, 1)),
        place=rng.randint(-2, 2),
    )


def paint_product(canvas: Canvas, look: ProductLook, x: float, y: float, side: float) -> None:
    """Paint the photograph of `look`: a square of `side` pixels centred at `(x, y)`."""
    brush = Brush(canvas, x, y, side / 2)
    paper, table = PAPERS[look.paper], TABLES[look.table]
    brush.shape([(-1, -1), (1, -1), (1, 1), (-1, 1)], mix(paper, "black", 0.12))
    for step in range(6):
        size = 0.78 - step * 0.1
        brush.oval(look.light * 0.2, -0.2, size, size, mix(paper, "white", 0.5), 0.16)
    brush.shape([(-1, 0.56), (1, 0.56), (1, 1), (-1, 1)], table)
    brush.shape([(-1, 0.56), (1, 0.56), (1, 0.6), (-1, 0.6)], mix(table, "white", 0.3))
    grain: list[list[Point]] = [[(-1, 0.66 + 0.05 * row), (1, 0.65 + 0.052 * row)] for row in range(7)]
    brush.strokes(grain, mix(table, "black", 0.4), 0.008, 0.4)
    thing = Brush(
        canvas,
        x + look.place * 0.07 * side / 2,
        y + (0.04 if look.kind == "teapot" else -0.02) * side,
        side / 2 * (0.76 if look.kind == "teapot" else 0.92),
    )
    thing.oval(-look.light * 0.16, 0.8, 0.5 + 0.04 * look.wide, 0.07, "black", 0.3)
    PAINTERS[look.kind](thing, look)


def _motif(brush: Brush, look: ProductLook, x: float, y: float, r: float, ink: Colour) -> None:
    if look.motif == 0:
        rays: list[Point] = []
        for step in range(10):
            turn, far = math.pi * step / 5 - math.pi / 2, r if step % 2 == 0 else r * 0.42
            rays.append((x + far * math.cos(turn), y + far * math.sin(turn)))
        brush.shape(rays, ink)
    elif look.motif == 1:
        for share in (1.0, 0.6, 0.25):
            brush.oval(x, y, r * share, r * share, None, 1, ink, r * 0.16)
    elif look.motif == 2:
        for row in (-0.6, 0.0, 0.6):
            brush.stroke(
                [
                    (x - r, y + row * r),
                    (x - r * 0.3, y + (row - 0.35) * r),
                    (x + r * 0.3, y + (row + 0.2) * r),
                    (x + r, y + row * r),
                ],
                ink,
                r * 0.2,
            )
    elif look.motif == 3:
        brush.shape([(x, y - r), (x + r * 0.8, y), (x, y + r), (x - r * 0.8, y)], ink)
        brush.shape([(x, y - r * 0.5), (x + r * 0.4, y), (x, y + r * 0.5), (x - r * 0.4, y)], "white", 0.35)
    elif look.motif == 4:
        for step in range(6):
            turn = math.pi * step / 3
            brush.oval(
                x + r * 0.55 * math.cos(turn),
                y + r * 0.55 * math.sin(turn),
                r * 0.4,
                r * 0.22,
                ink,
                tilt=math.degrees(turn),
            )
        brush.oval(x, y, r * 0.22, r * 0.22, "#f0d27a")
    else:
        brush.shape(
            [
                (x - r, y + r * 0.7),
                (x - r, y - r * 0.3),
                (x - r * 0.5, y + r * 0.1),
                (x, y - r * 0.8),
                (x + r * 0.5, y + r * 0.1),
                (x + r, y - r * 0.3),
                (x + r, y + r * 0.7),
            ],
            ink,
        )


def _gleam(brush: Brush, look: ProductLook, x: float, top: float, bottom: float, width: float = 0.05) -> None:
    side = look.light * x
    brush.blob(
        [(side - width, top), (side + width, top), (side + width, bottom), (side - width, bottom)],
        "white",
        0.28,
    )


def _lantern(brush: Brush, look: ProductLook) -> None:
    body, trim, glass = BODIES[look.body], TRIMS[look.trim], ("#f7e3a0", "#e9f0e6", "#f3c98a")[look.form]
    w = 0.3 + 0.04 * look.wide
    brush.oval(0, -0.72, 0.3, 0.22, None, 1, trim, 0.03)
    brush.shape(
        [(-w * 0.5, -0.74), (w * 0.5, -0.74), (w * 1.15, -0.42), (-w * 1.15, -0.42)],
        body,
        1,
        mix(body, "black", 0.5),
        0.014,
    )
    brush.oval(0, -0.76, w * 0.4, 0.06, trim)
    panes: list[Point] = [
        (-w, -0.42),
        (w, -0.42),
        (w * (0.85 if look.form == 1 else 1.0), 0.46),
        (-w * (0.85 if look.form == 1 else 1.0), 0.46),
    ]
    brush.shape(panes, glass, 1, mix(body, "black", 0.3), 0.03)
    if look.form == 2:
        brush.oval(0, 0.02, w * 1.2, 0.46, glass, 1, mix(trim, "black", 0.3), 0.02)
    brush.oval(0, 0.16, 0.13, 0.22, "#fff4c8", 0.8)
    brush.blob([(0, -0.1), (0.07, 0.14), (0.04, 0.28), (-0.04, 0.28), (-0.07, 0.14)], "#f39a2a")
    brush.blob([(0, 0.04), (0.035, 0.18), (0, 0.27), (-0.035, 0.18)], "#fff2a8")
    brush.shape([(-0.06, 0.28), (0.06, 0.28), (0.08, 0.46), (-0.08, 0.46)], trim)
    for px in (-w, 0 if look.form != 2 else w, w):
        brush.stroke([(px, -0.42), (px, 0.46)], mix(body, "black", 0.2), 0.03 if px else 0.012, soft=False)
    brush.shape(
        [(-w * 1.15, 0.46), (w * 1.15, 0.46), (w * 1.3, 0.8), (-w * 1.3, 0.8)],
        body,
        1,
        mix(body, "black", 0.5),
        0.014,
    )
    _motif(brush, look, 0, 0.63, 0.12, trim)
    _gleam(brush, look, w * 0.6, -0.3, 0.34, 0.04)


def _dial(brush: Brush, look: ProductLook, y: float, r: float, marks: int) -> None:
    trim = TRIMS[look.trim]
    brush.oval(0, y, r * 1.12, r * 1.12, trim, 1, mix(trim, "black", 0.5), 0.014)
    brush.oval(0, y, r, r, "#f6f0e0")
    ticks: list[list[Point]] = []
    for step in range(marks):
        turn = 2 * math.pi * step / marks
        cos, sin = math.cos(turn), math.sin(turn)
        ticks.append([(r * 0.82 * cos, y + r * 0.82 * sin), (r * 0.94 * cos, y + r * 0.94 * sin)])
    brush.strokes(ticks, "#2a2420", 0.018, 1.0)
    for turn, far, width in ((look.motif * 57 + 20, 0.5, 0.034), (look.body * 71 + 130, 0.74, 0.022)):
        angle = math.radians(turn)
        brush.stroke([(0, y), (r * far * math.cos(angle), y + r * far * math.sin(angle))], "#1f2a3a", width)
    brush.oval(0, y, 0.03, 0.03, trim)


def _clock(brush: Brush, look: ProductLook) -> None:
    body, trim = BODIES[look.body], TRIMS[look.trim]
    w = 0.42 + 0.04 * look.wide
    edge = mix(body, "black", 0.5)
    if look.form == 0:
        brush.blob(
            [
                (-w, 0.7),
                (-w, -0.2),
                (-w * 0.75, -0.66),
                (0, -0.86),
                (w * 0.75, -0.66),
                (w, -0.2),
                (w, 0.7),
                (0, 0.74),
            ],
            body,
            1,
            edge,
            0.016,
        )
    elif look.form == 1:
        brush.shape([(-w, 0.72), (-w, -0.5), (0, -0.92), (w, -0.5), (w, 0.72)], body, 1, edge, 0.016)
        for side in (-1, 1):
            brush.shape(
                [
                    (side * w * 0.84, -0.42),
                    (side * w * 0.98, -0.42),
                    (side * w * 0.98, 0.7),
                    (side * w * 0.84, 0.7),
                ],
                mix(body, "white", 0.25),
            )
    else:
        brush.oval(0, -0.12, w * 1.05, w * 1.05, body, 1, edge, 0.016)
        brush.shape(
            [(-w * 0.5, 0.3), (w * 0.5, 0.3), (w * 1.1, 0.72), (-w * 1.1, 0.72)], body, 1, edge, 0.016
        )
    brush.shape(
        [(-w * 1.2, 0.7), (w * 1.2, 0.7), (w * 1.28, 0.82), (-w * 1.28, 0.82)],
        mix(body, "black", 0.3),
        1,
        edge,
        0.012,
    )
    _dial(brush, look, -0.14, w * 0.72, 12)
    _motif(brush, look, 0, 0.5, 0.12, trim)
    _gleam(brush, look, w * 0.86, -0.2, 0.5, 0.03)


def _barometer(brush: Brush, look: ProductLook) -> None:
    body, trim, label = BODIES[look.body], TRIMS[look.trim], BODIES[look.label]
    w = 0.34 + 0.03 * look.wide
    edge = mix(body, "black", 0.5)
    board: list[Point] = [
        (0, -0.95),
        (w * 0.5, -0.86),
        (w * 0.42, -0.5),
        (w * 1.15, 0.02),
        (w * 1.25, 0.4),
        (w * 0.6, 0.78),
        (0, 0.84),
        (-w * 0.6, 0.78),
        (-w * 1.25, 0.4),
        (-w * 1.15, 0.02),
        (-w * 0.42, -0.5),
        (-w * 0.5, -0.86),
    ]
    if look.form == 1:
        brush.shape(
            [(-w * 1.2, -0.9), (w * 1.2, -0.9), (w * 1.2, 0.82), (-w * 1.2, 0.82)], body, 1, edge, 0.016
        )
    else:
        brush.blob(board, body, 1, edge, 0.016)
    _dial(brush, look, 0.26, w * 0.86, 24)
    brush.shape([(-0.06, -0.76), (0.06, -0.76), (0.06, -0.28), (-0.06, -0.28)], "#f6f0e0", 1, trim, 0.016)
    brush.stroke([(0, -0.72), (0, -0.34)], label, 0.03)
    brush.oval(0, -0.33, 0.035, 0.035, label)
    for side in (-1, 1):
        if look.form != 0:
            _motif(brush, look, side * w * 0.72, -0.6, 0.09, trim)
    _gleam(brush, look, w * 0.9, 0.0, 0.4, 0.03)


def _tin(brush: Brush, look: ProductLook) -> None:
    body, trim, label = BODIES[look.body], TRIMS[look.trim], BODIES[look.label]
    w, top = 0.4 + 0.06 * look.wide, (-0.5, -0.26, -0.66)[look.form]
    brush.shape([(-w, top), (w, top), (w, 0.78), (-w, 0.78)], body, 1, mix(body, "black", 0.5), 0.014)
    brush.oval(0, 0.78, w, 0.06, body)
    brush.oval(0, top, w * 1.03, 0.09, mix(body, "white", 0.15), 1, trim, 0.02)
    brush.oval(0, top - 0.03, w * 0.9, 0.07, mix(body, "white", 0.3))
    for row in (top + 0.14, 0.7):
        brush.stroke([(-w, row - 0.02), (0, row + 0.05), (w, row - 0.02)], trim, 0.03)
    middle = (top + 0.86) / 2
    if look.form == 0:
        brush.oval(0, middle, w * 0.72, 0.36, label, 1, trim, 0.024)
    elif look.form == 1:
        brush.shape(
            [
                (-w * 0.99, middle - 0.22),
                (w * 0.99, middle - 0.22),
                (w * 0.99, middle + 0.22),
                (-w * 0.99, middle + 0.22),
            ],
            label,
        )
    else:
        brush.shape(
            [(0, middle - 0.46), (w * 0.76, middle), (0, middle + 0.46), (-w * 0.76, middle)],
            label,
            1,
            trim,
            0.024,
        )
    _motif(brush, look, 0, middle, 0.2, trim)
    for step in range(4):
        brush.shape(
            [
                (-look.light * w, top),
                (-look.light * w * (0.3 + 0.17 * step), top + 0.05),
                (-look.light * w * (0.3 + 0.17 * step), 0.82),
                (-look.light * w, 0.78),
            ],
            "black",
            0.07,
        )
    _gleam(brush, look, w * 0.7, top + 0.2, 0.66)


def _teapot(brush: Brush, look: ProductLook) -> None:
    body, trim, label = BODIES[look.body], TRIMS[look.trim], BODIES[look.label]
    w, h = 0.5 + 0.05 * look.wide, (0.5, 0.62, 0.42)[look.form]
    y = 0.78 - h
    side = look.light
    brush.stroke(
        [
            (-side * w * 0.8, y - h * 0.5),
            (-side * (w + 0.3), y - h * 0.55),
            (-side * (w + 0.28), y + h * 0.2),
            (-side * w * 0.8, y + h * 0.45),
        ],
        mix(body, "black", 0.35),
        0.12,
    )
    brush.stroke(
        [
            (-side * w * 0.8, y - h * 0.5),
            (-side * (w + 0.3), y - h * 0.55),
            (-side * (w + 0.28), y + h * 0.2),
            (-side * w * 0.8, y + h * 0.45),
        ],
        body,
        0.09,
    )
    brush.blob(
        [
            (side * w * 0.7, y + h * 0.5),
            (side * (w + 0.14), y + h * 0.1),
            (side * (w + 0.24), y - h * 0.6),
            (side * (w + 0.36), y - h * 0.66),
            (side * (w + 0.3), y + h * 0.1),
            (side * w * 0.8, y + h * 0.8),
        ],
        body,
        1,
        mix(body, "black", 0.4),
        0.014,
    )
    brush.oval(0, y, w, h, body, 1, mix(body, "black", 0.4), 0.014)
    brush.shape(
        [(-w * 0.5, 0.72), (w * 0.5, 0.72), (w * 0.56, 0.82), (-w * 0.56, 0.82)], mix(body, "black", 0.2)
    )
    brush.blob(
        [
            (-w * 0.95, y - 0.05),
            (0, y + 0.02),
            (w * 0.95, y - 0.05),
            (w * 0.9, y + 0.24),
            (0, y + 0.34),
            (-w * 0.9, y + 0.24),
        ],
        label,
        0.9,
    )
    brush.blob(
        [(-w * 0.46, y - h * 0.86), (0, y - h * 1.18), (w * 0.46, y - h * 0.86), (0, y - h * 0.78)],
        body,
        1,
        mix(body, "black", 0.4),
        0.014,
    )
    brush.oval(0, y - h * 1.2, 0.07, 0.07, trim, 1, mix(trim, "black", 0.4), 0.01)
    _motif(brush, look, 0, y + 0.12, 0.17, trim)
    brush.blob(
        [
            (-side * w * 0.5, y + h * 0.85),
            (-side * w * 0.95, y + h * 0.3),
            (-side * w * 0.98, y - h * 0.2),
            (-side * w * 0.7, y + h * 0.3),
        ],
        "black",
        0.2,
    )
    brush.oval(side * w * 0.4, y - h * 0.5, w * 0.22, h * 0.12, "white", 0.4, tilt=side * 28)


def _bottle(brush: Brush, look: ProductLook) -> None:
    glass, trim, label = BODIES[look.body], TRIMS[look.trim], BODIES[look.label]
    w = 0.27 + 0.04 * look.wide
    shoulder = (-0.16, -0.34, 0.06)[look.form]
    neck = 0.1 if look.form != 2 else 0.13
    half: list[Point] = [
        (neck, -0.8),
        (neck, shoulder - 0.2),
        (w * 0.9, shoulder),
        (w, shoulder + 0.14),
        (w, 0.74),
        (w * 0.9, 0.82),
    ]
    if look.form == 1:
        brush.shape(
            [*half, *[(-px, py) for px, py in reversed(half)]], glass, 1, mix(glass, "black", 0.5), 0.016
        )
    else:
        brush.blob(
            [*half, *[(-px, py) for px, py in reversed(half)]], glass, 1, mix(glass, "black", 0.5), 0.016
        )
    brush.shape(
        [(-neck * 1.25, -0.84), (neck * 1.25, -0.84), (neck * 1.25, -0.72), (-neck * 1.25, -0.72)],
        mix(glass, "white", 0.2),
        1,
        mix(glass, "black", 0.5),
        0.012,
    )
    brush.shape(
        [(-neck * 0.8, -0.97), (neck * 0.8, -0.97), (neck * 0.7, -0.84), (-neck * 0.7, -0.84)], "#b08a5a"
    )
    top = shoulder + 0.18
    brush.shape(
        [(-w * 0.98, top), (w * 0.98, top), (w * 0.98, 0.64), (-w * 0.98, 0.64)],
        mix(label, "#f6efe0", 0.3),
        1,
        trim,
        0.018,
    )
    brush.shape(
        [(-w * 0.98, top + 0.04), (w * 0.98, top + 0.04), (w * 0.98, top + 0.1), (-w * 0.98, top + 0.1)], trim
    )
    _motif(brush, look, 0, (top + 0.74) / 2, min(0.17, w * 0.6), mix(label, "black", 0.5))
    for step in range(3):
        brush.shape(
            [
                (-look.light * w, shoulder + 0.16),
                (-look.light * w * (0.4 + 0.2 * step), shoulder + 0.1),
                (-look.light * w * (0.4 + 0.2 * step), 0.8),
                (-look.light * w, 0.72),
            ],
            "black",
            0.1,
        )
    _gleam(brush, look, w * 0.66, shoulder + 0.06, 0.7, 0.03)


def _globe(brush: Brush, look: ProductLook) -> None:
    land, trim, sea = BODIES[look.body], TRIMS[look.trim], ("#9fc4d8", "#e9dcb8", "#7fa8a0")[look.form]
    r = 0.46 + 0.04 * look.wide
    y = -0.2
    brush.stroke([(0, y + r), (0, 0.62)], trim, 0.07)
    brush.blob([(-0.36, 0.8), (-0.2, 0.62), (0.2, 0.62), (0.36, 0.8)], mix(trim, "black", 0.25))
    brush.oval(0, y, r, r, sea, 1, mix(sea, "black", 0.5), 0.014)
    tilt = 16 + 4 * look.motif
    shapes = (
        [(-0.6, -0.5), (-0.1, -0.7), (0.1, -0.3), (-0.3, 0.1), (-0.7, -0.1)],
        [(0.2, -0.2), (0.6, -0.4), (0.7, 0.2), (0.3, 0.6), (0.1, 0.2)],
        [(-0.5, 0.3), (-0.1, 0.3), (0.0, 0.7), (-0.4, 0.7)],
        [(0.1, -0.8), (0.5, -0.7), (0.3, -0.5)],
    )
    for step, shape in enumerate(shapes[: 2 + look.motif % 3]):
        turn = math.radians(look.motif * 60 + look.wide * 25)
        cos, sin = math.cos(turn), math.sin(turn)
        placed: list[Point] = [
            (r * 0.98 * (px * cos - py * sin), y + r * 0.98 * (px * sin + py * cos)) for px, py in shape
        ]
        brush.blob(placed, mix(land, "#e9dcb8", 0.25 + 0.1 * step), 1, mix(land, "black", 0.4), 0.01)
    for share in (0.33, 0.7):
        brush.oval(0, y, r * share, r, None, 0.4, "#3a3a3a", 0.008, tilt=tilt)
    for row in (-0.5, 0.0, 0.5):
        brush.oval(0, y + row * r, r * math.sqrt(1 - row * row), r * 0.1, None, 0.35, "#3a3a3a", 0.008)
    brush.oval(0, y, r * 1.12, r * 1.12, None, 1, trim, 0.05)
    brush.oval(0, y, r * 1.12, r * 0.2, None, 1, mix(trim, "black", 0.2), 0.03)
    brush.oval(look.light * r * 0.4, y - r * 0.45, r * 0.26, r * 0.16, "white", 0.35, tilt=look.light * 30)
    brush.blob(
        [
            (-look.light * r * 0.3, y + r * 0.85),
            (-look.light * r * 0.95, y + r * 0.2),
            (-look.light * r * 0.9, y - r * 0.3),
            (-look.light * r * 0.5, y + r * 0.3),
        ],
        "black",
        0.14,
    )


PAINTERS: dict[str, Callable[[Brush, ProductLook], None]] = {
    "lantern": _lantern,
    "clock": _clock,
    "barometer": _barometer,
    "tin": _tin,
    "teapot": _teapot,
    "bottle": _bottle,
    "globe": _globe,
}
"""Kind -> what paints it."""
