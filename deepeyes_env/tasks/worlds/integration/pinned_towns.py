"""All three skills: read towns' tiny names on a map, look up a fact of each, and reckon with them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, mix, text_width
from deepeyes_env.tasks.worlds.drawing.country_map import INK, MARGIN, country
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import Town, World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import arithmetic, sight, turns

WIDTH, HEIGHT = 1120, 840

PINS = {"red": "#d22b2b", "blue": "#1f4fd0", "purple": "#8a2fb5", "orange": "#ff7a00", "pink": "#ff4fa3"}
"""Colours of pins; the map itself has none of these hues. All other towns are marked in black."""

LABEL_ROOM = (200, 46)
"""Pixels kept free for a town: width with the longest name beside its mark, and height."""

RATIO_TOLERANCE = 0.006
"""Relative error that counts as right for a quotient given to two decimals: its last digit."""


@dataclass(frozen=True, slots=True)
class Question:
    """A kind of question.

    Attributes:
        fact: Key of the fact in `lookup.FACTS`.
        of: Reads it off a town.
        wording: With `{0}` and `{1}` for colours.
        formula: Python source with `{0}` and `{1}` for the facts.
        unit: Unit of the answer.
        tolerance: Relative error that counts as right.
    """

    fact: str
    of: Callable[[Town], int]
    wording: str
    formula: str
    unit: str
    tolerance: float = 0.0


QUESTIONS = (
    Question(
        "population",
        lambda town: town.population,
        "By how many inhabitants do the towns at the {0} pin and at the {1} pin differ, by the last census?",
        "abs({0} - {1})",
        "inhabitants",
    ),
    Question(
        "population",
        lambda town: town.population,
        "By the last census, how many inhabitants do the towns at the {0} pin and at the {1} pin"
        " have together?",
        "{0} + {1}",
        "inhabitants",
    ),
    Question(
        "population",
        lambda town: town.population,
        "By the last census, how many inhabitants has the town at the {0} pin for every inhabitant of the"
        " town at the {1} pin? Give two decimals.",
        "round({0} / {1}, 2)",
        "inhabitants",
        tolerance=RATIO_TOLERANCE,
    ),
    Question(
        "elevation",
        lambda town: town.elevation,
        "How many metres lie between the heights above sea of the towns at the {0} pin and at the {1} pin?",
        "abs({0} - {1})",
        "m",
    ),
    Question(
        "chartered",
        lambda town: town.chartered,
        "How many years passed between the charters of the towns at the {0} pin and at the {1} pin?",
        "abs({0} - {1})",
        "years",
    ),
    Question(
        "landmark_height",
        lambda town: town.landmark_height,
        "How many metres would the towers of the towns at the {0} pin and at the {1} pin measure if one"
        " stood on the other?",
        "{0} + {1}",
        "m",
    ),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A town on the map; `x` and `y` in pixels, `colour` of its pin or None for a plain mark."""

    town: Town
    x: float
    y: float
    colour: str | None


def lay_out(rng: random.Random, world: World, count: int) -> list[Place]:
    """`count` towns, three to five of them with pins, so far apart that no name covers another mark."""
    spots: list[tuple[float, float]] = []
    wide, high = LABEL_ROOM
    while len(spots) < count:
        x = rng.uniform(MARGIN + 24, WIDTH - MARGIN - 24)
        y = rng.uniform(MARGIN + 26, HEIGHT - MARGIN - 26)
        if all(abs(name_middle(x) - name_middle(a)) > wide or abs(y - b) > high for a, b in spots):
            spots.append((x, y))
    colours = rng.sample(list(PINS), min(count, len(PINS)))
    towns = rng.sample(world.towns, count)
    return [
        Place(town, x, y, colours[place] if place < len(colours) else None)
        for place, (town, (x, y)) in enumerate(zip(towns, spots, strict=True))
    ]


def name_middle(x: float) -> float:
    """Middle of a mark and the name that stands beside it, on the side with more room."""
    return x + (LABEL_ROOM[0] / 2 - 16) * (1 if x < WIDTH / 2 else -1)


def paint(places: list[Place], letters: float, rng: random.Random) -> EncodedImage:
    """The map, photographed; `letters` is the size of the names in pixels per em."""
    canvas = country(WIDTH, HEIGHT, rng)
    for place in places:
        _paint_town(canvas, place, letters)
    return as_jpeg(daylight(canvas, rng, shade=rng.uniform(0.05, 0.14)), rng.randint(86, 93))


def _paint_town(canvas: Canvas, place: Place, letters: float) -> None:
    x, y, side = place.x, place.y, 1 if place.x < WIDTH / 2 else -1
    name = place.town.name
    at, width = x + side * 15, text_width(name, letters, "serif")
    left, right = sorted((at - side * 3, at + side * (width + 3)))
    canvas.rectangle(left, y - letters * 0.62, right, y + letters * 0.62, "#fbf9f0", alpha=0.7)
    canvas.text(at, y, name, letters, INK, "serif", align="left" if side > 0 else "right")
    if place.colour is None:
        canvas.circle(x, y, 4.5, "#fbf9f0", INK, 1.6)
        canvas.circle(x, y, 1.6, INK)
        return
    canvas.circle(x + 1.5, y + 2.5, 11, "black", alpha=0.2)
    canvas.circle(x, y, 10.5, "white", mix(PINS[place.colour], "black", 0.6), 1)
    canvas.circle(x, y, 8, PINS[place.colour])


SHOW_LABELS = """
for colour in {colours}:
    y, x = max(blobs_of(mask_of(image_1, colour), least=20), key=len).mean(0)
    reach, half = image_1.width * 0.2, image_1.width * 0.02
    left = x if x < image_1.width / 2 else x - reach
    part = image_1.crop((int(left), int(y - half), int(left + reach), int(y + half)))
    part.resize((part.width * 4, part.height * 4)).show()
"""
"""Shows the name beside each pin, enlarged; names stand on the side that is farther from the map's edge."""


class PinnedTowns:
    """By how many inhabitants do the towns at the red pin and at the blue pin differ?"""

    name = "pinned-towns"
    skills = frozenset(Skill)
    tools = frozenset({"code", "search"})
    knobs: Mapping[str, Knob] = {
        "towns": Knob(5, 15, "towns on the map"),
        "letters": Knob(14, 10, "size of the names in pixels per em"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A map, some of its pins, and what is asked about their towns."""
        kind = rng.choice(QUESTIONS)
        places = lay_out(rng, world, int(knobs["towns"]))
        pins = [place.colour for place in places if place.colour is not None]
        asked = rng.sample(pins, 2)
        return _plan(QUESTIONS.index(kind), places, asked, knobs["letters"], world)

    def oracle(self, task: Task) -> Oracle:
        """Enlarge the names beside the pins, search for each town, reckon."""
        kind = QUESTIONS[task.metadata["kind"]]
        towns: Mapping[str, str] = task.metadata["towns"]
        colours = "[" + ", ".join(sight.channels(PINS[colour]) for colour in towns) + "]"
        program = sight.MASK_OF + sight.BLOBS_OF + SHOW_LABELS.format(colours=colours)
        seen = yield turns.code("The names are tiny. Let me enlarge those beside the pins.", program)
        facts = None
        if seen.images:
            facts = yield from arithmetic.look_up_each((town, kind.fact) for town in towns.values())
        if facts is None:
            yield from arithmetic.give_up("I cannot tell which towns these are, or the fact is missing.")
            return
        yield from arithmetic.answer_with(kind.formula.format(*facts))


def _plan(number: int, places: list[Place], asked: list[str], letters: float, world: World) -> Plan:
    kind = QUESTIONS[number]
    of_colour = {place.colour: place for place in places}
    towns = [of_colour[colour].town for colour in asked]

    def twin(rng: random.Random) -> Plan:
        first = of_colour[asked[0]].town
        other = rng.choice([town for town in world.towns if town not in towns])
        # A split may own so few towns that the other one stands on the map already: then they change places.
        swap = {first.name: other, other.name: first}
        changed = [replace(place, town=swap.get(place.town.name, place.town)) for place in places]
        return _plan(number, changed, asked, letters, world)

    return Plan(
        key=f"town/{towns[0].name}",
        further_keys=tuple(f"town/{town.name}" for town in towns[1:]),
        question=kind.wording.format(*asked),
        answer=Answer(_reckon(kind, towns), tolerance=kind.tolerance, unit=kind.unit),
        draw=lambda rng: (paint(places, letters, rng),),
        twin=twin,
        metadata={
            "kind": number,
            "towns": dict(zip(asked, (town.name for town in towns), strict=True)),
        },
    )


def _reckon(kind: Question, towns: list[Town]) -> str:
    facts = [kind.of(town) for town in towns]
    if kind.formula.startswith("abs"):
        return str(abs(facts[0] - facts[1]))
    if kind.formula.startswith("round"):
        return f"{facts[0] / facts[1]:.2f}"
    return str(sum(facts))


PINNED_TOWNS = PinnedTowns()
