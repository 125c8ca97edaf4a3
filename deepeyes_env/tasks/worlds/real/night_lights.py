"""Perception and search: a country at night; read the small name of a ringed city and look it up."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, text_width
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns
from deepeyes_env.tasks.worlds.real.facts import City, Facts
from deepeyes_env.tasks.worlds.real.lookup import look_up

WIDTH, HEIGHT, BORDER = 1176, 868, 90

RINGS = {
    "red": "#ff3b30",
    "green": "#2fd566",
    "blue": "#3f8cff",
    "pink": "#ff5fc8",
    "yellow": "#ffe14a",
    "white": "#f4f4f4",
}
"""Colours of the rings."""

RAMP = ((0.0, (9, 13, 28)), (0.25, (58, 44, 40)), (0.6, (214, 150, 66)), (1.0, (255, 246, 214)))
"""Brightness -> colour of the ground."""

GLOWS = ((2, 0.42), (7, 0.17), (28, 0.06))
"""Spread in pixels, a divisor of both sides, and brightness of the three glows around a light."""

QUESTIONS = {
    "population": "How many inhabitants has the city with the {} ring?",
    "latitude": "At which latitude, in degrees (south is negative), lies the city with the {} ring?",
    "longitude": "At which longitude, in degrees (west is negative), lies the city with the {} ring?",
}
"""Fact -> the question that asks for it."""

LONGEST = 22
"""Letters of the longest name: a longer one might run over the map's edge."""

DEGREES = 0.05
"""Error of a coordinate that counts as right: about five kilometres, within one city."""

HEADS = 0.01
"""Relative error of a number of inhabitants that counts as right."""


@dataclass(frozen=True, slots=True)
class Map:
    """A country's lights, and the cities that have a ring, by its colour."""

    country: str
    code: str
    rings: tuple[tuple[str, City], ...]
    letters: float


@dataclass(frozen=True, slots=True)
class Frame:
    """How degrees become pixels: an equirectangular map, true at its middle latitude."""

    west: float
    north: float
    scale: float
    squeeze: float
    left: float
    top: float

    def place(self, longitude: float, latitude: float) -> tuple[float, float]:
        """Pixels of a position."""
        return (
            self.left + (longitude - self.west) * self.squeeze * self.scale,
            self.top + (self.north - latitude) * self.scale,
        )


def frame(points: npt.NDArray[np.float64]) -> Frame:
    """The frame that holds nearly all of `points`, longitude and latitude `[n, 2]`."""
    west, south = np.quantile(points, 0.004, axis=0)
    east, north = np.quantile(points, 0.996, axis=0)
    squeeze = math.cos(math.radians(float(north + south) / 2))
    wide, high = max(float(east - west) * squeeze, 0.5), max(float(north - south), 0.5)
    scale = min((WIDTH - 2 * BORDER) / wide, (HEIGHT - 2 * BORDER) / high)
    left, top = (WIDTH - wide * scale) / 2, (HEIGHT - high * scale) / 2
    return Frame(float(west), float(north), scale, squeeze, left, top)


@lru_cache(maxsize=256)
def frame_of(facts: Facts, code: str) -> Frame:
    """A country's frame."""
    return frame(np.array(facts.lights[code], dtype=float)[:, :2])


@lru_cache(maxsize=64)
def lights(facts: Facts, code: str) -> Image.Image:
    """A country's lights, RGB."""
    chosen = frame_of(facts, code)
    glow = np.zeros((HEIGHT, WIDTH))
    for longitude, latitude, population in facts.lights[code]:
        x, y = (round(v) for v in chosen.place(longitude, latitude))
        if 0 <= x < WIDTH and 0 <= y < HEIGHT:
            glow[y, x] += math.log10(population) - 3.6
    level = np.clip(sum(gain * _blurred(glow, block) for block, gain in GLOWS), 0, 1)
    return Image.fromarray(_palette()[(level * 255).astype(np.uint8)])


@lru_cache(maxsize=1)
def _palette() -> npt.NDArray[np.uint8]:
    """The ramp as a table, uint8 `[256, 3]`."""
    stops, colours = [stop for stop, _ in RAMP], np.array([colour for _, colour in RAMP])
    steps = np.linspace(0, 1, 256)
    channels = [np.interp(steps, stops, colours[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


def _blurred(glow: npt.NDArray[np.float64], block: int) -> npt.NDArray[np.float32]:
    """Light spread over about `block` pixels: summed in blocks, then enlarged smoothly."""
    sums = glow.reshape(HEIGHT // block, block, WIDTH // block, block).sum(axis=(1, 3)).astype(np.float32)
    return np.asarray(Image.fromarray(sums).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))


def choose_cities(rng: random.Random, cities: Sequence[City], chosen: Frame, count: int) -> list[City]:
    """Cities whose rings and names do not touch, at most `count`."""
    kept: list[City] = []
    for city in rng.sample(cities, len(cities)):
        x, y = chosen.place(city.longitude, city.latitude)
        inside = 60 < x < WIDTH - 230 and 60 < y < HEIGHT - 60
        places = [chosen.place(other.longitude, other.latitude) for other in kept]
        if inside and all(abs(y - b) > 34 or abs(x - a) > 240 for a, b in places):
            kept.append(city)
        if len(kept) == count:
            break
    return kept


def paint(shown: Map, facts: Facts, rng: random.Random) -> EncodedImage:
    """The map as a print: lights, rings, names."""
    chosen = frame_of(facts, shown.code)
    canvas = Canvas(WIDTH, HEIGHT)
    canvas.paste(lights(facts, shown.code), 0, 0)
    canvas.rectangle(14, 14, WIDTH - 14, HEIGHT - 14, None, "#7d6a48", 2)
    canvas.text(40, HEIGHT - 46, f"{shown.country} at night", 26, "#e9d9b0", "serif", align="left")
    for colour, city in shown.rings:
        x, y = chosen.place(city.longitude, city.latitude)
        # A dark rim, for on the brightest lights a white ring would be lost.
        canvas.circle(x, y, 13, None, "#0b1020", 9, alpha=0.7)
        canvas.circle(x, y, 13, None, RINGS[colour], 4)
        wide = text_width(city.name, shown.letters)
        canvas.rectangle(
            x + 20, y - shown.letters * 0.8, x + 30 + wide, y + shown.letters * 0.8, "#0b1020", alpha=0.8
        )
        canvas.text(x + 25, y, city.name, shown.letters, "#efe8d6", align="left")
    return as_jpeg(daylight(canvas, rng, shade=0.05), rng.randint(86, 94), fine_colour=True)


FIND = """
pixels = np.asarray(image_1.convert("RGB"), dtype=int)
ring = np.abs(pixels - np.array({colour})).max(-1) < 70
blob = max(blobs_of(ring, least=30), key=len)
top, left = blob.min(0)
bottom, right = blob.max(0)
side = image_1.height * 0.03
"""
"""Finds a ring by its colour; the name stands on its right."""


class NightLights:
    """How many inhabitants has the city with the red ring?"""

    name = "night-lights"
    skills = frozenset({Skill.PERCEPTION, Skill.SEARCH})
    tools = frozenset({"code", "search"})
    knobs: Mapping[str, Knob] = {
        "rings": Knob(3, 6, "ringed cities"),
        "letters": Knob(14, 10, "height of their names in pixels per em"),
    }

    def plan(self, rng: random.Random, world: Facts, knobs: Knobs) -> Plan:
        """A country, some of its cities, and one of them."""
        by_country = _by_country(world)
        shown: list[City] = []
        while len(shown) < 3:
            code = rng.choice(sorted(by_country))
            shown = choose_cities(rng, by_country[code], frame_of(world, code), int(knobs["rings"]))
        colours = rng.sample(list(RINGS), len(shown))
        rings = tuple(zip(colours, shown, strict=True))
        country = Map(world.countries[code].name, code, rings, knobs["letters"])
        colour, asked = rng.choice(colours), rng.choice(list(QUESTIONS))
        if not _unlike(country, colour, asked):
            # All cities nearly in one line: no other one could be the twin's.
            return self.plan(rng, world, knobs)
        return _plan(country, colour, asked, world)

    def oracle(self, task: Task) -> Oracle:
        """Enlarge the name beside the ring, then look the city up."""
        program = sight.BLOBS_OF.replace("def blobs_of", "import numpy as np\n\ndef blobs_of")
        program += FIND.format(colour=sight.channels(RINGS[task.metadata["colour"]]))
        program += sight.show_crop("(left - side, top - side, right + side * 10, bottom + side)", zoom=4)
        seen = yield turns.code("The name beside that ring is small. Let me enlarge it.", program)
        if not seen.images:
            yield turns.answer("I cannot read the name.", turns.UNKNOWN)
            return
        city, country = task.metadata["city"], task.metadata["country"]
        title, asked = f"{city}, {country}", task.metadata["fact"]
        found = yield from look_up(f"{title} city inhabitants latitude longitude", f"{title} ", asked)
        yield turns.answer(f"The page of {city} says so.", found[0] if found else turns.UNKNOWN)


@lru_cache(maxsize=2)
def _by_country(facts: Facts) -> dict[str, list[City]]:
    codes = {country.name: code for code, country in facts.countries.items()}
    found: dict[str, list[City]] = {}
    for city in facts.cities:
        if len(city.name) <= LONGEST:
            found.setdefault(codes[city.country], []).append(city)
    return {code: cities for code, cities in found.items() if len(cities) >= 8}


def _plan(shown: Map, colour: str, asked: str, facts: Facts) -> Plan:
    rings = dict(shown.rings)
    city = rings[colour]

    def twin(rng: random.Random) -> Plan:
        other = rng.choice(_unlike(shown, colour, asked))
        swapped = {**rings, colour: rings[other], other: city}
        return _plan(replace(shown, rings=tuple(swapped.items())), colour, asked, facts)

    return Plan(
        # The country, not the city: a twin asks about another city on the same map.
        key=f"country/{shown.country}",
        question=QUESTIONS[asked].format(colour),
        answer=_answer(city, asked),
        draw=lambda rng: (paint(shown, facts, rng),),
        twin=twin,
        metadata={"colour": colour, "city": city.name, "country": shown.country, "fact": asked},
    )


def _unlike(shown: Map, colour: str, asked: str) -> list[str]:
    """Rings whose cities have a clearly other answer than that of the ring asked about."""
    values = {ring: _value(city, asked) for ring, city in shown.rings}
    error = HEADS * values[colour] if asked == "population" else DEGREES
    return [ring for ring, value in values.items() if abs(value - values[colour]) > 3 * error]


def _value(city: City, asked: str) -> float:
    return {"population": city.population, "latitude": city.latitude, "longitude": city.longitude}[asked]


def _answer(city: City, asked: str) -> Answer:
    if asked == "population":
        people = f"{city.population:,} people"
        return Answer(str(city.population), aliases=(people,), tolerance=HEADS, unit="inhabitants")
    value = _value(city, asked)
    # An absolute error, for a relative one would be none at the equator and 100 km in Japan.
    return Answer(f"{value:.4f}", tolerance=DEGREES / max(abs(value), 1e-9), unit="degrees")


NIGHT_LIGHTS = NightLights()
