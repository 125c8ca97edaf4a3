"""All three skills: find two stalls, read their small signs, look both names up, subtract."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing import scenery
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Colour, Point, mix, text_width
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import Company, World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import lookup, sight, turns

WIDTH, HEIGHT = 1512, 812
SQUARE = 364
"""Row where the market square begins."""

AWNINGS = {
    "red": "#c8322f",
    "blue": "#2f63b8",
    "green": "#2f8f55",
    "yellow": "#e8bd2e",
    "purple": "#7d47a8",
    "orange": "#e27a26",
}
"""Colours of awnings, far apart in hue; the other stripe is white."""

STRIPES = 8
WARES = ("#b4643c", "#d9c48a", "#7c9a5a", "#a8545a", "#8a8f96", "#cfa05a")


@dataclass(frozen=True, slots=True)
class Stall:
    """One stall; `x` and `foot` are the middle of its foot in pixels."""

    colour: str
    company: Company
    x: float
    foot: float


def set_up(rng: random.Random, world: World, count: int) -> list[Stall]:
    """`count` stalls in two rows."""
    colours, companies = rng.sample(list(AWNINGS), count), rng.sample(world.companies, count)
    front = count // 2
    stalls = []
    for place, (colour, company) in enumerate(zip(colours, companies, strict=True)):
        row, of_row = (0, count - front) if place < count - front else (1, front)
        step = WIDTH / of_row
        x = step * ((place if row == 0 else place - (count - front)) + 0.5) + rng.uniform(-30, 30)
        stalls.append(Stall(colour, company, x, (494 if row == 0 else 769) + rng.uniform(-12, 12)))
    return stalls


def paint(stalls: list[Stall], letters: float, rng: random.Random) -> EncodedImage:
    """The market as a photograph; `letters` is the size of the signs' letters in pixels per em."""
    canvas = scenery.outdoors(WIDTH, HEIGHT, SQUARE - 90, "#b5aa98", rng)
    for _ in range(7):
        scenery.tree(canvas, rng.uniform(0, WIDTH), SQUARE - 90, rng.uniform(150, 260), rng)
    scenery.paving(canvas, SQUARE - 90, "#b0a797", rng)
    for stall in stalls:
        _paint_stall(canvas, stall, letters, rng)
    return as_jpeg(daylight(canvas, rng), rng.randint(84, 92))


def _paint_stall(canvas: Canvas, stall: Stall, letters: float, rng: random.Random) -> None:
    x, foot, wood = stall.x, stall.foot, rng.choice(("#8a6240", "#7a5a44", "#9a7650"))
    left, right, awning = x - 150, x + 150, foot - 205
    canvas.rectangle(left - 6, foot - 4, right + 14, foot + 8, "black", alpha=0.18)
    for post in (left + 8, right - 8):
        canvas.rectangle(post - 5, awning, post + 5, foot, mix(wood, "black", 0.25))
    canvas.rectangle(left + 13, awning + 20, right - 13, foot - 85, mix(wood, "black", 0.62))
    scenery.person(canvas, x + rng.uniform(-80, 80), foot - 40, 130, rng)
    canvas.rectangle(left, foot - 88, right, foot, wood, mix(wood, "black", 0.4), 1.5)
    rows = [foot - 88 + board * 17.6 for board in range(1, 5)]
    canvas.lines([[(left, row), (right, row)] for row in rows], mix(wood, "black", 0.25), 1)
    wares: list[tuple[float, float, float]] = []
    tints: list[Colour] = []
    for place in range(9):
        ware, radius = rng.choice(WARES), rng.uniform(8, 14)
        middle, row = left + 22 + place * 32, foot - 96
        wares += [(middle, row, radius + 0.5), (middle, row, radius - 0.5)]
        tints += [mix(ware, "black", 0.35), ware]
    canvas.circles(wares, tints)
    _paint_awning(canvas, x, awning, AWNINGS[stall.colour])
    half = text_width(stall.company.name, letters, "serif-bold") / 2 + 9
    at = x + rng.uniform(-1, 1) * (140 - half)
    canvas.rectangle(at - half, foot - 56, at + half, foot - 34, "#f1e8d2", "#5a4630", 1.2)
    canvas.text(at, foot - 45, stall.company.name, letters, "#2d2418", "serif-bold")


def _paint_awning(canvas: Canvas, x: float, row: float, colour: str) -> None:
    edges = [x - 162 + 324 * stripe / STRIPES for stripe in range(STRIPES + 1)]
    pairs = list(itertools.pairwise(edges))
    tints: list[Colour] = [colour if stripe % 2 == 0 else "#f4efe4" for stripe in range(STRIPES)]
    roofs: list[list[Point]] = [
        [(x + (a - x) * 0.86, row - 52), (x + (b - x) * 0.86, row - 52), (b, row), (a, row)] for a, b in pairs
    ]
    canvas.polygons(roofs, tints)
    hems: list[Colour] = [mix(tint, "black", 0.07) for tint in tints]
    canvas.rectangles([(a, row, b, row + 14) for a, b in pairs], hems)
    canvas.circles([((a + b) / 2, row + 14, (b - a) / 2) for a, b in pairs], hems)


FIND = """
awning = mask_of(image_1, {colour})
blob = max(blobs_of(awning[::3, ::3]), key=len) * 3
rows, columns = np.nonzero(awning)
near = np.abs(columns - blob[:, 1].mean()) < image_1.width * 0.2
near &= np.abs(rows - blob[:, 0].mean()) < image_1.height * 0.062
left, right, bottom = columns[near].min(), columns[near].max(), rows[near].max()
width = right - left
"""
"""Finds an awning by its coloured stripes, of which the last on the right is white; the sign hangs below."""


class MarketStalls:
    """How many years lie between the foundings of the companies at two stalls?"""

    name = "market-stalls"
    skills = frozenset(Skill)
    tools = frozenset({"code", "search"})

    knobs: Mapping[str, Knob] = {
        "stalls": Knob(4, 6, "stalls on the market"),
        "letters": Knob(14, 10, "size of the signs' letters in pixels per em"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A market and two of its stalls."""
        stalls = set_up(rng, world, int(knobs["stalls"]))
        first, second = rng.sample(range(len(stalls)), 2)
        return _plan(stalls, first, second, knobs["letters"], world)

    def oracle(self, task: Task) -> Oracle:
        """Enlarge each sign, search for its name, subtract the years."""
        years = []
        for colour, name in task.metadata["stalls"]:
            program = sight.MASK_OF + sight.BLOBS_OF + FIND.format(colour=sight.channels(AWNINGS[colour]))
            program += sight.show_crop(
                "(left, bottom + width * 0.28, left + width * 1.15, bottom + width * 0.62)", zoom=3
            )
            seen = yield turns.code(
                f"The sign under the {colour} awning is small. Let me enlarge it.", program
            )
            year = (yield from lookup.look_up(name, "founded")) if seen.images else None
            if year is None:
                yield turns.answer("Without that year I cannot tell.", turns.UNKNOWN)
                return
            years.append(int(year))
        yield turns.answer(f"{years[0]} and {years[1]}.", str(abs(years[0] - years[1])))


def _plan(stalls: list[Stall], first: int, second: int, letters: float, world: World) -> Plan:
    one, other = stalls[first], stalls[second]

    def twin(rng: random.Random) -> Plan:
        shown = {stall.company.name for stall in stalls}
        company = rng.choice([each for each in world.companies if each.name not in shown])
        changed = [replace(stall, company=company) if stall is one else stall for stall in stalls]
        return _plan(changed, first, second, letters, world)

    return Plan(
        key=f"company/{one.company.name}",
        further_keys=(f"company/{other.company.name}",),
        question=(
            "How many years lie between the founding of the company at the stall with the "
            f"{one.colour} awning and that of the company at the stall with the {other.colour} awning?"
        ),
        answer=Answer(str(abs(one.company.founded - other.company.founded)), unit="years"),
        draw=lambda rng: (paint(stalls, letters, rng),),
        twin=twin,
        metadata={"stalls": [[stall.colour, stall.company.name] for stall in (one, other)]},
    )


MARKET_STALLS = MarketStalls()
