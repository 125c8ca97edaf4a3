"""All three skills: read two tiny airport codes, look the airports up, calculate the way between them."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from PIL import Image

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, mix
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns
from deepeyes_env.tasks.worlds.real.facts import Airport, Facts
from deepeyes_env.tasks.worlds.real.lookup import look_up
from deepeyes_env.tasks.worlds.real.photographs import ground, lay

WIDTH, HEIGHT = 1064, 644
PASS = (900, 380)

LIVERIES = ("#1f4e8c", "#8c1f3a", "#1f6b5a", "#5a3b8c", "#b3651d", "#2b3640")

EARTH_RADIUS = 6371
"""Kilometres: the mean radius that the question names."""

TOLERANCE = 0.02
"""Relative error that counts as right (`search-and-benchmarks` B.3)."""

LEAST_WAY = 300
"""Kilometres between the two airports at least."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What the boarding pass says."""

    origin: Airport
    destination: Airport
    flight: str
    seat: str
    gate: str
    letters: float


def distance(a: Airport, b: Airport) -> float:
    """Kilometres on the great circle, by the haversine formula."""
    p, q = math.radians(a.latitude), math.radians(b.latitude)
    across = math.radians(b.longitude - a.longitude)
    half = math.sin((q - p) / 2) ** 2 + math.cos(p) * math.cos(q) * math.sin(across / 2) ** 2
    return 2 * EARTH_RADIUS * math.asin(math.sqrt(half))


def photograph(shown: Pass, rng: random.Random) -> EncodedImage:
    """The pass lying on something."""
    angle, livery = rng.uniform(-7, 7), rng.choice(LIVERIES)
    left, top = rng.randint(20, 90), rng.randint(30, 110)
    scene = lay(_paint_pass(shown, livery, rng), ground(WIDTH, HEIGHT, rng), left, top, angle)
    return as_jpeg(daylight(scene, rng, shade=rng.uniform(0.1, 0.25)), rng.randint(84, 92))


def _paint_pass(shown: Pass, livery: str, rng: random.Random) -> Image.Image:
    width, height = PASS
    canvas = Canvas(width, height, "#fbfaf6")
    canvas.rectangle(0, 0, width, 70, livery)
    canvas.text(34, 36, "BOARDING PASS", 28, "white", "bold", align="left")
    canvas.polygon([(width - 300, 50), (width - 205, 18), (width - 194, 24), (width - 252, 52)], "white")
    for row in range(86, height, 13):
        canvas.line([(650, row), (650, row + 7)], "#b9b4a8", 2)
    fields = (
        (34, 118, "FLIGHT", shown.flight),
        (230, 118, "SEAT", shown.seat),
        (370, 118, "GATE", shown.gate),
        (34, 208, "CLASS", rng.choice(("ECONOMY", "BUSINESS"))),
        (230, 208, "BOARDING", f"{rng.randrange(5, 23):02d}:{rng.randrange(0, 60, 5):02d}"),
        (680, 118, "FLIGHT", shown.flight),
        (680, 208, "SEAT", shown.seat),
    )
    for x, y, label, text in fields:
        canvas.text(x, y, label, 14, mix(livery, "white", 0.3), align="left")
        canvas.text(x, y + 30, text, 30, "#20242a", "bold", align="left")
    _paint_bars(canvas, rng)
    route = f"{shown.origin.code} - {shown.destination.code}"
    canvas.text(34, 292, "ROUTE", 10, mix(livery, "white", 0.3), align="left")
    canvas.text(34, 292 + shown.letters * 1.5, route, shown.letters, "#2c3138", "mono", align="left")
    canvas.text(
        34, height - 28, "Please be at the gate 30 minutes before departure.", 11, "#6a6f76", align="left"
    )
    return canvas.finish()


def _paint_bars(canvas: Canvas, rng: random.Random) -> None:
    x = 300.0
    while x < 610:
        wide = rng.choice((2, 2, 3, 5))
        canvas.rectangle(x, 290, x + wide, 346, "#20242a")
        x += wide + rng.choice((2, 3, 4))


GREAT_CIRCLE = """
from math import asin, cos, radians, sin, sqrt
(a, b), (c, d) = [[radians(v) for v in place] for place in {places}]
half = sin((c - a) / 2) ** 2 + cos(a) * cos(c) * sin((d - b) / 2) ** 2
print(round(2 * {radius} * asin(sqrt(half))))
"""
"""The haversine formula."""


class BoardingPass:
    """How far apart are the two airports whose codes are printed on this pass?"""

    name = "boarding-pass"
    skills = frozenset(Skill)
    tools = frozenset({"code", "search"})
    knobs: Mapping[str, Knob] = {"letters": Knob(17, 11, "height of the codes in pixels per em")}

    def plan(self, rng: random.Random, world: Facts, knobs: Knobs) -> Plan:
        """Two international airports and a flight between them."""
        airports = _international(world)
        origin, destination = rng.sample(airports, 2)
        while distance(origin, destination) < LEAST_WAY:
            destination = rng.choice(airports)
        flight = f"{rng.choice('ABDFKLQSUX')}{rng.choice('ABDFKLQSUX')} {rng.randrange(100, 9900)}"
        seat, gate = (
            f"{rng.randrange(1, 42)}{rng.choice('ABCDEF')}",
            f"{rng.choice('ABCD')}{rng.randrange(1, 60)}",
        )
        return _plan(Pass(origin, destination, flight, seat, gate, knobs["letters"]), world)

    def oracle(self, task: Task) -> Oracle:
        """Enlarge the route, look both codes up, calculate."""
        box = "(image_1.width * 0.02, image_1.height * 0.42, image_1.width * 0.5, image_1.height * 0.88)"
        seen = yield turns.code(
            "The route is printed very small. Let me enlarge it.", sight.show_crop(box, zoom=3)
        )
        places = []
        for code in task.metadata["codes"] if seen.images else ():
            query = f"airport IATA code {code} latitude longitude"
            found = yield from look_up(query, f"IATA code {code},", "latitude", "longitude")
            if found is not None:
                places.append([float(value) for value in found])
        if len(places) < 2:
            yield turns.answer("I do not know where both airports are.", turns.UNKNOWN)
            return
        seen = yield turns.code("Now the way.", GREAT_CIRCLE.format(places=places, radius=EARTH_RADIUS))
        value = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"The way is {value} km.", value)


@lru_cache(maxsize=2)
def _international(facts: Facts) -> tuple[Airport, ...]:
    return tuple(airport for airport in facts.airports if "International" in airport.name)


def _plan(shown: Pass, facts: Facts) -> Plan:
    def twin(rng: random.Random) -> Plan:
        far = [one for one in _international(facts) if distance(shown.origin, one) >= LEAST_WAY]
        return _plan(replace(shown, destination=rng.choice(far)), facts)

    return Plan(
        key=f"airport/{shown.origin.code}",
        further_keys=(f"airport/{shown.destination.code}",),
        question=(
            "How many kilometres apart are the two airports on this boarding pass's route, on the great "
            f"circle of an earth with a radius of {EARTH_RADIUS} km?"
        ),
        answer=Answer(str(round(distance(shown.origin, shown.destination))), tolerance=TOLERANCE, unit="km"),
        draw=lambda rng: (photograph(shown, rng),),
        twin=twin,
        metadata={"codes": [shown.origin.code, shown.destination.code]},
    )


BOARDING_PASS = BoardingPass()
