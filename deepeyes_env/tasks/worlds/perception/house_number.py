"""Perception: read a tiny number on a door plate in a street of houses."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing import scenery
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Colour, Point, mix
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns

WIDTH, HEIGHT = 1232, 812
STREET = 636
"""Row where the houses meet the pavement."""

PAINTS = {
    "red": "#b5392f",
    "yellow": "#e5b53c",
    "blue": "#3d6ea5",
    "green": "#2f8f62",
    "pink": "#d98a96",
    "violet": "#7a5a99",
    "orange": "#d9782f",
    "turquoise": "#3fa39c",
}
"""Facade colours, far apart in hue, also from trees and hills."""


@dataclass(frozen=True, slots=True)
class House:
    """One house; `left` and `right` in pixels, `top` the row where the roof begins."""

    colour: str
    number: int
    left: int
    right: int
    top: int


def build_street(rng: random.Random, count: int) -> list[House]:
    """`count` houses side by side, all of different colours and numbers."""
    colours, numbers = rng.sample(list(PAINTS), count), rng.sample(range(101, 999), count)
    step = (WIDTH - 80) / count
    houses = []
    for place, (colour, number) in enumerate(zip(colours, numbers, strict=True)):
        left = round(40 + step * place + rng.uniform(2, 8))
        right = round(40 + step * (place + 1) - rng.uniform(2, 8))
        houses.append(House(colour, number, left, right, rng.randint(170, 290)))
    return houses


def paint_street(houses: list[House], digits: float, rng: random.Random) -> EncodedImage:
    """The whole scene as a photograph."""
    canvas = scenery.outdoors(WIDTH, HEIGHT, STREET - 30, "#b9b0a2", rng)
    for _ in range(rng.randint(3, 6)):
        scenery.tree(canvas, rng.uniform(0, WIDTH), STREET - 20, rng.uniform(400, 560), rng)
    for house in houses:
        _paint_house(canvas, house, digits, rng)
    scenery.paving(canvas, STREET, "#a9a297", rng)
    for _ in range(rng.randint(3, 6)):
        scenery.person(canvas, rng.uniform(80, WIDTH - 80), rng.uniform(STREET + 90, HEIGHT - 20), 130, rng)
    # Lamps stand between two houses and walkers keep off the pavement's edge, so that no plate is hidden.
    scenery.lamp_post(canvas, rng.choice(houses[1:]).left - 4, STREET + 60, 300)
    return as_jpeg(daylight(canvas, rng), rng.randint(84, 92))


def _paint_house(canvas: Canvas, house: House, digits: float, rng: random.Random) -> None:
    wall = PAINTS[house.colour]
    left, right, top, wide = house.left, house.right, house.top, house.right - house.left
    roof = rng.choice(("#5a4a45", "#6e5348", "#4b4f57", "#7a6a5e"))
    if rng.random() < 0.5:
        gable = [(left - 8, top), ((left + right) / 2, top - rng.uniform(70, 120)), (right + 8, top)]
    else:
        gable = [(left - 8, top), (left + 18, top - 60), (right - 18, top - 60), (right + 8, top)]
    chimney = rng.uniform(left + wide * 0.6, right - 44)
    canvas.rectangle(chimney, top - 96, chimney + 24, top - 20, mix(roof, "black", 0.2))
    canvas.polygon(gable, roof, mix(roof, "black", 0.3), 2)
    canvas.rectangle(left, top, right, STREET, wall)
    canvas.rectangle(left, top, right, top + 7, mix(wall, "white", 0.55))
    canvas.rectangle(left, STREET - 18, right, STREET, mix(wall, "black", 0.4))
    columns = 2 if wide < 210 else 3
    rows = int((STREET - 160 - top) // 110)
    middles = [
        (
            left + wide * (column + 0.5) / columns,
            top + 12 + (STREET - 160 - top) * (row + 0.5) / rows,
        )
        for row in range(rows)
        for column in range(columns)
    ]
    _paint_windows(canvas, middles, rng)
    _paint_door(canvas, house, digits, rng)


def _paint_windows(canvas: Canvas, middles: list[Point], rng: random.Random) -> None:
    boxes: list[tuple[float, float, float, float]] = []
    tones: list[Colour] = []
    for x, y in middles:
        boxes += [(x + left, y + top, x + right, y + bottom) for left, top, right, bottom, _ in WINDOW]
        glass = rng.choice(("#324452", "#3f5666", "#f3d98b", "#2b3844"))
        tones += [glass if tone is None else tone for *_, tone in WINDOW]
    canvas.rectangles(boxes, tones)
    gleams = [[(x - 20, y + 10), (x + 5, y - 30), (x + 14, y - 30), (x - 20, y + 25)] for x, y in middles]
    canvas.polygons(gleams, "white", alpha=0.13)


WINDOW: tuple[tuple[float, float, float, float, str | None], ...] = (
    (-25.5, -35.5, 25.5, 35.5, "#d8d0be"),
    (-24.5, -34.5, 24.5, 34.5, "#f5f1e6"),
    (-20, -30, 20, 30, None),
    (-1.5, -30, 1.5, 30, "#f5f1e6"),
    (-20, -5.5, 20, -2.5, "#f5f1e6"),
    (-29, 35, 29, 41, "#e4dccb"),
)
"""Boxes about a window's middle: edge, frame, panes (of any glass), bars and sill."""


def _paint_door(canvas: Canvas, house: House, digits: float, rng: random.Random) -> None:
    wide, hand = house.right - house.left, rng.choice((-1, 1))
    x = (house.left + house.right) / 2 + hand * wide * 0.18
    if wide > 236:
        _paint_windows(canvas, [(x - hand * wide * 0.47, STREET - 92)], rng)
    wood = rng.choice(("#4a3226", "#2f4038", "#5b2b2b", "#2c3650"))
    canvas.rectangle(x - 34, STREET - 136, x + 34, STREET, "#eee7d8")
    canvas.rectangle(x - 28, STREET - 130, x + 28, STREET, wood)
    for top in (STREET - 118, STREET - 58):
        canvas.rectangle(x - 19, top, x + 19, top + 46, None, mix(wood, "white", 0.25), 2)
    canvas.circle(x + 21, STREET - 64, 3, "#d9b64c")
    plate, row = x - hand * rng.uniform(54, 60), STREET - rng.uniform(88, 104)
    canvas.rectangle(plate - 17, row - 10, plate + 17, row + 10, "#1f2b45", "#e9e4d4", 1.5)
    canvas.text(plate, row, str(house.number), digits, "#fbf8ee", "bold")


FIND = """
house = mask_of(image_1, {colour})
columns = np.flatnonzero(house.sum(0) > image_1.height * 0.12)
rows = np.flatnonzero(house.sum(1) > (columns[-1] - columns[0]) * 0.2)
left, right, bottom = columns[0], columns[-1], rows[-1]
height = image_1.height * 0.17
"""
"""Finds the facade of one colour; the door stands in its lowest part."""


class HouseNumber:
    """What number is on the plate of the red house?"""

    name = "house-number"
    skills = frozenset({Skill.PERCEPTION})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {
        "houses": Knob(4, 8, "houses in the street"),
        "digits": Knob(16, 10, "height of a plate's digits in pixels per em"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A street and one house in it."""
        houses = build_street(rng, int(knobs["houses"]))
        return _plan(houses, rng.choice(houses).colour, knobs["digits"])

    def oracle(self, task: Task) -> Oracle:
        """Find the facade by its colour, enlarge the part around its door, and read."""
        program = sight.MASK_OF + FIND.format(colour=sight.channels(PAINTS[task.metadata["colour"]]))
        program += sight.show_crop("(left, bottom - height, right, bottom)", zoom=4)
        seen = yield turns.code("The plate is tiny. Let me enlarge that house's entrance.", program)
        number = str(task.metadata["number"]) if seen.images else turns.UNKNOWN
        yield turns.answer(f"The plate reads {number}.", number)


def _plan(houses: list[House], colour: str, digits: float) -> Plan:
    asked = next(house for house in houses if house.colour == colour)

    def twin(rng: random.Random) -> Plan:
        number = rng.randrange(101, 999)
        changed = [replace(house, number=number) if house is asked else house for house in houses]
        return _plan(changed, colour, digits)

    return Plan(
        key="street/" + " ".join(f"{house.colour}{house.number}" for house in houses),
        question=f"What number is on the plate beside the door of the {colour} house?",
        answer=Answer(str(asked.number)),
        draw=lambda rng: (paint_street(houses, digits, rng),),
        twin=twin,
        metadata={"colour": colour, "number": asked.number},
    )


HOUSE_NUMBER = HouseNumber()
