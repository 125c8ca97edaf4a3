"""Perception: count one kind of duck on a pond full of others, of lily pads and of reeds."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing import scenery
from deepeyes_env.tasks.worlds.drawing.brush import ellipse
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Colour, Point, gradient, mix
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns

WIDTH, HEIGHT = 1120, 784
SHORE = 150
"""Row where the water begins."""

SPREAD = 9
"""Most ducks of the asked kind minus fewest: ten answers, so that none is a good guess."""


@dataclass(frozen=True, slots=True)
class Plumage:
    """Colours of a kind of duck."""

    head: str
    breast: str
    body: str
    wing: str
    bill: str


KINDS = {
    "green": Plumage("#1d6e54", "#6e4634", "#b9b4ab", "#8f8a84", "#d9b445"),
    "rust-red": Plumage("#a84824", "#2f2c2e", "#c3c0bb", "#a5a29e", "#5b646e"),
    "violet": Plumage("#5c3a80", "#26242a", "#e4e1da", "#2f2c33", "#7c8a98"),
    "brown": Plumage("#8a6e50", "#94775a", "#94775a", "#75593f", "#a8865a"),
    "white": Plumage("#efece4", "#efece4", "#efece4", "#d8d4ca", "#e39a3c"),
}
"""Kind of duck, by its head -> its colours."""

ASKED = ("green", "rust-red", "violet")
"""Heads of a hue that nothing else on the pond has; that is how the oracle finds them."""

PONDS = (("#9fbcbb", "#4f7480"), ("#a8b9b4", "#5a7672"), ("#93b1c0", "#46677c"))


@dataclass(frozen=True, slots=True)
class Duck:
    """One duck.

    Attributes:
        kind: A key of `KINDS`.
        x: Its middle in pixels.
        y: Its waterline in pixels.
        size: Half its length in pixels.
        way: -1 where it swims to the left, 1 to the right.
    """

    kind: str
    x: float
    y: float
    size: float
    way: int

    @property
    def head(self) -> Point:
        """Middle of its head in pixels."""
        return self.x + self.way * self.size * 0.66, self.y - self.size * 0.74

    @property
    def head_radius(self) -> float:
        """Radius of its head in pixels."""
        return self.size * 0.24


def settle(rng: random.Random, kinds: list[str]) -> list[Duck]:
    """Ducks of these kinds, nearer ones last; they overlap, but no head is hidden."""
    ducks: list[Duck] = []
    for kind in kinds:
        ducks.append(_settle_one(rng, kind, ducks))
    return sorted(ducks, key=lambda duck: duck.y)


def _settle_one(rng: random.Random, kind: str, ducks: list[Duck]) -> Duck:
    while True:
        y = rng.uniform(SHORE + 60, HEIGHT - 40)
        size = (30 + 20 * (y - SHORE) / (HEIGHT - SHORE)) * rng.uniform(0.94, 1.06)
        duck = Duck(kind, rng.uniform(60, WIDTH - 60), y, size, rng.choice((-1, 1)))
        if all(_leaves_heads_free(duck, other) for other in ducks):
            return duck


def _leaves_heads_free(one: Duck, other: Duck) -> bool:
    size = max(one.size, other.size)
    apart = math.hypot((one.x - other.x) / (1.6 * size), (one.y - other.y) / (0.9 * size))
    return apart > 1 and math.dist(one.head, other.head) > 0.85 * size


def paint(ducks: list[Duck], clutter: int, rng: random.Random) -> EncodedImage:
    """The pond as a photograph; `clutter` is the number of lily pads and of tufts of reed."""
    water = gradient(HEIGHT - SHORE, *rng.choice(PONDS))
    sky = gradient(SHORE, *rng.choice(scenery.SKIES))
    canvas = Canvas(WIDTH, HEIGHT, np.concatenate([sky, water]))
    _paint_shore(canvas, rng)
    below = [
        part
        for _ in range(clutter)
        for part in _pad(rng.uniform(0, WIDTH), rng.uniform(SHORE + 40, HEIGHT), rng)
    ]
    above = [part for _ in range(clutter) for part in _free_pad(ducks, rng)]
    _paint_parts(canvas, below)
    dim = [ellipse(d.x, d.y + 0.1 * d.size, d.size * 1.02, d.size * 0.2) for d in ducks]
    canvas.polygons(dim, [mix(KINDS[d.kind].body, "#35525c", 0.6) for d in ducks], alpha=0.4)
    _paint_parts(canvas, [part for duck in ducks for part in _duck(duck)] + above)
    _paint_reeds(canvas, ducks, clutter // 2, rng)
    return as_jpeg(daylight(canvas, rng), rng.randint(88, 94))


Part = tuple[Sequence[Point] | npt.NDArray[np.float64], Colour, float]
"""Outline of a part of something, its colour, and the width of its darker edge in pixels."""


def _paint_parts(canvas: Canvas, parts: list[Part]) -> None:
    """All at once, later ones over earlier ones."""
    outlines, fills, widths = zip(*parts, strict=True)
    canvas.polygons(outlines, list(fills), [mix(fill, "black", 0.38) for fill in fills], list(widths))


def _paint_shore(canvas: Canvas, rng: random.Random) -> None:
    for _ in range(7):
        scenery.tree(canvas, rng.uniform(0, WIDTH), SHORE - 6, rng.uniform(90, 190), rng)
    grass = rng.choice(("#7f9a55", "#8a9c5a", "#748f58"))
    phase = rng.uniform(0, 6)
    bank = [(x, SHORE + 6 + 7 * math.sin(phase + x / 90)) for x in range(0, WIDTH + 28, 28)]
    canvas.polygon([(0, SHORE - 16), (WIDTH, SHORE - 16), *reversed(bank)], grass)
    canvas.lines([bank], mix(grass, "#4a3d2c", 0.6), 3)
    for tone, count in (("#e3edec", 110), ("#36565f", 110)):
        strokes: list[list[Point]] = []
        for _ in range(count):
            x, y = rng.uniform(-20, WIDTH), rng.uniform(SHORE + 22, HEIGHT)
            long = (10 + 34 * (y - SHORE) / HEIGHT) * rng.uniform(0.6, 1.5)
            strokes.append([(x, y), (x + long * 0.5, y - 1.5), (x + long, y)])
        canvas.lines(strokes, mix(tone, "#7899a0", 0.5), 1.4)


def _duck(duck: Duck) -> list[Part]:
    plumage, s, way = KINDS[duck.kind], duck.size, duck.way

    def at(along: float, up: float) -> Point:
        return duck.x + way * along * s, duck.y - up * s

    def oval(along: float, up: float, wide: float, high: float) -> npt.NDArray[np.float64]:
        return ellipse(*at(along, up), wide * s, high * s)[::2]

    x, y = duck.head
    eye = x + way * s * 0.08, y - s * 0.05
    wing = [(0.36, 0.34), (0.1, 0.44), (-0.5, 0.38), (-0.82, 0.34), (-0.4, 0.12), (0.2, 0.12)]
    return [
        ([at(0.43, 0.2), at(0.53, 0.66), at(0.79, 0.66), at(0.69, 0.2)], plumage.breast, 0),
        ([at(*point) for point in _hull()], plumage.body, 1),
        (oval(0.6, 0.2, 0.26, 0.22), plumage.breast, 0),
        ([at(*point) for point in wing], plumage.wing, 0),
        ([at(0.84, 0.8), at(1.08, 0.7), at(1.06, 0.65), at(0.84, 0.64)], plumage.bill, 0),
        (ellipse(x, y, duck.head_radius, duck.head_radius)[::2], plumage.head, 0),
        (ellipse(*eye, s * 0.0625, s * 0.0625)[::4], "#18181a", 0),
        (ellipse(*eye, s * 0.0275, s * 0.0275)[::4], "#f4efdc", 0),
        ([at(0.98, -0.04), at(0.2, -0.09), at(-0.98, -0.04), at(0.2, -0.13)], "#c9d6d8", 0),
    ]


@lru_cache(maxsize=1)
def _hull() -> list[Point]:
    """Outline of a body that swims to the right, in half lengths from its middle on the water."""
    upper = [
        (0.86 * math.cos(t), 0.14 + 0.3 * math.sin(t)) for t in (step * math.pi / 8 for step in range(7))
    ]
    lower = [
        (0.86 * math.cos(t), 0.14 + 0.24 * math.sin(t)) for t in (step * math.pi / 6 for step in range(7, 12))
    ]
    return [*upper, (-0.78, 0.36), (-1.02, 0.48), (-0.92, 0.2), *lower]


def _pad(x: float, y: float, rng: random.Random) -> list[Part]:
    wide = _pad_width(y) * rng.uniform(0.7, 1.15)
    green, notch = rng.choice(("#5f9148", "#6f9a4c", "#55833f", "#7c9a4a")), rng.uniform(0, 6.28)
    turns_ = [notch + 0.25 + step * (2 * math.pi - 0.5) / 20 for step in range(21)]
    rim = [(x + wide * math.cos(t), y + wide * 0.42 * math.sin(t)) for t in turns_]
    parts: list[Part] = [([(x, y), *rim], green, 1)]
    veins = [(x + wide * 0.8 * math.cos(t), y + wide * 0.33 * math.sin(t)) for t in turns_[2::4]]
    parts.append((_rays((x, y), veins, 0.9), mix(green, "#e0ecb0", 0.3), 0))
    if rng.random() < 0.2:
        tips = [
            (x + wide * 0.4 * math.cos(t), y - 3 - wide * 0.4 * abs(math.sin(t)))
            for t in (step * math.pi / 6 for step in range(7))
        ]
        parts.append((_rays((x, y - 3), tips, wide * 0.07), "#f3d5dd", 0))
    return parts


def _rays(middle: Point, tips: list[Point], half: float) -> list[Point]:
    """Narrow leaves from `middle` to each of `tips`, as one outline; `half` their greatest half width."""
    x, y = middle
    outline: list[Point] = []
    for tip_x, tip_y in tips:
        dx, dy = tip_x - x, tip_y - y
        far = math.hypot(dx, dy)
        aside = -dy / far * half, dx / far * half
        waist = x + 0.6 * dx, y + 0.6 * dy
        outline += [middle, (waist[0] - aside[0], waist[1] - aside[1]), (tip_x, tip_y)]
        outline.append((waist[0] + aside[0], waist[1] + aside[1]))
    return outline


def _pad_width(y: float) -> float:
    return 20 + 24 * (y - SHORE) / (HEIGHT - SHORE)


def _free_pad(ducks: list[Duck], rng: random.Random) -> list[Part]:
    # In front of the ducks, but where it hides no head; if chance finds no such place, it is left out.
    for _ in range(6):
        x, y = rng.uniform(0, WIDTH), rng.uniform(SHORE + 60, HEIGHT)
        reach = _pad_width(y) * 1.2
        if all(abs(x - d.head[0]) > reach + 20 or abs(y - d.head[1]) > reach * 0.5 + 16 for d in ducks):
            return _pad(x, y, rng)
    return []


def _paint_reeds(canvas: Canvas, ducks: list[Duck], tufts: int, rng: random.Random) -> None:
    cobs: list[list[Point]] = []
    for green in ("#8c9a4e", "#7d8c48", "#9aa05a"):
        blades = [blade for _ in range(round(tufts / 3)) for blade in _reeds(ducks, rng)]
        if blades:
            canvas.lines(blades, green, 2.6)
        cobs += [[(x, y), (x, y + (foot - y) * 0.25)] for (_, foot), _, (x, y) in blades[::8]]
    if cobs:
        canvas.lines(cobs, "#5f4630", 6)


def _reeds(ducks: list[Duck], rng: random.Random) -> list[list[Point]]:
    """The eight blades of a tuft, or none where chance finds no place without heads."""
    for _ in range(6):
        x, y = rng.uniform(0, WIDTH), rng.uniform(SHORE + 80, HEIGHT + 20)
        tall = 50 + 80 * (y - SHORE) / (HEIGHT - SHORE)
        if all(abs(x - d.head[0]) > 56 or not y - tall - 30 < d.head[1] < y + 22 for d in ducks):
            blades: list[list[Point]] = []
            for _ in range(8):
                root, lean = x + rng.uniform(-14, 14), rng.uniform(-14, 14)
                high = tall * rng.uniform(0.6, 1)
                blades.append([(root, y), (root + lean * 0.3, y - high * 0.6), (root + lean, y - high)])
            return blades
    return []


COUNT = """
heads = blobs_of(mask_of(image_1, {head}, tolerance=0.045, brightest=1.3), least=60)
print(len(heads))
"""
"""Counts the pieces of the colour of a kind's heads; a head is a disc of at least seven pixels' radius."""


class DucksOnAPond:
    """How many ducks with a green head are there?"""

    name = "ducks-on-a-pond"
    skills = frozenset({Skill.PERCEPTION})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {
        "asked": Knob(10, 20, f"most ducks of the asked kind; the fewest are {SPREAD} fewer"),
        "others": Knob(6, 24, "ducks of all other kinds"),
        "clutter": Knob(
            6, 30, "lily pads below the ducks, lily pads above them, and twice the tufts of reed"
        ),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A kind of duck, how many there are of it, and a pond."""
        asked, most = rng.choice(ASKED), int(knobs["asked"])
        others = rng.choices([kind for kind in KINDS if kind != asked], k=int(knobs["others"]))
        ducks = settle(rng, [asked] * rng.randint(most - SPREAD, most) + others)
        return _plan(ducks, asked, int(knobs["clutter"]))

    def oracle(self, task: Task) -> Oracle:
        """Count pieces of the head's colour."""
        program = sight.MASK_OF + sight.BLOBS_OF
        program += COUNT.format(head=sight.channels(KINDS[task.metadata["asked"]].head))
        seen = yield turns.code("Bodies hide one another, but every head shows. Let me count heads.", program)
        count = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"The program counted {count}.", count)


def _plan(ducks: list[Duck], asked: str, clutter: int) -> Plan:
    count = sum(duck.kind == asked for duck in ducks)

    def twin(rng: random.Random) -> Plan:
        # One duck becomes one of the asked kind, or one of the asked kind becomes another.
        place = rng.randrange(len(ducks))
        others = [kind for kind in KINDS if kind != asked]
        kind = rng.choice(others) if ducks[place].kind == asked else asked
        return _plan([*ducks[:place], replace(ducks[place], kind=kind), *ducks[place + 1 :]], asked, clutter)

    return Plan(
        key="pond/" + " ".join(f"{duck.x:.0f},{duck.y:.0f}" for duck in ducks),
        question=f"How many ducks with a {asked} head are on the pond?",
        answer=Answer(str(count), aliases=("1 duck",) if count == 1 else (), unit="ducks"),
        draw=lambda rng: (paint(ducks, clutter, rng),),
        twin=twin,
        metadata={"asked": asked},
    )


DUCKS_ON_A_POND = DucksOnAPond()
