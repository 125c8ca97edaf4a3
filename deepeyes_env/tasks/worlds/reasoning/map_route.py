"""Reasoning: the length of a route on a map, by the map's own scale bar."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point, mix
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns

SIDE = 1008

PINS = {"red": "#d22b2b", "blue": "#1f4fd0", "purple": "#8a2fb5", "orange": "#ff7a00", "pink": "#ff4fa3"}
"""Colours of pins; the map itself has none of these hues."""

SCALE_BOX = (0.04, 0.9, 0.5, 0.985)
"""Where the scale bar is, in shares of the picture: left, top, right, bottom."""

SCALE_LENGTHS = (2, 5, 10, 15, 20, 25, 40, 50, 100)
"""Kilometres that a scale bar may stand for."""

TOLERANCE = 0.03
"""Relative error that counts as right: a few pixels on each leg."""


WORDINGS = (
    "A surveyor goes in straight lines from {way}. By the map's scale, how many kilometres is that?",
    "How long, in kilometres by the map's scale bar, is the way from {way} as the crow flies?",
    "A balloon drifts straight from {way}. What distance in kilometres does it cover by the map's scale?",
)


@dataclass(frozen=True, slots=True)
class Map:
    """What the map shows.

    Attributes:
        pins: Colour -> place in pixels.
        names: The towns' names, in the order of the pins.
        bar: Length of the scale bar in pixels.
        km: Kilometres it stands for.
    """

    pins: dict[str, Point]
    names: tuple[str, ...]
    bar: int
    km: int

    def length(self, route: list[str]) -> float:
        """Kilometres of a route over pins."""
        legs = itertools.pairwise(self.pins[colour] for colour in route)
        return sum(math.dist(a, b) for a, b in legs) * self.km / self.bar


def coast(rng: random.Random, x: float, y: float, size: float) -> list[Point]:
    """A ragged coastline about `(x, y)`."""
    waves = [(k, rng.uniform(0, 6.3), rng.uniform(0.4, 1.0) / k) for k in range(2, 9)]
    points = []
    for step in range(180):
        turn = 2 * math.pi * step / 180
        swell = sum(height * math.sin(k * turn + phase) for k, phase, height in waves)
        radius = size * (1 + 0.16 * swell)
        points.append((x + radius * math.cos(turn), y + radius * math.sin(turn)))
    return points


def paint(
    pins: dict[str, Point], names: tuple[str, ...], bar: int, km: int, rng: random.Random
) -> EncodedImage:
    """The map.

    Args:
        pins: Colour -> place in pixels.
        names: The towns' names, in the order of the pins.
        bar: Length of the scale bar in pixels.
        km: Kilometres it stands for.
        rng: Chooses everything else.
    """
    sea = rng.choice(("#cfe3e8", "#c5dbe6", "#d7e6de"))
    canvas = Canvas(SIDE, SIDE, sea)
    for line in range(0, SIDE, 84):
        canvas.line([(line, 0), (line, SIDE)], mix(sea, "white", 0.45), 1)
        canvas.line([(0, line), (SIDE, line)], mix(sea, "white", 0.45), 1)
    shore = coast(rng, SIDE * 0.5, SIDE * 0.45, SIDE * 0.33)
    centre = (SIDE * 0.5, SIDE * 0.45)
    for ring in range(5, 0, -1):
        canvas.polygon(
            _towards(shore, centre, 1 + 0.022 * ring), None, mix(sea, "#5f8aa0", 0.5 - 0.07 * ring), 1.2
        )
    canvas.polygon(shore, "#e8e4c9", "#7d8a7a", 2)
    for height in range(1, 6):
        bumpy = _towards(shore, (SIDE * 0.46, SIDE * 0.42), 1 - 0.16 * height)
        canvas.polygon(
            bumpy, mix("#e8e4c9", "#b9a77c", 0.17 * height), mix("#c9c09a", "#8d7a52", 0.1 * height), 1
        )
    for mouth in rng.sample(shore, 4):
        river = [
            (mouth[0] + (centre[0] - mouth[0]) * s, mouth[1] + (centre[1] - mouth[1]) * s) for s in _shares()
        ]
        canvas.line([(x + rng.uniform(-9, 9), y + rng.uniform(-9, 9)) for x, y in river], "#8fb6c4", 2.2)
    for (x, y), name in zip(pins.values(), names, strict=True):
        canvas.text(x + 20, y - 16, name, 17, "#30343a", "serif", align="left")
    for colour, (x, y) in pins.items():  # over all names: a long one reaches its neighbour's pin
        canvas.circle(x, y, 12.5, "white", "#30343a", 1.2)
        canvas.circle(x, y, 9.5, PINS[colour])
    _compass(canvas, SIDE - 90, 96, 46)
    _scale_bar(canvas, bar, km)
    return as_jpeg(canvas.padded(), rng.randint(88, 95))


def _towards(points: list[Point], centre: Point, share: float) -> list[Point]:
    return [(centre[0] + (x - centre[0]) * share, centre[1] + (y - centre[1]) * share) for x, y in points]


def _shares() -> list[float]:
    return [step / 14 * 0.75 for step in range(15)]


def _compass(canvas: Canvas, x: float, y: float, radius: float) -> None:
    canvas.circle(x, y, radius, None, "#30343a", 1.5)
    canvas.polygon(
        [(x, y - radius), (x + radius * 0.22, y), (x, y + radius), (x - radius * 0.22, y)],
        "#f3efe0",
        "#30343a",
        1,
    )
    canvas.polygon([(x, y - radius), (x + radius * 0.22, y), (x - radius * 0.22, y)], "#30343a")
    canvas.text(x, y - radius - 16, "N", 20, "#30343a", "serif-bold")


def _scale_bar(canvas: Canvas, bar: int, km: int) -> None:
    left, y = 80, SIDE - 62
    canvas.rectangle(left - 24, y - 20, left + bar + 60, y + 48, "#fbfaf3", "#9aa39a", 1)
    canvas.rectangle(left, y, left + bar, y + 10, "black")
    for part in (1, 3):
        canvas.rectangle(left + bar * part / 4, y + 3, left + bar * (part + 1) / 4, y + 7, "white")
    canvas.text(left, y + 29, "0", 16, "#30343a")
    canvas.text(left + bar, y + 29, f"{km} km", 16, "#30343a")


MEASURE = """
pixels = np.asarray(image_1.convert("L"), dtype=int)
height, width = pixels.shape
left, top, right, bottom = {box}
part = pixels[int(top * height):int(bottom * height), int(left * width):int(right * width)] < 70
bar = np.flatnonzero(part[np.argmax(part.sum(1))])
unit = {km} / (bar[-1] - bar[0] + 1)
places = []
for colour in {colours}:
    blob = max(blobs_of(mask_of(image_1, colour)), key=len)
    places.append(blob.mean(0))
legs = [float(np.hypot(*(b - a))) * unit for a, b in zip(places, places[1:])]
print(round(sum(legs), 2))
"""
"""Measures the scale bar and the pins; the kilometres beside the bar were read before."""


class MapRoute:
    """How long is the way from the red pin over the blue pin to the orange pin?"""

    name = "map-route"
    skills = frozenset({Skill.REASONING})
    tools = frozenset({"code"})

    knobs: Mapping[str, Knob] = {
        "pins": Knob(3, 5, "pins on the map"),
        "stops": Knob(2, 4, "pins on the route, at most all of the map's"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A map with four or five pins and a route over three of them."""
        colours = rng.sample(list(PINS), int(knobs["pins"]))
        pins = dict(zip(colours, _places(rng, len(colours)), strict=True))
        names = tuple(town.name for town in rng.sample(world.towns, len(colours)))
        route = rng.sample(colours, min(len(colours), int(knobs["stops"])))
        wording = rng.choice(WORDINGS)
        return _plan(Map(pins, names, rng.randint(180, 330), rng.choice(SCALE_LENGTHS)), route, wording)

    def oracle(self, task: Task) -> Oracle:
        """Show the scale bar, then measure it and the pins."""
        box = (
            "(" + ", ".join(f"image_1.{side} * {v}" for side, v in zip(_SIDES, SCALE_BOX, strict=True)) + ")"
        )
        seen = yield turns.code("First the scale.", sight.show_crop(box, zoom=2))
        if not seen.images:
            yield turns.answer("I cannot see the scale.", turns.UNKNOWN)
            return
        program = sight.MASK_OF + sight.BLOBS_OF
        program += MEASURE.format(
            box=SCALE_BOX,
            km=task.metadata["km"],
            colours="[" + ", ".join(sight.channels(PINS[colour]) for colour in task.metadata["route"]) + "]",
        )
        seen = yield turns.code(f"The bar is {task.metadata['km']} km. Now measure.", program)
        length = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"The route measures {length}.", length)


_SIDES = ("width", "height", "width", "height")


def _places(rng: random.Random, count: int) -> list[Point]:
    places: list[Point] = []
    for _ in range(count):
        places.append(_place(rng, places))
    return places


def _place(rng: random.Random, others: list[Point]) -> Point:
    while True:
        turn, far = rng.uniform(0, 2 * math.pi), math.sqrt(rng.random()) * SIDE * 0.25
        place = (round(SIDE * 0.48 + far * math.cos(turn), 1), round(SIDE * 0.45 + far * math.sin(turn), 1))
        if all(math.dist(place, other) > 110 for other in others):
            return place


def _plan(chart: Map, route: list[str], wording: str) -> Plan:
    length = chart.length(route)

    def twin(rng: random.Random) -> Plan:
        if rng.random() < 0.5:
            changed = replace(chart, km=rng.choice(SCALE_LENGTHS))
        else:
            moved = rng.choice(route)
            others = [place for colour, place in chart.pins.items() if colour != moved]
            changed = replace(chart, pins={**chart.pins, moved: _place(rng, others)})
        good = abs(changed.length(route) - length) > 3 * TOLERANCE * max(length, changed.length(route))
        return _plan(changed if good else chart, route, wording)

    way = " to ".join(f"the {colour} pin" for colour in route)
    return Plan(
        key=f"map/{chart.bar}/{chart.names}",
        question=wording.format(way=way),
        answer=Answer(str(round(length, 2)), tolerance=TOLERANCE, unit="km"),
        draw=lambda rng: (paint(chart.pins, chart.names, chart.bar, chart.km, rng),),
        twin=twin,
        metadata={"route": route, "km": chart.km},
    )


MAP_ROUTE = MapRoute()
