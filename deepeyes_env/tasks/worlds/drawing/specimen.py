"""Specimen plates: butterflies, beetles and flowers as an engraver coloured them."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace

from deepeyes_env.tasks.worlds.drawing.brush import Brush, mirrored
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, mix

KINDS = ("butterfly", "beetle", "flower")

PAPERS = ("#f3ead3", "#efe6d4", "#f6f0e2", "#e9dfc6", "#eef0e6")
GROUNDS = ("#7a2f22", "#c9762c", "#274a6b", "#2f6a58", "#5b3a6e", "#3a332c", "#b8993c", "#8d3552", "#5f7f3a")
SECONDS = ("#e6c56a", "#f0e4c8", "#8fb7cf", "#d98a5a", "#c95a4a", "#2a2420", "#9fc0a0", "#d8a8b8")
OUTLINES = ("broad", "pointed", "tailed", "scalloped")
"""Outline of wings, of a beetle's body or of petals."""
FILLS = {"butterfly": 0.8, "beetle": 0.86, "flower": 0.82}
"""Scale at which a kind's longest limbs stay inside the plate's border."""
PATTERNS = ("bands", "eyes", "spots", "edged", "veined", "halved")


@dataclass(frozen=True, slots=True)
class Specimen:
    """What a plate shows.

    Attributes:
        kind: One of `KINDS`.
        ground: Place in `GROUNDS`: the main colour.
        second: Place in `SECONDS`: the colour of the pattern.
        third: Place in `GROUNDS`: the colour of hind wings, of the head or of the heart of a flower.
        outline: One of `OUTLINES`.
        pattern: One of `PATTERNS`.
        count: Bands, spots or petals, 3 to 7.
        size: How much of the plate it fills, 0-3.
        paper: Place in `PAPERS`.
        turn: Degrees by which it lies askew.
        border: Lines of the plate's border, 0-2.
    """

    kind: str
    ground: int
    second: int
    third: int
    outline: str
    pattern: str
    count: int
    size: int
    paper: int
    turn: int
    border: int


def draw_specimen_facts(rng: random.Random) -> Specimen:
    """A random specimen."""
    ground = rng.randrange(len(GROUNDS))
    return Specimen(
        kind=rng.choice(KINDS),
        ground=ground,
        second=rng.randrange(len(SECONDS)),
        third=(ground + rng.randint(1, len(GROUNDS) - 1)) % len(GROUNDS),
        outline=rng.choice(OUTLINES),
        pattern=rng.choice(PATTERNS),
        count=rng.randint(3, 7),
        size=rng.randint(0, 3),
        paper=rng.randrange(len(PAPERS)),
        turn=rng.choice((-24, -16, -8, 0, 8, 16, 24)),
        border=rng.randint(0, 2),
    )


def related(specimen: Specimen, rng: random.Random) -> Specimen:
    """A species of the same genus: other pattern, other hind wings, other size."""
    return replace(
        specimen,
        pattern=rng.choice([each for each in PATTERNS if each != specimen.pattern]),
        count=3 + (specimen.count - 3 + rng.randint(1, 4)) % 5,
        third=(specimen.third + rng.randint(1, len(GROUNDS) - 1)) % len(GROUNDS),
        turn=-specimen.turn or rng.choice((-16, 16)),
        size=(specimen.size + rng.randint(1, 2)) % 4,
    )


def paint_specimen(canvas: Canvas, look: Specimen, x: float, y: float, side: float) -> None:
    """Paint the square plate of `look` centred at `(x, y)`, `side` pixels wide."""
    hand = random.Random(repr(look))  # The engraver's hand belongs to the plate.
    plate = Brush(canvas, x, y, side / 2)
    paper = PAPERS[look.paper]
    box: list[Point] = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    plate.shape(box, paper, 1, mix(paper, "#5a4a30", 0.4), 0.012)
    for _ in range(9):
        stain = hand.uniform(0.04, 0.2)
        px, py = hand.uniform(stain - 1, 1 - stain), hand.uniform(stain - 1, 1 - stain)
        plate.oval(px, py, stain, stain * 0.8, "#a8824a", 0.06)
    for step in range(look.border):
        edge = 0.9 - step * 0.04
        plate.shape([(-edge, -edge), (edge, -edge), (edge, edge), (-edge, edge)], None, 1, "#5a4a38", 0.008)
    turn = look.turn if look.kind != "flower" else look.turn / 2
    unit = side / 2 * (0.6 + 0.07 * look.size) * FILLS[look.kind]
    shadow = Brush(canvas, x + side * 0.012, y + side * 0.018, unit, turn)
    brush = Brush(canvas, x, y, unit, turn)
    {"butterfly": _butterfly, "beetle": _beetle, "flower": _flower}[look.kind](brush, shadow, look, hand)


FORE: dict[str, list[Point]] = {
    "broad": [
        (0.05, -0.22),
        (0.45, -0.72),
        (0.92, -0.82),
        (1.05, -0.55),
        (0.9, -0.15),
        (0.5, 0.05),
        (0.08, 0.02),
    ],
    "pointed": [
        (0.05, -0.22),
        (0.5, -0.6),
        (1.12, -0.95),
        (1.04, -0.6),
        (0.76, -0.18),
        (0.45, 0.02),
        (0.08, 0.02),
    ],
    "tailed": [
        (0.05, -0.22),
        (0.42, -0.66),
        (1.0, -0.78),
        (1.0, -0.6),
        (0.78, -0.3),
        (0.5, 0.02),
        (0.08, 0.02),
    ],
    "scalloped": [
        (0.05, -0.22),
        (0.45, -0.7),
        (0.9, -0.78),
        (0.94, -0.62),
        (1.04, -0.5),
        (0.93, -0.36),
        (0.96, -0.2),
        (0.8, -0.1),
        (0.5, 0.04),
        (0.08, 0.02),
    ],
}
HIND: dict[str, list[Point]] = {
    "broad": [(0.05, 0.0), (0.5, -0.02), (0.82, 0.22), (0.74, 0.6), (0.42, 0.76), (0.16, 0.52)],
    "pointed": [(0.05, 0.0), (0.5, -0.02), (0.76, 0.16), (0.7, 0.52), (0.36, 0.84), (0.14, 0.46)],
    "tailed": [
        (0.05, 0.0),
        (0.5, -0.02),
        (0.78, 0.2),
        (0.68, 0.5),
        (0.6, 0.72),
        (0.58, 1.05),
        (0.47, 0.76),
        (0.3, 0.66),
        (0.14, 0.46),
    ],
    "scalloped": [
        (0.05, 0.0),
        (0.5, -0.02),
        (0.78, 0.14),
        (0.74, 0.3),
        (0.8, 0.44),
        (0.66, 0.54),
        (0.62, 0.7),
        (0.46, 0.68),
        (0.36, 0.8),
        (0.2, 0.66),
        (0.14, 0.46),
    ],
}


def _shrunk(points: list[Point], about: Point, share: float) -> list[Point]:
    return [(about[0] + (x - about[0]) * share, about[1] + (y - about[1]) * share) for x, y in points]


def _butterfly(brush: Brush, shadow: Brush, look: Specimen, hand: random.Random) -> None:
    ground, second, third = GROUNDS[look.ground], SECONDS[look.second], GROUNDS[look.third]
    for side in (-1, 1):
        for wing in (HIND[look.outline], FORE[look.outline]):
            shadow.blob(wing if side > 0 else mirrored(wing), "black", 0.14)
    for side in (-1, 1):
        for wing, tone, root, tip in (
            (HIND[look.outline], third, (0.08, 0.06), (0.5, 0.36)),
            (FORE[look.outline], ground, (0.08, -0.1), (0.66, -0.42)),
        ):
            _wing(brush, look, wing, tone, second, root, tip, side)
    _insect_body(brush, hand)


def _wing(
    brush: Brush,
    look: Specimen,
    wing: list[Point],
    tone: str,
    second: str,
    root: Point,
    tip: Point,
    side: int,
) -> None:
    def on(points: list[Point]) -> list[Point]:
        return points if side > 0 else mirrored(points)

    dark = mix(tone, "black", 0.55)
    brush.blob(on(wing), dark, 1, dark, 0.014)
    brush.blob(on(_shrunk(wing, tip, 0.86)), tone)
    brush.blob(on(_shrunk(wing, root, 0.55)), mix(tone, "white", 0.28), 0.4)
    if look.pattern == "edged":
        brush.blob(on(_shrunk(wing, tip, 0.98)), second)
        brush.blob(on(_shrunk(wing, root, 0.78)), tone)
    elif look.pattern == "halved":
        brush.blob(on(_shrunk(wing, tip, 0.56)), second)
    elif look.pattern == "bands":
        for step in range(look.count - 1):
            share = 0.35 + 0.5 * step / max(1, look.count - 2)
            far = _shrunk(wing, root, share)
            middle = far[len(far) // 3 : -len(far) // 4]
            brush.stroke(on(middle), second, 0.05)
    elif look.pattern == "eyes":
        brush.oval(side * tip[0], tip[1], 0.17, 0.17, second)
        brush.oval(side * tip[0], tip[1], 0.11, 0.11, dark)
        brush.oval(side * tip[0], tip[1], 0.055, 0.055, "#7fb0d8")
        brush.oval(side * tip[0] - 0.02, tip[1] - 0.03, 0.02, 0.02, "white")
    elif look.pattern == "spots":
        for step in range(look.count):
            turn = 2 * math.pi * step / look.count
            spot = (tip[0] + 0.2 * math.cos(turn), tip[1] + 0.16 * math.sin(turn))
            brush.oval(side * spot[0], spot[1], 0.055, 0.055, second)
    veins = [[(side * root[0], root[1]), (side * px, py)] for px, py in _shrunk(wing, tip, 0.94)[1:-1]]
    wide = 0.03 if look.pattern == "veined" else 0.012
    brush.strokes(
        veins, second if look.pattern == "veined" else dark, wide, 0.9 if look.pattern == "veined" else 0.55
    )


def _insect_body(brush: Brush, hand: random.Random) -> None:
    brown = "#3a2a20"
    brush.blob(
        [
            (0, -0.3),
            (0.075, -0.18),
            (0.06, 0.1),
            (0.05, 0.4),
            (0, 0.56),
            (-0.05, 0.4),
            (-0.06, 0.1),
            (-0.075, -0.18),
        ],
        brown,
    )
    for row in range(5):
        brush.stroke([(-0.045, 0.14 + row * 0.07), (0.045, 0.14 + row * 0.07)], "#8a6a4a", 0.014)
    brush.oval(0, -0.32, 0.065, 0.06, "#2a1d16")
    for side in (-1, 1):
        bend = hand.uniform(0.2, 0.28)
        brush.stroke(
            [(side * 0.03, -0.36), (side * bend * 0.6, -0.6), (side * bend * 1.2, -0.78)], "#2a1d16", 0.014
        )
        brush.oval(side * bend * 1.2, -0.78, 0.022, 0.022, "#2a1d16")
    brush.oval(-0.02, -0.1, 0.02, 0.1, "#a88a68", 0.4)


WIDTHS = {"broad": 0.56, "pointed": 0.42, "tailed": 0.48, "scalloped": 0.52}


def _beetle(brush: Brush, shadow: Brush, look: Specimen, hand: random.Random) -> None:
    ground, second, third = GROUNDS[look.ground], SECONDS[look.second], GROUNDS[look.third]
    wide = WIDTHS[look.outline]
    foot = 1.0 if look.outline in ("pointed", "tailed") else 0.88
    wing: list[Point] = [
        (0.0, -0.28),
        (wide * 0.8, -0.26),
        (wide, 0.1),
        (wide * 0.86, 0.55),
        (0.06, foot),
        (0.0, foot - 0.05),
    ]
    legs = []
    for side in (-1, 1):
        for row, reach in ((-0.32, -0.36), (0.0, 0.02), (0.3, 0.42)):
            knee = (side * (wide + 0.2), row + reach * 0.5)
            legs.append(
                [
                    (side * wide * 0.6, row),
                    knee,
                    (side * (wide + 0.28), row + reach + 0.2),
                    (side * (wide + 0.4), row + reach + 0.24),
                ]
            )
    for leg in legs:
        shadow.stroke(leg, "black", 0.05, 0.14, soft=False)
        brush.stroke(leg, "#2a2019", 0.05, soft=False)
    shadow.blob(
        [(0, -0.62), (wide * 1.02, -0.2), (wide, 0.3), (0, foot), (-wide, 0.3), (-wide * 1.02, -0.2)],
        "black",
        0.16,
    )
    for side in (-1, 1):
        brush.stroke(
            [(side * 0.1, -0.74), (side * 0.3, -0.98), (side * 0.62, -1.0 + 0.06 * look.count / 7)],
            "#2a2019",
            0.028,
        )
        if look.outline == "scalloped":
            brush.stroke([(side * 0.12, -0.74), (side * 0.26, -0.95), (side * 0.1, -1.1)], "#2a2019", 0.07)
    brush.oval(0, -0.68, 0.2, 0.14, mix(third, "black", 0.5))
    chest: list[Point] = [
        (0, -0.66),
        (wide * 0.62, -0.58),
        (wide * 0.8, -0.34),
        (0, -0.26),
        (-wide * 0.8, -0.34),
        (-wide * 0.62, -0.58),
    ]
    brush.blob(chest, third, 1, mix(third, "black", 0.6), 0.02)
    brush.oval(-0.1, -0.5, 0.14, 0.05, "white", 0.25, tilt=-12)
    for side in (-1, 1):
        half = wing if side > 0 else mirrored(wing)
        brush.blob(half, ground, 1, mix(ground, "black", 0.6), 0.022)
        _wing_case(brush, look, side, wide, second, ground, foot)
        brush.blob(
            [
                (side * wide * 0.86, -0.12),
                (side * wide * 0.98, 0.12),
                (side * wide * 0.8, 0.55),
                (side * wide * 0.7, 0.2),
            ],
            "black",
            0.2,
        )
    brush.stroke([(0, -0.27), (0, foot - 0.05)], mix(ground, "black", 0.7), 0.022)
    brush.blob(
        [(-wide * 0.62, -0.14), (-wide * 0.44, -0.16), (-wide * 0.36, 0.3), (-wide * 0.5, 0.36)],
        "white",
        0.26,
    )
    for side in (-1, 1):
        brush.oval(side * 0.13, -0.74, 0.035, 0.035, "#0f0c0a")
    hand.random()


def _wing_case(
    brush: Brush, look: Specimen, side: int, wide: float, second: str, ground: str, foot: float
) -> None:
    rows = [-0.1 + (foot - 0.3) * step / look.count for step in range(look.count)]
    if look.pattern in ("bands", "halved"):
        for row in rows[:: 1 if look.pattern == "bands" else 2]:
            reach = wide * (0.93 - 0.4 * max(0.0, row) ** 2)
            thick = 0.07 if look.pattern == "bands" else 0.16
            brush.blob(
                [
                    (side * 0.02, row),
                    (side * reach, row + 0.02),
                    (side * reach * 0.97, row + thick),
                    (side * 0.02, row + thick * 0.9),
                ],
                second,
            )
    elif look.pattern in ("spots", "eyes"):
        for step, row in enumerate(rows):
            across = wide * (0.34 if step % 2 else 0.6) * (1 - 0.3 * max(0.0, row))
            brush.oval(side * across, row + 0.05, 0.075, 0.07, second)
            if look.pattern == "eyes":
                brush.oval(side * across, row + 0.05, 0.035, 0.033, "#171210")
    elif look.pattern == "edged":
        brush.stroke(
            [
                (side * wide * 0.76, -0.2),
                (side * wide * 0.93, 0.1),
                (side * wide * 0.8, 0.52),
                (side * 0.08, foot - 0.07),
            ],
            second,
            0.07,
        )
    for step in range(1, 4):
        line = [
            (side * wide * step * 0.23, -0.22),
            (side * wide * step * 0.26, 0.2),
            (side * wide * step * 0.17, 0.62),
        ]
        brush.stroke(
            line,
            second if look.pattern == "veined" else mix(ground, "black", 0.4),
            0.04 if look.pattern == "veined" else 0.012,
        )


def _flower(brush: Brush, shadow: Brush, look: Specimen, hand: random.Random) -> None:
    ground, second, third = GROUNDS[look.ground], SECONDS[look.second], GROUNDS[look.third]
    green = ("#4d7040", "#5f7f3a", "#3f6a52", "#7a8a45")[look.count % 4]
    lean = hand.uniform(-0.12, 0.12)
    stem: list[Point] = [(0.0, -0.35), (lean, 0.2), (lean * 0.4, 0.7), (lean, 1.18)]
    brush.stroke(stem, mix(green, "black", 0.25), 0.055)
    brush.stroke([(px - 0.012, py) for px, py in stem], mix(green, "white", 0.3), 0.018)
    for step in range(2 + look.size):
        _leaf(brush, look, (lean * 0.6, 0.3 + 0.24 * step), 1 if step % 2 else -1, green)
    petals, heart = look.count + 1, (0.0, -0.4)
    small: list[Point] = [(0.42 - 0.1 * look.size, 0.06), (-0.5 + 0.06 * look.size, 0.22)]
    for bud, (px, py) in enumerate(small[: 1 + look.border % 2]):
        brush.stroke([(lean, 0.4), (px * 0.6, 0.3), (px, py)], mix(green, "black", 0.2), 0.03)
        brush.blob(
            [(px - 0.08, py), (px + 0.08, py), (px + 0.05, py - 0.2), (px, py - 0.26), (px - 0.05, py - 0.2)],
            mix(ground, "white", 0.1 + bud * 0.1),
        )
        brush.blob([(px - 0.09, py + 0.02), (px + 0.09, py + 0.02), (px, py - 0.12)], green)
    for step in range(petals):
        turn = 360 * step / petals
        _petal(brush, look, heart, turn, mix(ground, "white", 0.08 * (step % 2)), second)
    brush.oval(*heart, 0.16, 0.16, mix(third, "black", 0.2))
    brush.oval(*heart, 0.12, 0.12, third)
    for step in range(12):
        turn = 2 * math.pi * step / 12
        brush.oval(heart[0] + 0.1 * math.cos(turn), heart[1] + 0.1 * math.sin(turn), 0.024, 0.024, "#f0cf6a")
    del shadow


def _petal(
    brush: Brush, look: Specimen, heart: Point, turn: float, tone: str | tuple[int, int, int], second: str
) -> None:
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))

    def on(points: list[Point]) -> list[Point]:
        return [(heart[0] + px * cos - py * sin, heart[1] + px * sin + py * cos) for px, py in points]

    wide = 1.25 / (look.count + 1)
    tips: dict[str, list[Point]] = {
        "broad": [(wide * 0.9, -0.5), (0, -0.68), (-wide * 0.9, -0.5)],
        "pointed": [(wide * 0.7, -0.42), (0.0, -0.78), (-wide * 0.7, -0.42)],
        "tailed": [
            (wide * 0.8, -0.48),
            (wide * 0.3, -0.66),
            (0.0, -0.56),
            (-wide * 0.3, -0.66),
            (-wide * 0.8, -0.48),
        ],
        "scalloped": [
            (wide * 0.85, -0.44),
            (wide * 0.6, -0.62),
            (wide * 0.2, -0.6),
            (0, -0.68),
            (-wide * 0.2, -0.6),
            (-wide * 0.6, -0.62),
            (-wide * 0.85, -0.44),
        ],
    }
    petal: list[Point] = [(0.04, -0.06), *tips[look.outline], (-0.04, -0.06)]
    brush.blob(on(petal), tone, 1, mix(tone, "black", 0.45), 0.012)
    brush.blob(on(_shrunk(petal, (0, -0.06), 0.6)), mix(tone, "white", 0.4), 0.35)
    if look.pattern == "edged":
        brush.stroke(on(petal[1:-1]), second, 0.05)
    elif look.pattern in ("bands", "halved"):
        brush.blob(on(_shrunk(petal, (0, -0.08), 0.62 if look.pattern == "halved" else 0.45)), second)
    elif look.pattern in ("spots", "eyes"):
        for row in (-0.26, -0.4) if look.pattern == "spots" else (-0.42,):
            brush.oval(
                *on([(0, row)])[0],
                0.06 if look.pattern == "eyes" else 0.035,
                0.06 if look.pattern == "eyes" else 0.035,
                second,
            )
    else:
        brush.strokes(
            [on([(0, -0.1), (px, -0.52)]) for px in (-wide * 0.4, 0, wide * 0.4)], second, 0.018, 0.9
        )


def _leaf(brush: Brush, look: Specimen, foot: Point, side: int, green: str) -> None:
    px, py = foot
    long = 0.44 + 0.04 * look.size
    leaf: list[Point] = [
        (px, py),
        (px + side * long * 0.4, py - 0.16),
        (px + side * long, py - 0.12),
        (px + side * long * 0.5, py + 0.06),
    ]
    if look.outline == "pointed":
        leaf[2] = (px + side * long * 1.2, py - 0.26)
    brush.blob(leaf, green, 1, mix(green, "black", 0.4), 0.012)
    brush.stroke([(px, py), (px + side * long * 0.9, py - 0.1)], mix(green, "white", 0.35), 0.014)
    for share in (0.3, 0.5, 0.7):
        brush.stroke(
            [
                (px + side * long * share, py - 0.04 - 0.06 * share),
                (px + side * long * (share + 0.12), py - 0.13),
            ],
            mix(green, "white", 0.25),
            0.008,
        )
