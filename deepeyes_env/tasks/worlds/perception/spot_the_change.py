"""Perception: two photographs of a collector's tray; in which compartment was something changed?"""

from __future__ import annotations

import math
import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from deepeyes_env.images import PATCH_FACTOR, EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, mix
from deepeyes_env.tasks.worlds.drawing.emblem import CHARGES, TINCTURES, paint_charge
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.drawing.wood import grain
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import turns

INNER = 840
"""Width of all compartments together in pixels."""

RIM = 28
"""Width of the tray's rim in pixels; it carries letters and numbers."""

GAP = 5
"""Pixels of wood between compartments."""

FARTHEST = 6
"""Pixels that the camera may have moved between the photographs."""

LININGS = ("#e9e2d0", "#d9dfd3", "#e3d5cc", "#cfd8de", "#ded3e0", "#e8dcb9")
WOODS = ("#7a5236", "#5f4331", "#8c6a45", "#6b4a3c")

COLOURS = tuple(name for name in TINCTURES if name != "ivory")
"""Ivory things are lost on pale linings."""

PLACES = {1: ((0.0, 0.0),), 2: ((-0.22, -0.1), (0.22, 0.12)), 3: ((-0.23, -0.2), (0.24, -0.12), (0.0, 0.24))}
"""Things in a compartment -> where they lie, from its middle, as shares of its side."""

SIZES = {1: 0.3, 2: 0.19, 3: 0.155}
"""Things in a compartment -> their radius as a share of its side."""


@dataclass(frozen=True, slots=True)
class Thing:
    """Something collected; `dx` and `dy` are how far it lies from its place, as shares of a side."""

    kind: str
    colour: str
    dx: float
    dy: float


@dataclass(frozen=True, slots=True)
class Tray:
    """All compartments, row by row, and how many columns there are."""

    columns: int
    rows: int
    linings: tuple[str, ...]
    compartments: tuple[tuple[Thing, ...], ...]

    @property
    def side(self) -> int:
        """Side of a compartment in pixels."""
        return INNER // self.columns

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a photograph in pixels: whole visual tokens."""
        width, height = self.columns * self.side + 2 * RIM, self.rows * self.side + 2 * RIM
        return math.ceil(width / PATCH_FACTOR) * PATCH_FACTOR, math.ceil(height / PATCH_FACTOR) * PATCH_FACTOR


@dataclass(frozen=True, slots=True)
class Change:
    """Thing number `thing` of a compartment becomes another one."""

    compartment: int
    thing: int
    kind: str
    colour: str


def collect(rng: random.Random, columns: int, things: int) -> Tray:
    """A tray with as many things in every compartment."""
    rows = round(columns * 0.62)
    count = columns * rows
    return Tray(
        columns=columns,
        rows=rows,
        linings=tuple(rng.choices(LININGS, k=count)),
        compartments=tuple(tuple(_thing(rng) for _ in range(things)) for _ in range(count)),
    )


def _thing(rng: random.Random) -> Thing:
    spread = 0.025
    return Thing(
        rng.choice(CHARGES),
        rng.choice(COLOURS),
        rng.uniform(-spread, spread),
        rng.uniform(-spread, spread),
    )


def draw_change(rng: random.Random, tray: Tray) -> Change:
    """Something takes another colour, or something else of its colour takes its place."""
    compartment = rng.randrange(len(tray.compartments))
    thing = rng.randrange(len(tray.compartments[compartment]))
    was = tray.compartments[compartment][thing]
    if rng.random() < 0.5:
        kind = rng.choice([kind for kind in CHARGES if kind != was.kind])
        return Change(compartment, thing, kind, was.colour)
    return Change(compartment, thing, was.kind, rng.choice([c for c in COLOURS if c != was.colour]))


def paint(
    tray: Tray, change: Change, shift: tuple[int, int], rng: random.Random
) -> tuple[EncodedImage, EncodedImage]:
    """The tray before and after the change.

    Args:
        tray: What it holds before.
        change: The only thing that differs.
        shift: Pixels that the camera moved to the right and downwards in between.
        rng: Chooses wood, light and noise, which differ between the photographs.
    """
    (width, height), side = tray.size, tray.side
    wood = rng.choice(WOODS)
    canvas = Canvas(width + 2 * FARTHEST, height + 2 * FARTHEST, wood)
    grain(canvas, 0, canvas.height, 90, wood, rng)
    _paint_letters(canvas, tray, mix(wood, "white", 0.75))
    corners = [_corner(tray, number) for number in range(len(tray.compartments))]
    _paint_compartments(canvas, tray.linings, tray.compartments, corners, side)
    before = _taken(canvas, (FARTHEST, FARTHEST), (width, height), rng)
    new, (left, top) = _changed_compartment(tray, change), corners[change.compartment]
    canvas.words[top : top + new.height, left : left + new.width] = new.words
    after = _taken(canvas, (FARTHEST + shift[0], FARTHEST + shift[1]), (width, height), rng)
    return before, after


def _taken(
    canvas: Canvas, corner: tuple[int, int], size: tuple[int, int], rng: random.Random
) -> EncodedImage:
    """A photograph of a part of the canvas."""
    (left, top), (width, height) = corner, size
    part = canvas.words[top : top + height, left : left + width].copy()
    return as_jpeg(daylight(part, rng), rng.randint(88, 93))


def _corner(tray: Tray, number: int) -> tuple[int, int]:
    row, column = divmod(number, tray.columns)
    return FARTHEST + RIM + column * tray.side, FARTHEST + RIM + row * tray.side


def _paint_letters(canvas: Canvas, tray: Tray, ink: tuple[int, int, int]) -> None:
    middle = FARTHEST + RIM / 2
    for column in range(tray.columns):
        x = FARTHEST + RIM + (column + 0.5) * tray.side
        canvas.text(x, middle, string.ascii_uppercase[column], 18, ink, "serif-bold")
    for row in range(tray.rows):
        y = FARTHEST + RIM + (row + 0.5) * tray.side
        canvas.text(middle, y, str(row + 1), 18, ink, "serif-bold")


def _changed_compartment(tray: Tray, change: Change) -> Canvas:
    things = list(tray.compartments[change.compartment])
    things[change.thing] = replace(things[change.thing], kind=change.kind, colour=change.colour)
    # At whole pixels, so that everything else in it is drawn to the same bytes.
    canvas = Canvas(tray.side - GAP, tray.side - GAP)
    _paint_compartments(canvas, [tray.linings[change.compartment]], [things], [(0, 0)], tray.side)
    return canvas


def _paint_compartments(
    canvas: Canvas,
    linings: Sequence[str],
    held: Sequence[Sequence[Thing]],
    corners: Sequence[tuple[int, int]],
    side: int,
) -> None:
    inner = side - GAP
    canvas.rectangles([(x, y, x + inner, y + inner) for x, y in corners], list(linings))
    lying, shadows, shades = [], [], []
    for lining, things, (left, top) in zip(linings, held, corners, strict=True):
        radius = SIZES[len(things)] * side
        for (x, y), thing in zip(PLACES[len(things)], things, strict=True):
            at = left + side * (0.5 + x + thing.dx), top + side * (0.51 + y + thing.dy)
            lying.append((thing.kind, *at, radius, TINCTURES[thing.colour]))
            shadows.append((*at, radius * 1.15))
            shades.append(mix(lining, "black", 0.1))
    canvas.circles(shadows, list(shades))
    canvas.rectangles([(x, y, x + inner, y + side * 0.07) for x, y in corners], "black", alpha=0.2)
    canvas.rectangles([(x, y, x + side * 0.05, y + inner) for x, y in corners], "black", alpha=0.13)
    foot = [(x, y + inner - side * 0.03, x + inner, y + inner) for x, y in corners]
    canvas.rectangles(foot, "white", alpha=0.35)
    for one in lying:
        paint_charge(canvas, *one)


COMPARE = """
import numpy as np
a, b = (np.asarray(image.convert("RGB"), dtype=float) for image in (image_1, image_2))
height, width, _ = a.shape
def moved(first, second):
    far = range(-10, 11)
    wrong = [np.abs(np.diff(first)[10:-10] - np.diff(np.roll(second, step))[10:-10]).mean() for step in far]
    return far[int(np.argmin(wrong))]
down = moved(a.mean((1, 2)), b.mean((1, 2)))
across = moved(a.mean((0, 2)), b.mean((0, 2)))
b = np.roll(b, (down, across), (0, 1))
def score(column, row):
    x, y = {left} + column * {across}, {top} + row * {down}
    box = slice(int((y + {down} * 0.06) * height), int((y + {down} * 0.9) * height)), slice(
        int((x + {across} * 0.06) * width), int((x + {across} * 0.9) * width))
    one, two = a[box], b[box]
    light = np.median(one, (0, 1)) / np.median(two, (0, 1))
    off = one - two * light
    rows, columns = off.shape[0] // 6, off.shape[1] // 6
    blocks = off[:rows * 6, :columns * 6].reshape(rows, 6, columns, 6, 3)
    return np.abs(blocks.mean((1, 3))).max()
cells = [(score(column, row), "ABCDEFGHIJ"[column] + str(row + 1))
         for column in range({columns}) for row in range({rows})]
print(sorted(cells)[-3:])
print(max(cells)[1])
"""
"""Shifts the second photograph onto the first, evens out the light, and finds what is left: in a block of
pixels noise averages out, and a change does not."""


class SpotTheChange:
    """In which compartment was something changed?"""

    name = "spot-the-change"
    skills = frozenset({Skill.PERCEPTION})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {
        "columns": Knob(5, 8, "columns of compartments; there are 0.62 times as many rows"),
        "things": Knob(1, 3, "things in each compartment"),
        "shift": Knob(0, FARTHEST, "pixels that the camera moves at most, across and down"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A tray, a change in it, and how the camera moved."""
        tray, far = collect(rng, int(knobs["columns"]), int(knobs["things"])), int(knobs["shift"])
        return _plan(tray, draw_change(rng, tray), (rng.randint(-far, far), rng.randint(-far, far)))

    def oracle(self, task: Task) -> Oracle:
        """Lay one photograph over the other, compartment by compartment."""
        program = COMPARE.format(**task.metadata)
        seen = yield turns.code("I cannot compare them by eye. Let me lay one over the other.", program)
        cell = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"They differ most in {cell}.", cell)


def _plan(tray: Tray, change: Change, shift: tuple[int, int]) -> Plan:
    def twin(rng: random.Random) -> Plan:
        return _plan(tray, draw_change(rng, tray), shift)

    row, column = divmod(change.compartment, tray.columns)
    letter, (width, height) = string.ascii_uppercase[column], tray.size
    return Plan(
        key="tray/" + " ".join(f"{thing.kind}{thing.colour}" for held in tray.compartments for thing in held),
        question=(
            "The two pictures show the same tray before and after one thing in it was changed. Which "
            "compartment, named by its column's letter and its row's number, holds that thing?"
        ),
        answer=Answer(
            f"{letter}{row + 1}",
            aliases=(
                *(f"{letter}{sign}{row + 1}" for sign in (" ", "-", ", ")),
                f"{row + 1}{letter}",
                f"column {letter}, row {row + 1}",
                f"compartment {letter}{row + 1}",
            ),
        ),
        draw=lambda rng: paint(tray, change, shift, rng),
        twin=twin,
        metadata={
            "columns": tray.columns,
            "rows": tray.rows,
            "left": RIM / width,
            "top": RIM / height,
            "across": tray.side / width,
            "down": tray.side / height,
        },
    )


SPOT_THE_CHANGE = SpotTheChange()
