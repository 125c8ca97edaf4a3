"""Things that stand about in outdoor scenes."""

from __future__ import annotations

import math
import random

from matplotlib.path import Path
from matplotlib.transforms import Affine2D

from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Colour, Point, gradient, mix

SKIES = (("#8fbfe6", "#f6ead2"), ("#b7c9d9", "#eef0ea"), ("#f0b48a", "#f8e3c0"), ("#6ea6d8", "#d9ecf6"))
"""Top and bottom of the sky: noon, overcast, evening, clear."""

HILLS = ("#8fae8b", "#7c9f86", "#9fb49a", "#86a4a0")


def outdoors(width: int, height: int, horizon: float, ground: Colour, rng: random.Random) -> Canvas:
    """Sky with clouds, two ridges of hills, and flat ground below the horizon.

    Args:
        width: Pixels.
        height: Pixels.
        horizon: Row where the ground begins.
        ground: Its colour.
        rng: Chooses weather and hills.
    """
    canvas = Canvas(width, height, gradient(height, *rng.choice(SKIES)))
    for _ in range(rng.randint(3, 6)):
        cloud(canvas, rng.uniform(0, width), rng.uniform(0.04, 0.4) * horizon, rng.uniform(40, 90), rng)
    for depth, hill in enumerate(rng.sample(HILLS, 2)):
        phase, waves = rng.uniform(0, 6), rng.uniform(1.2, 2.6)
        crest = horizon * (0.62 + 0.16 * depth)
        ridge = [
            (x, crest + horizon * 0.07 * math.sin(phase + waves * 2 * math.pi * x / width))
            for x in range(0, width + 24, 24)
        ]
        canvas.polygon([*ridge, (width, height), (0, height)], mix(hill, "#cfe0ea", 0.45 - 0.3 * depth))
    canvas.rectangle(0, horizon, width, height, ground)
    return canvas


def cloud(canvas: Canvas, x: float, y: float, size: float, rng: random.Random) -> None:
    """A heap of pale discs on a flat base."""
    heap = []
    for place in (-1.2, -0.7, -0.3, 0.1, 0.5, 0.9, 1.3):
        radius = size * rng.uniform(0.25, 0.5) * (1.3 - 0.6 * abs(place))
        heap.append((x + place * size, y - radius * 0.6, radius))
    canvas.circles(heap, "#f4f6f8")
    canvas.path(
        Path.unit_circle().transformed(Affine2D().scale(size * 1.6, size * 0.2).translate(x, y)), "#eef1f4"
    )


def tree(canvas: Canvas, x: float, foot: float, height: float, rng: random.Random) -> None:
    """A round-headed tree standing at `foot`."""
    canvas.rectangle(x - height * 0.04, foot - height * 0.45, x + height * 0.04, foot, "#6b4a30")
    leaf = rng.choice(("#4f7d46", "#5f8f4e", "#3f6b4a", "#87934a"))
    crown: list[tuple[float, float, float]] = []
    shades: list[Colour] = []
    for _ in range(12):
        turn, far = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.24) * height
        shades.append(mix(leaf, *_shade(rng, "#e8f0c0", "#20351f", 0.22)))
        at = x + far * math.cos(turn), foot - height * 0.68 + far * math.sin(turn)
        crown.append((*at, height * rng.uniform(0.1, 0.17)))
    canvas.circles(crown, shades)


def lamp_post(canvas: Canvas, x: float, foot: float, height: float) -> None:
    """A street lamp standing at `foot`."""
    canvas.line([(x, foot), (x, foot - height)], "#2e3338", height * 0.03)
    canvas.polygon(_lantern(x, foot - height, height * 0.1), "#f7e7a8", "#2e3338", height * 0.015)


def person(canvas: Canvas, x: float, foot: float, height: float, rng: random.Random) -> None:
    """A passer-by standing at `foot`."""
    coat = rng.choice(("#3d4a5c", "#5b4b45", "#4a5a48", "#77706a", "#2f3440"))
    skin = rng.choice(("#e7bf9f", "#c68f66", "#8d5a3c", "#5c3b28"))
    half = height * 0.11
    canvas.rectangle(x - half * 0.75, foot - height * 0.42, x - half * 0.1, foot, "#26282d")
    canvas.rectangle(x + half * 0.1, foot - height * 0.42, x + half * 0.75, foot, "#26282d")
    body = [(x - half, foot - height * 0.8), (x + half, foot - height * 0.8)]
    canvas.polygon(
        [*body, (x + half * 1.25, foot - height * 0.36), (x - half * 1.25, foot - height * 0.36)], coat
    )
    canvas.circle(x, foot - height * 0.89, height * 0.085, skin)
    if rng.random() < 0.5:
        canvas.rectangle(x - half, foot - height * 0.97, x + half, foot - height * 0.93, "#2a2a2a")


def paving(canvas: Canvas, top: float, colour: Colour, rng: random.Random) -> None:
    """Flagstones from row `top` down to the lower edge."""
    row, depth = top, 8.0
    stones: list[tuple[float, float, float, float]] = []
    shades: list[Colour] = []
    while row < canvas.height:
        start, step = -rng.uniform(0, 60), 40 + depth * 2.2
        while start < canvas.width:
            shades.append(mix(colour, *_shade(rng, "white", "black", 0.09)))
            stones.append((start + 1, row + 1, start + step - 1, row + depth - 1))
            start += step
        row, depth = row + depth, depth * 1.22
    canvas.rectangles(stones, shades)


SHADES = 6
"""Steps of a shade between none and its most: few enough that mixed colours are remembered."""


def _shade(rng: random.Random, light: Colour, dark: Colour, most: float) -> tuple[Colour, float]:
    """A lighter or a darker tone, and how much of it."""
    return (light if rng.random() < 0.5 else dark), most * rng.randint(0, SHADES) / SHADES


def _lantern(x: float, y: float, r: float) -> list[Point]:
    return [(x - r * 0.5, y), (x - r, y - r * 1.6), (x, y - r * 2.4), (x + r, y - r * 1.6), (x + r * 0.5, y)]
