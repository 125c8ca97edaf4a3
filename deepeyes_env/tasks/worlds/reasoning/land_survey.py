"""Reasoning: area, boundary and distances of a plot of land on a surveyor's plan, by its scale."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, mix
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns
from deepeyes_env.tasks.worlds.reasoning.calculation import Calculation, apart, shown

WIDTH, HEIGHT = 1064, 840
MIDDLE = (WIDTH * 0.5, HEIGHT * 0.45)
REACH = 300.0
"""Farthest a corner lies from the middle in pixels."""

STONE = "#d4342c"
"""Colour of boundary stones; nothing else on a plan has its hue."""

BARS = (5, 10, 20, 25, 40, 50, 100)
"""Metres that a scale bar may stand for."""

PLACES = ("Mill field", "Old orchard", "Glebe land", "Far meadow", "Brick yard", "Lower common")

LETTERS = "ABCDEFGHJK"

TOLERANCE = 0.03
"""Relative error that counts as right: a few pixels along a side."""


@dataclass(frozen=True, slots=True)
class Look:
    """Colours of the sheet, the land asked about, its neighbours' and the drawing's lines."""

    sheet: str
    land: str
    other: str
    ink: str


LOOKS = (
    Look("#f5efdd", "#dfe3b4", "#eee6cf", "#3a3328"),
    Look("#fbfaf5", "#d5e4d0", "#f0f0e8", "#2b3036"),
    Look("#eef2f4", "#cfdde8", "#e4eaee", "#22364c"),
    Look("#f3ead2", "#ead6a8", "#efe4c8", "#4a3a24"),
)


@dataclass(frozen=True, slots=True)
class Survey:
    """A plot of land.

    Attributes:
        corners: In pixels, clockwise; lettered in this order.
        bar: Length of the scale bar in pixels.
        metres: What it stands for.
        title: Of the sheet.
    """

    corners: tuple[Point, ...]
    bar: int
    metres: int
    title: str

    @property
    def values(self) -> list[Point]:
        """Corners in metres."""
        unit = self.metres / self.bar
        return [(x * unit, y * unit) for x, y in self.corners]


def draw_facts(rng: random.Random, world: World, count: int) -> Survey:
    """A plot with `count` corners."""
    start = rng.uniform(0, 2 * math.pi)
    turns_ = [start + 2 * math.pi * (place + rng.uniform(-0.28, 0.28)) / count for place in range(count)]
    town = rng.choice(world.towns).name
    return Survey(
        corners=tuple(_corner(turn, rng.uniform(0.45, 1)) for turn in turns_),
        bar=rng.randint(150, 260),
        metres=rng.choice(BARS),
        title=f"{rng.choice(PLACES)} at {town}",
    )


def _corner(turn: float, far: float) -> Point:
    reach = REACH * far
    return round(MIDDLE[0] + 1.25 * reach * math.cos(turn), 1), round(MIDDLE[1] + reach * math.sin(turn), 1)


def paint(survey: Survey, rng: random.Random) -> EncodedImage:
    """The surveyor's sheet."""
    look = rng.choice(LOOKS)
    canvas = Canvas(WIDTH, HEIGHT, look.sheet)
    canvas.rectangle(22, 22, WIDTH - 22, HEIGHT - 22, look.other, look.ink, 1.4)
    _contours(canvas, look, rng)
    _trees(canvas, look, rng)
    canvas.polygon(survey.corners, look.land, look.ink, 2.2)
    _field(canvas, survey, look, rng)
    for letter, (x, y) in zip(LETTERS, survey.corners, strict=False):
        away = math.atan2(y - MIDDLE[1], x - MIDDLE[0])
        canvas.circle(x, y, 7.5, STONE)
        canvas.text(x + 25 * math.cos(away), y + 25 * math.sin(away), letter, 22, look.ink, "serif-bold")
    canvas.rectangle(22, HEIGHT - 96, WIDTH - 22, HEIGHT - 22, look.sheet, look.ink, 1.4)
    canvas.text(WIDTH - 48, HEIGHT - 70, survey.title, 21, look.ink, "serif-bold", align="right")
    note = f"Surveyed {rng.randint(1840, 1935)}. Sides straight from stone to stone."
    canvas.text(WIDTH - 48, HEIGHT - 43, note, 14, look.ink, "serif", align="right")
    _scale_bar(canvas, survey, look)
    _north(canvas, look, rng.uniform(-30, 30))
    return as_jpeg(daylight(canvas, rng, shade=0.08), rng.randint(87, 94))


def _contours(canvas: Canvas, look: Look, rng: random.Random) -> None:
    phase, tilt = rng.uniform(0, 6.3), rng.uniform(-0.25, 0.25)
    strokes = [
        [(x, row + tilt * x + 30 * math.sin(phase + x / 190 + row / 240)) for x in range(24, WIDTH - 20, 24)]
        for row in range(-120, HEIGHT + 120, 74)
    ]
    kept = [[(x, y) for x, y in stroke if 24 < y < HEIGHT - 98] for stroke in strokes]
    canvas.lines([stroke for stroke in kept if len(stroke) > 1], mix(look.other, look.ink, 0.22), 1)


def _trees(canvas: Canvas, look: Look, rng: random.Random) -> None:
    leaf = mix(look.other, "#6f9a5a", 0.45)
    trees, tones = [], []
    for _ in range(46):
        x, y, radius = rng.uniform(40, WIDTH - 40), rng.uniform(40, HEIGHT - 120), rng.uniform(6, 12)
        trees += [(x, y, radius + 0.5), (x, y, radius - 0.5)]
        tones += [mix(leaf, look.ink, 0.5), leaf]
    canvas.circles(trees, list(tones))


def _field(canvas: Canvas, survey: Survey, look: Look, rng: random.Random) -> None:
    """Tufts of grass on the land."""
    tufts = []
    for _ in range(26):
        turn, far = rng.uniform(0, 6.3), rng.uniform(0, 90)
        x, y = MIDDLE[0] + far * math.cos(turn), MIDDLE[1] + far * math.sin(turn)
        tufts += [[(x + lean, y - 7), (x, y)] for lean in (-4, 0, 4)]
    canvas.lines(tufts, mix(look.land, look.ink, 0.35), 1)


def _scale_bar(canvas: Canvas, survey: Survey, look: Look) -> None:
    left, y = 60, HEIGHT - 72
    canvas.rectangle(left, y, left + survey.bar, y + 9, "black")
    for part in (1, 3):
        canvas.rectangle(
            left + survey.bar * part / 4, y + 3, left + survey.bar * (part + 1) / 4, y + 6, "white"
        )
    canvas.text(left, y + 28, "0", 16, look.ink, "serif")
    canvas.text(left + survey.bar, y + 28, f"{survey.metres} m", 16, look.ink, "serif")


def _north(canvas: Canvas, look: Look, angle: float) -> None:
    x, y, turn = WIDTH - 78, 88, math.radians(angle)
    tip = (x + 42 * math.sin(turn), y - 42 * math.cos(turn))
    foot = (x - 30 * math.sin(turn), y + 30 * math.cos(turn))
    side = (10 * math.cos(turn), 10 * math.sin(turn))
    canvas.circle(x, y, 34, look.other, look.ink, 1)
    canvas.polygon([tip, (foot[0] + side[0], foot[1] + side[1]), (x, y)], look.ink)
    canvas.polygon([tip, (foot[0] - side[0], foot[1] - side[1]), (x, y)], look.sheet, look.ink, 1)


MEASURE = """
light = np.asarray(image_1.convert("L"), dtype=int)
height, width = light.shape
part = light[int({foot} * height):int({end} * height), int(0.04 * width):int(0.36 * width)] < 70
bar = np.flatnonzero(part[np.argmax(part.sum(1))])
unit = {metres} / (bar[-1] - bar[0] + 1)
stones = sorted(blobs_of(mask_of(image_1, {stone})), key=len)[-{count}:]
stones = [blob.mean(0)[::-1] for blob in stones]
read = [(x * width, y * height) for x, y in {read}]
values = [min(stones, key=lambda stone: np.hypot(*(stone - place))) * unit for place in read]
values = [(float(x), float(y)) for x, y in values]
print([(round(x), round(y)) for x, y in values])
print(round({formula}, 2))
"""
"""Measures the scale bar and the stones; metres and about where each letter stands were read before."""


class LandSurvey:
    """How large is the plot in square metres?"""

    name = "land-survey"
    skills = frozenset({Skill.REASONING})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {"corners": Knob(4, 9, "corners of the plot")}

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A plot and what is asked of it."""
        survey = draw_facts(rng, world, int(knobs["corners"]))
        return _plan(survey, rng.choice(CALCULATIONS)(survey, rng))

    def oracle(self, task: Task) -> Oracle:
        """Show the plan, then measure the scale and the boundary stones."""
        seen = yield turns.code("First the scale and the letters.", "image_1.show()")
        if not seen.images:
            yield turns.answer("I cannot see the plan.", turns.UNKNOWN)
            return
        program = sight.MASK_OF + sight.BLOBS_OF + MEASURE.format(**task.metadata)
        seen = yield turns.code("Now measure bar and stones in pixels.", program)
        found = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"That makes {found}.", found)


def _plan(survey: Survey, asked: Calculation) -> Plan:
    result = asked.result(survey.values)

    def twin(rng: random.Random) -> Plan:
        if rng.random() < 0.4:
            changed = replace(survey, metres=rng.choice(BARS))
        else:
            place, far = rng.randrange(len(survey.corners)), rng.uniform(0.45, 1)
            x, y = survey.corners[place]
            turn = math.atan2(y - MIDDLE[1], (x - MIDDLE[0]) / 1.25)
            corners = (*survey.corners[:place], _corner(turn, far), *survey.corners[place + 1 :])
            changed = replace(survey, corners=corners)
        good = apart(result, asked.result(changed.values), TOLERANCE)
        return _plan(changed if good else survey, asked)

    return Plan(
        key=f"survey/{survey.title}/{survey.bar}",
        question=asked.question,
        answer=Answer(shown(result), tolerance=TOLERANCE, unit=asked.unit),
        draw=lambda rng: (paint(survey, rng),),
        twin=twin,
        metadata={
            "foot": (HEIGHT - 80) / HEIGHT,
            "end": (HEIGHT - 58) / HEIGHT,
            "metres": survey.metres,
            "stone": sight.channels(STONE),
            "count": len(survey.corners),
            "read": [[round(x / WIDTH, 2), round(y / HEIGHT, 2)] for x, y in survey.corners],
            "formula": asked.formula,
        },
    )


def _leg(a: int, b: int) -> str:
    return f"((values[{a}][0] - values[{b}][0]) ** 2 + (values[{a}][1] - values[{b}][1]) ** 2) ** 0.5"


def _round(count: int) -> list[tuple[int, int]]:
    return [(place, (place + 1) % count) for place in range(count)]


def _area(survey: Survey, rng: random.Random) -> Calculation:
    question = rng.choice(
        (
            "How large is the lettered plot, in square metres?",
            "What area, in square metres, do the boundary stones enclose?",
        )
    )
    cross = " + ".join(
        f"values[{a}][0] * values[{b}][1] - values[{b}][0] * values[{a}][1]"
        for a, b in _round(len(survey.corners))
    )
    return Calculation(question, f"abs({cross}) / 2", "square metres")


def _fence(survey: Survey, rng: random.Random) -> Calculation:
    count = len(survey.corners)
    a, b = rng.choice(_round(count))
    question = (
        f"A fence is to run round the plot along its boundary, but for the side {LETTERS[a]}{LETTERS[b]}, "
        "which stays open. How many metres of fence are needed?"
    )
    return Calculation(question, " + ".join(_leg(*side) for side in _round(count) if side != (a, b)), "m")


def _diagonal(survey: Survey, rng: random.Random) -> Calculation:
    count = len(survey.corners)
    a = rng.randrange(count)
    b = (a + rng.randint(2, count - 2)) % count
    question = f"How far is it in a straight line from stone {LETTERS[a]} to stone {LETTERS[b]}, in metres?"
    return Calculation(question, _leg(a, b), "m")


def _way(survey: Survey, rng: random.Random) -> Calculation:
    places = rng.sample(range(len(survey.corners)), 4)
    names = [f"stone {LETTERS[place]}" for place in places]
    question = (
        f"A surveyor's boy walks in straight lines from {names[0]} to {names[1]}, on to {names[2]} and on to "
        f"{names[3]}. How many metres is that?"
    )
    return Calculation(question, " + ".join(_leg(*leg) for leg in itertools.pairwise(places)), "m")


CALCULATIONS: Sequence[Callable[[Survey, random.Random], Calculation]] = (
    _area,
    _area,
    _fence,
    _diagonal,
    _way,
)


LAND_SURVEY = LandSurvey()
