"""Perception: count the shapes of one form and one colour under clutter."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, gradient, mix, regular, star
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns

WIDTH, HEIGHT = 1120, 840

PAINTS = {
    "red": "#d1372f",
    "blue": "#2f62c4",
    "green": "#2f9a4d",
    "yellow": "#f0c419",
    "purple": "#8745b8",
    "orange": "#ee7d22",
}

FORMS = {"circle": 1.0, "square": 2 / math.pi, "triangle": 0.4135, "star": 0.28}
"""Form -> its area as a share of the circle around it; how the oracle tells them apart."""

Kind = tuple[str, str]
"""Colour and form of a shape."""

PAPERS = (("#f5efe2", "#e9dfcc"), ("#e6edf0", "#d5e0e6"), ("#efe7ee", "#e0d5e2"), ("#ebefe1", "#dbe3cd"))
"""Background gradients, pale enough never to pass for a shape."""

SPREAD = 9
"""Most shapes of the asked kind minus fewest: ten answers, so that none is a good guess."""

OTHERS_SPREAD = 8
"""How far the number of all other shapes may lie from its knob's setting."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape; position and radius in pixels, angle in degrees."""

    form: str
    colour: str
    x: float
    y: float
    radius: float
    angle: float


def scatter(rng: random.Random, asked: Kind, count: int, others: int) -> list[Shape]:
    """Shapes that do not touch.

    Args:
        rng: Chooses all other shapes, and every place.
        asked: The kind that is asked for.
        count: How many of that kind there are.
        others: How many other shapes there are.
    """
    kinds = [asked] * count + rng.choices(_all_but(asked), k=others)
    shapes: list[Shape] = []
    for colour, form in kinds:
        shapes.append(_place(rng, colour, form, shapes))
    return shapes


def _all_but(asked: Kind) -> list[Kind]:
    return [kind for kind in itertools.product(PAINTS, FORMS) if kind != asked]


def _place(rng: random.Random, colour: str, form: str, shapes: list[Shape]) -> Shape:
    while True:
        radius = rng.uniform(20, 38)
        x, y = rng.uniform(radius + 8, WIDTH - radius - 8), rng.uniform(radius + 8, HEIGHT - radius - 8)
        if all(math.hypot(x - s.x, y - s.y) > radius + s.radius + 5 for s in shapes):
            return Shape(form, colour, x, y, radius, rng.uniform(0, 360))


def paint(shapes: list[Shape], rng: random.Random) -> EncodedImage:
    """Shapes over pale blots and scribbles, with thin pencil lines beneath."""
    upper, lower = rng.choice(PAPERS)
    canvas = Canvas(WIDTH, HEIGHT, gradient(HEIGHT, upper, lower))
    paper = mix(upper, lower, 0.5)
    blots, tones = [], []
    for _ in range(26):
        tone = mix(rng.choice(list(PAINTS.values())), "white", rng.uniform(0.72, 0.86))
        tones.append(mix(paper, tone, rng.uniform(0.35, 0.75)))
        blots.append((rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(20, 130)))
    canvas.circles(blots, list(tones))
    for width in (1.0, 1.7, 2.4):
        canvas.lines([_scribble(rng) for _ in range(7)], mix(paper, "#6b6f78", 0.55), width)
    corners = [_corners(shape) for shape in shapes]
    canvas.polygons([[(x + 2, y + 3) for x, y in each] for each in corners], "black", alpha=0.13)
    canvas.polygons(corners, [PAINTS[shape.colour] for shape in shapes])
    return as_jpeg(daylight(canvas, rng, shade=0.08), rng.randint(86, 94), fine_colour=True)


def _scribble(rng: random.Random) -> list[Point]:
    x, y, turn = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(0, 6.3)
    stroke: list[Point] = []
    for _ in range(28):
        stroke.append((x, y))
        turn += rng.uniform(-0.5, 0.5)
        x, y = x + 18 * math.cos(turn), y + 18 * math.sin(turn)
    return stroke


def _corners(shape: Shape) -> list[Point]:
    x, y, radius, angle = shape.x, shape.y, shape.radius, shape.angle
    if shape.form == "star":
        return star(x, y, radius, 0.3, angle=angle)
    if shape.form == "circle":
        return regular(x, y, radius, 60)
    return regular(x, y, radius, {"square": 4, "triangle": 3}[shape.form], angle)


COUNT = """
count = 0
for blob in blobs_of(mask_of(image_1, {colour}, tolerance=0.05, brightest=1.5), least=100):
    reach = np.hypot(*(blob - blob.mean(0)).T)
    fullness = len(blob) / (np.pi * (reach.max() + 0.5) ** 2)
    forms = {forms}
    count += min(forms, key=lambda form: abs(forms[form] - fullness)) == {form!r}
print(count)
"""
"""Counts the blobs of one colour whose area, as a share of the circle around them, is that of the form."""


class CountShapes:
    """How many blue stars are there?"""

    name = "count-shapes"
    skills = frozenset({Skill.PERCEPTION})
    tools = frozenset({"code"})

    knobs: Mapping[str, Knob] = {
        "asked": Knob(10, 16, f"most shapes of the asked kind; the fewest are {SPREAD} fewer"),
        "others": Knob(20, 56, f"shapes of all other kinds, {OTHERS_SPREAD} more or fewer"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A kind of shape, how many there are of it, and a picture."""
        kind, most = (rng.choice(list(PAINTS)), rng.choice(list(FORMS))), int(knobs["asked"])
        count = rng.randint(most - SPREAD, most)
        others = int(knobs["others"]) + rng.randint(-OTHERS_SPREAD, OTHERS_SPREAD)
        return _plan(scatter(rng, kind, count, others), kind)

    def oracle(self, task: Task) -> Oracle:
        """Count connected pieces of the colour by their fullness."""
        colour, form = task.metadata["colour"], task.metadata["form"]
        program = sight.MASK_OF + sight.BLOBS_OF
        program += COUNT.format(colour=sight.channels(PAINTS[colour]), forms=FORMS, form=form)
        seen = yield turns.code("Counting by eye is unsafe here. Let me count connected pieces.", program)
        count = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"The program counted {count}.", count)


def _plan(shapes: list[Shape], kind: Kind) -> Plan:
    colour, form = kind
    count = sum((shape.colour, shape.form) == kind for shape in shapes)
    one = (f"1 {form}", f"1 {colour} {form}") if count == 1 else ()

    def twin(rng: random.Random) -> Plan:
        # One shape becomes one of the asked kind, or one of the asked kind becomes another.
        place = rng.randrange(len(shapes))
        was = shapes[place]
        now = rng.choice(_all_but(kind)) if (was.colour, was.form) == kind else kind
        changed = [*shapes[:place], replace(was, colour=now[0], form=now[1]), *shapes[place + 1 :]]
        return _plan(changed, kind)

    return Plan(
        key="shapes/" + " ".join(f"{s.colour}{s.form}{s.x:.0f}" for s in shapes),
        question=f"How many {colour} {form}s are there in the picture?",
        answer=Answer(str(count), aliases=(f"{count} {colour} {form}s", *one), unit=f"{form}s"),
        draw=lambda rng: (paint(shapes, rng),),
        twin=twin,
        metadata={"colour": colour, "form": form, "count": count},
    )


COUNT_SHAPES = CountShapes()
