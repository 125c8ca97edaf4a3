"""Perception: sizes that differ by little. Which of the numbered fish on the ice is the longest?"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, mix, regular
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns

WIDTH, HEIGHT = 1008, 840

COLUMNS, ROWS = 4, 4
"""Places for fish on the counter, in a grid."""

LONGEST = (196.0, 214.0)
"""Length of the longest fish in pixels, from nose to tail."""

SHORTEST = 0.78
"""Length of the shortest fish as a share of the longest's."""

SCALES = ("#c46a3f", "#b5803a", "#a8553f", "#8a6a3c", "#b8703a", "#9c4f48")
"""Fish of warm colours, which the ice has nowhere."""

FROST = "#d5e3eb"
ICE = ("#dfeaf0", "#cfe0ea", "#e8f0f4", "#c4d8e4")


@dataclass(frozen=True, slots=True)
class Fish:
    """One fish.

    Attributes:
        number: On the flag above it.
        x: Its middle in pixels.
        y: Its middle in pixels.
        angle: Of its nose, clockwise degrees from the right.
        length: From nose to tail in pixels.
        depth: Its greatest depth as a share of its length.
        colour: Of its scales.
    """

    number: int
    x: float
    y: float
    angle: float
    length: float
    depth: float
    colour: str


def lay_out(rng: random.Random, count: int, lead: float) -> list[Fish]:
    """`count` fish, one of which is longer than any other by at least the share `lead`."""
    places = sorted(rng.sample(range(COLUMNS * ROWS), count))
    numbers = rng.sample(range(11, 99), count)
    longest, winner = rng.uniform(*LONGEST), rng.randrange(count)
    fish = []
    for turn, (place, number) in enumerate(zip(places, numbers, strict=True)):
        row, column = divmod(place, COLUMNS)
        # Half of the others come as close as they may, so that a glance does not rule them out.
        next_longest = longest / (1 + lead)
        closest = rng.uniform(0.97, 1) if rng.random() < 0.5 else rng.uniform(SHORTEST, 1)
        fish.append(
            Fish(
                number=number,
                x=WIDTH * (column + 0.5) / COLUMNS + rng.uniform(-10, 10),
                y=40 + (HEIGHT - 50) * (row + 0.5) / ROWS + rng.uniform(-10, 10),
                angle=rng.choice((0, 180)) + rng.uniform(-30, 30),
                length=longest if turn == winner else next_longest * closest,
                depth=rng.uniform(0.24, 0.32),
                colour=rng.choice(SCALES),
            )
        )
    return fish


def paint(fish: list[Fish], rng: random.Random) -> EncodedImage:
    """The counter as a photograph."""
    canvas = Canvas(WIDTH, HEIGHT, FROST)
    _paint_ice(canvas, rng)
    bodies = [np.stack(_place(one, *_body().T), axis=1) for one in fish]
    canvas.polygons([np.add(body, (5, 7)) for body in bodies], "#4a6576", alpha=0.3)
    for one, body in zip(fish, bodies, strict=True):
        _paint_fish(canvas, one, body)
    for one in fish:
        _paint_flag(canvas, one)
    return as_jpeg(daylight(canvas, rng), rng.randint(87, 93))


def _paint_ice(canvas: Canvas, rng: random.Random) -> None:
    lumps = [
        regular(
            rng.uniform(0, WIDTH),
            rng.uniform(0, HEIGHT),
            rng.uniform(20, 50),
            rng.choice((4, 5, 6)),
            rng.uniform(0, 90),
        )
        for _ in range(115)
    ]
    tones = [mix(FROST, rng.choice(ICE), 0.15 * rng.randint(2, 6)) for _ in lumps]
    canvas.polygons(lumps, list(tones), [mix(tone, "#7f9db0", 0.25) for tone in tones], 1)
    glints = [
        [(x, y), (x + rng.uniform(6, 18), y + rng.uniform(-6, 6))]
        for x, y in ((rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT)) for _ in range(140))
    ]
    canvas.lines(glints, "#fbfdff", 2)
    for tone in ("#4d7a55", "#3d6a58"):
        canvas.lines([ribbon for _ in range(5) for ribbon in _kelp(rng)], tone, 4)


def _kelp(rng: random.Random) -> list[list[Point]]:
    """A bunch of ribbons from one stem; their hue is far from any fish's."""
    x, y = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT)
    ribbons: list[list[Point]] = []
    for _ in range(6):
        turn, at = rng.uniform(0, 2 * math.pi), (x, y)
        ribbon = [at]
        for _ in range(7):
            turn += rng.uniform(-0.5, 0.5)
            at = at[0] + 11 * math.cos(turn), at[1] + 11 * math.sin(turn)
            ribbon.append(at)
        ribbons.append(ribbon)
    return ribbons


@lru_cache(maxsize=1)
def _body() -> np.ndarray:
    """A fish of length and depth 1, nose to the right: its outline, `[n, 2]`."""
    along = np.linspace(0.5, -0.36, 24)
    half = 0.5 * np.sin(np.pi * np.clip((0.5 - along) / 0.98, 0, 1)) ** 0.75
    tail = np.array([(-0.44, -0.36), (-0.5, -0.42), (-0.455, 0.0), (-0.5, 0.42), (-0.44, 0.36)])
    upper, lower = np.stack([along, -half], axis=1), np.stack([along, half], axis=1)[::-1]
    return np.concatenate([upper, tail, lower])


Along = TypeVar("Along", float, npt.NDArray[np.float64])


def _place(fish: Fish, along: Along, down: Along) -> tuple[Along, Along]:
    """A place of the fish, in shares of its length and of its depth from its middle, in pixels; or many."""
    turn = math.radians(fish.angle)
    # A fish that lies the other way is mirrored, not upside down.
    flip = -1 if math.cos(turn) < 0 else 1
    x, y = along * fish.length, down * fish.depth * fish.length * flip
    return fish.x + x * math.cos(turn) - y * math.sin(turn), fish.y + x * math.sin(turn) + y * math.cos(turn)


def _is_whole(fish: Fish) -> bool:
    """Whether nothing of it lies beyond the picture's edge."""
    x, y = _place(fish, *_body().T)
    return bool(min(x.min(), y.min()) >= 0 and x.max() <= WIDTH and y.max() <= HEIGHT)


def _paint_fish(canvas: Canvas, fish: Fish, body: npt.NDArray[np.float64]) -> None:
    def at(along: float, down: float) -> Point:
        return _place(fish, along, down)

    dark, pale = mix(fish.colour, "black", 0.28), mix(fish.colour, "#f0d9b0", 0.5)
    fins = [
        [at(0.16, -0.4), at(0.0, -0.72), at(-0.2, -0.62), at(-0.16, -0.36)],
        [at(0.02, 0.4), at(-0.08, 0.66), at(-0.16, 0.6), at(-0.12, 0.38)],
    ]
    belly = [at(0.42 - 0.72 * t, 0.1 + 0.34 * math.sin(math.pi * t)) for t in (s / 10 for s in range(11))]
    flank = [at(0.1, 0.06), at(-0.05, 0.02), at(-0.03, 0.22)]
    canvas.polygons([*fins, body, belly, flank], [dark, dark, fish.colour, pale, dark])
    gill = [at(0.24 - 0.035 * math.cos(a), 0.3 * math.sin(a)) for a in (-1.2, -0.6, 0, 0.6, 1.2)]
    rays = [[at(-0.36, 0.1 * ray), at(-0.465, 0.28 * ray)] for ray in (-1, 0, 1)]
    scales = [
        [at(x, y - 0.07), at(x - 0.025, y), at(x, y + 0.07)]
        for x in (0.12, 0.04, -0.04, -0.12, -0.2)
        for y in (-0.22, -0.06)
    ]
    canvas.lines([gill, *rays, *scales], dark, 1.5)
    eye, size = at(0.37, -0.1), fish.length
    canvas.circles(
        [(*eye, size * 0.022 + 0.6), (*eye, size * 0.022 - 0.6), (*eye, size * 0.01)],
        ["#2a2420", "#f3ead0", "#1c1a18"],
    )


def _flag(fish: Fish) -> Point:
    return fish.x, fish.y - 76


def _paint_flag(canvas: Canvas, fish: Fish) -> None:
    x, y = _flag(fish)
    canvas.line([(x - 15, y + 11), (x - 15, y + 30)], "#5c6a72", 2)
    canvas.rectangle(x - 15, y - 11, x + 15, y + 12, "#fbfbf8", "#5c6a72", 1)
    canvas.text(x, y + 0.5, str(fish.number), 16, "#22303a", "bold")


MEASURE = """
pixels = np.asarray(image_1.convert("RGB"), dtype=float)
height, width, _ = pixels.shape
warm = pixels[..., 0] - pixels[..., 2] > 14
fish = {{}}
for blob in blobs_of(warm[::2, ::2], least=400):
    middle = blob.mean(0) * 2
    rows, columns = np.nonzero(warm)
    low, high = blob.min(0) * 2 - 4, blob.max(0) * 2 + 4
    inside = (rows >= low[0]) & (rows <= high[0]) & (columns >= low[1]) & (columns <= high[1])
    points = np.stack([columns[inside], rows[inside]], 1).astype(float)
    spread = points - points.mean(0)
    axis = np.linalg.svd(spread[::7], full_matrices=False)[2][0]
    along = spread @ axis
    flags = {flags}
    gaps = {{each: np.hypot(x * width - middle[1], y * height - middle[0]) for each, (x, y) in flags.items()}}
    fish[min(gaps, key=gaps.get)] = round(float(along.max() - along.min()), 1)
print(fish)
print(max(fish, key=fish.get))
"""
"""Everything warm on the ice is fish: measures each along its own axis, and takes the nearest flag."""


class LongestFish:
    """Which fish is the longest?"""

    name = "longest-fish"
    skills = frozenset({Skill.PERCEPTION})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {
        "fish": Knob(8, 16, "fish on the ice"),
        "lead": Knob(0.12, 0.05, "how much longer than any other the longest is, as a share"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A counter of fish."""
        return _plan(lay_out(rng, int(knobs["fish"]), knobs["lead"]), knobs["lead"])

    def oracle(self, task: Task) -> Oracle:
        """Measure every fish along its axis."""
        program = sight.MASK_OF + sight.BLOBS_OF + MEASURE.format(flags=task.metadata["flags"])
        seen = yield turns.code("They lie at all angles. Let me measure each along its axis.", program)
        number = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"The longest is {number}.", number)


def _plan(fish: list[Fish], lead: float) -> Plan:
    longest = max(fish, key=lambda one: one.length)

    def twin(rng: random.Random) -> Plan:
        # Another one is now the longest; the former longest keeps its length.
        length = longest.length * (1 + lead)
        others = [one for one in fish if one is not longest and _is_whole(replace(one, length=length))]
        other = rng.choice(others or [one for one in fish if one is not longest])
        changed = replace(other, length=length)
        return _plan([changed if one is other else one for one in fish], lead)

    return Plan(
        key="fish/" + " ".join(f"{one.number} {one.x:.0f}{one.y:.0f}" for one in fish),
        question="What number is on the flag above the fish that is the longest from nose to tail?",
        answer=Answer(str(longest.number)),
        draw=lambda rng: (paint(fish, rng),),
        twin=twin,
        metadata={
            "flags": {str(one.number): [round(one.x / WIDTH, 4), round(one.y / HEIGHT, 4)] for one in fish}
        },
    )


LONGEST_FISH = LongestFish()
