"""Emblems: a field divided in two tinctures, and charges upon it. Millions of them, and easy to mistake."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import dataclass, replace

from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, closed, mix, regular, rgb, star

TINCTURES = {
    "crimson": "#b3202c",
    "navy": "#1d3461",
    "forest": "#1f6b46",
    "gold": "#e2a72e",
    "ivory": "#f4ecd8",
    "plum": "#6d2e6b",
    "charcoal": "#2b2d31",
    "teal": "#13808a",
    "rust": "#c2591d",
    "sky": "#7fb4dd",
}
"""Name -> colour; chosen to stay apart in print."""

OUTLINES = ("shield", "roundel", "hexagon", "lozenge")
DIVISIONS = ("plain", "pale", "fess", "bend", "quarterly", "chevron", "cross", "bars")
CHARGES = ("star", "sun", "moon", "tower", "anchor", "key", "tree", "gear", "crown", "fish")

LIGHT = frozenset({"gold", "ivory", "sky"})
"""A charge is light on dark or dark on light, as heraldry asks, so that it can be seen."""

APART = 120
"""Least sum of differences of channels (0-255) between two dark tinctures: navy on charcoal is not seen."""

DARK_PAIRS = tuple(
    (first, second)
    for first, second in itertools.permutations(sorted(TINCTURES.keys() - LIGHT), 2)
    if sum(abs(a - b) for a, b in zip(rgb(TINCTURES[first]), rgb(TINCTURES[second]), strict=True)) >= APART
)
"""Field and division in tinctures that are told apart."""


@dataclass(frozen=True, slots=True)
class Emblem:
    """A coat of arms.

    Attributes:
        outline: One of `OUTLINES`.
        division: One of `DIVISIONS`.
        field: Tincture of the field.
        second: Tincture of the division.
        charge: One of `CHARGES`.
        tincture: Tincture of the charges.
        count: 1, 2 or 3 charges.
    """

    outline: str
    division: str
    field: str
    second: str
    charge: str
    tincture: str
    count: int


def draw_emblem_facts(rng: random.Random) -> Emblem:
    """A random emblem."""
    dark = rng.choice(DARK_PAIRS)
    return Emblem(
        outline=rng.choice(OUTLINES),
        division=rng.choice(DIVISIONS),
        field=dark[0],
        second=dark[1],
        charge=rng.choice(CHARGES),
        tincture=rng.choice(sorted(LIGHT)),
        count=rng.choice((1, 1, 2, 3)),
    )


def near_duplicate(emblem: Emblem, rng: random.Random) -> Emblem:
    """The same emblem with one thing changed."""
    if rng.random() < 0.5:
        return replace(emblem, charge=rng.choice([c for c in CHARGES if c != emblem.charge]))
    return replace(emblem, division=rng.choice([d for d in DIVISIONS if d != emblem.division]))


def visible(emblem: Emblem) -> Emblem:
    """What can be seen of an emblem: a plain field shows no second tincture."""
    return replace(emblem, second=emblem.field) if emblem.division == "plain" else emblem


def paint_emblem(canvas: Canvas, emblem: Emblem, x: float, y: float, size: float) -> None:
    """Paint `emblem` centred at `(x, y)`, `size` pixels high."""
    field, second = TINCTURES[emblem.field], TINCTURES[emblem.second]
    half = size / 2
    border = outline_points(emblem.outline, x, y, half)
    canvas.polygon([(px + size * 0.012, py + size * 0.018) for px, py in border], "black", alpha=0.25)
    canvas.polygon(border, field)
    for part in division_parts(emblem.division, x, y, half):
        canvas.clipped(closed(border), closed(part), second)
    canvas.polygon(border, None, mix(field, "black", 0.55), size * 0.022)
    colour = TINCTURES[emblem.tincture]
    places = {1: [(0.0, 0.0)], 2: [(-0.24, 0.0), (0.24, 0.0)], 3: [(-0.24, -0.18), (0.24, -0.18), (0.0, 0.2)]}
    spread = 0.8 if emblem.outline == "lozenge" else 1.0
    scale = {1: 0.27, 2: 0.18, 3: 0.155}[emblem.count] * size * spread
    for dx, dy in places[emblem.count]:
        paint_charge(canvas, emblem.charge, x + dx * size * spread, y + dy * size * spread, scale, colour)


def outline_points(kind: str, x: float, y: float, half: float) -> list[Point]:
    """The border of an emblem of height `2 * half`."""
    if kind == "roundel":
        return regular(x, y, half, 72)
    if kind == "hexagon":
        return regular(x, y, half, 6)
    if kind == "lozenge":
        return [(x, y - half), (x + half * 0.92, y), (x, y + half), (x - half * 0.92, y)]
    width = half * 0.86
    side = [
        (x + width * math.cos(t), y - half * 0.05 + half * 1.05 * math.sin(t)) for t in _steps(0, math.pi / 2)
    ]
    left = [(2 * x - px, py) for px, py in reversed(side)]
    return [(x - width, y - half), (x + width, y - half), *side, *left]


def division_parts(kind: str, x: float, y: float, half: float) -> list[list[Point]]:
    """The parts of the field in the second tincture."""
    left, right, top, bottom = x - half, x + half, y - half, y + half
    box = {
        "pale": [(x, right, top, bottom)],
        "fess": [(left, right, y - half * 0.3, y + half * 0.3)],
        "quarterly": [(left, x, top, y), (x, right, y, bottom)],
        "cross": [
            (left, right, y - half * 0.2, y + half * 0.2),
            (x - half * 0.2, x + half * 0.2, top, bottom),
        ],
        "bars": [(left, right, y + half * (k - 0.14), y + half * (k + 0.14)) for k in (-0.6, 0.0, 0.6)],
    }.get(kind, [])
    parts: list[list[Point]] = [[(a, c), (b, c), (b, d), (a, d)] for a, b, c, d in box]
    if kind == "bend":
        w = half * 0.42
        parts.append([(left - w, top), (left + w, top), (right + w, bottom), (right - w, bottom)])
    if kind == "chevron":
        w = half * 0.4
        upper: list[Point] = [(left, y + half * 0.5), (x, y - half * 0.45), (right, y + half * 0.5)]
        parts.append(upper + [(px, py + w) for px, py in reversed(upper)])
    return parts


def paint_charge(canvas: Canvas, kind: str, x: float, y: float, r: float, colour: str) -> None:
    """Paint one charge of radius `r`."""
    ink = mix(colour, "black", 0.6)
    edge = max(1.0, r * 0.05)

    def shape(points: list[Point]) -> None:
        canvas.polygon([(x + px * r, y + py * r) for px, py in points], colour, ink, edge)

    if kind == "star":
        canvas.polygon(star(x, y, r, 0.42), colour, ink, edge)
    elif kind == "sun":
        canvas.polygon(star(x, y, r, 0.62, rays=12), colour, ink, edge)
        canvas.circle(x, y, r * 0.42, colour, ink, edge)
    elif kind == "gear":
        canvas.polygon(star(x, y, r, 0.78, rays=9), colour, ink, edge)
        canvas.circle(x, y, r * 0.33, ink)
    elif kind == "moon":
        outer = [(math.cos(t), math.sin(t)) for t in _steps(0.6, 2 * math.pi - 0.6)]
        inner = [(0.35 + 0.74 * math.cos(t), 0.74 * math.sin(t)) for t in _steps(2 * math.pi - 0.86, 0.86)]
        shape(outer + inner)
    elif kind == "tower":
        battlement = [(-0.7, -0.9), (-0.4, -0.9), (-0.4, -0.65), (-0.15, -0.65), (-0.15, -0.9), (0.15, -0.9)]
        battlement += [(0.15, -0.65), (0.4, -0.65), (0.4, -0.9), (0.7, -0.9)]
        shape([*battlement, (0.7, -0.4), (0.5, -0.25), (0.6, 0.9), (-0.6, 0.9), (-0.5, -0.25), (-0.7, -0.4)])
        canvas.rectangle(x - r * 0.16, y + r * 0.35, x + r * 0.16, y + r * 0.9, ink)
    elif kind == "anchor":
        canvas.line([(x, y - r * 0.6), (x, y + r * 0.85)], colour, r * 0.2)
        canvas.line([(x - r * 0.45, y - r * 0.3), (x + r * 0.45, y - r * 0.3)], colour, r * 0.18)
        arms = [
            (x + r * 0.75 * math.cos(t), y + r * 0.2 + r * 0.65 * math.sin(t)) for t in _steps(0, math.pi)
        ]
        canvas.line(arms, colour, r * 0.2)
        canvas.circle(x, y - r * 0.78, r * 0.2, None, colour, r * 0.14)
    elif kind == "key":
        canvas.circle(x, y - r * 0.55, r * 0.36, None, colour, r * 0.2)
        canvas.line([(x, y - r * 0.2), (x, y + r * 0.9)], colour, r * 0.2)
        canvas.line([(x, y + r * 0.85), (x + r * 0.4, y + r * 0.85)], colour, r * 0.2)
        canvas.line([(x, y + r * 0.5), (x + r * 0.3, y + r * 0.5)], colour, r * 0.2)
    elif kind == "tree":
        canvas.rectangle(x - r * 0.12, y + r * 0.3, x + r * 0.12, y + r * 0.95, ink)
        for top, width in ((-0.95, 0.5), (-0.55, 0.65), (-0.15, 0.8)):
            shape([(0, top), (width, top + 0.7), (-width, top + 0.7)])
    elif kind == "crown":
        shape([(-0.9, -0.5), (-0.45, 0.1), (0, -0.75), (0.45, 0.1), (0.9, -0.5), (0.7, 0.65), (-0.7, 0.65)])
        for px, py in ((-0.9, -0.5), (0, -0.75), (0.9, -0.5)):
            canvas.circle(x + px * r, y + py * r, r * 0.13, colour, ink, edge)
    else:
        body = [(0.75 * math.cos(t) - 0.15, 0.42 * math.sin(t)) for t in _steps(0.35, 2 * math.pi - 0.35)]
        shape([*body, (0.95, -0.45), (0.95, 0.45)])
        canvas.circle(x - r * 0.55, y - r * 0.08, r * 0.08, ink)


def _steps(start: float, stop: float, count: int = 28) -> list[float]:
    return [start + (stop - start) * i / (count - 1) for i in range(count)]
