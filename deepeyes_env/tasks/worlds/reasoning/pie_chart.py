"""Reasoning: measure the slices of a pie that carries no numbers, and turn them into shares or amounts."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing import chart
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, Point
from deepeyes_env.tasks.worlds.drawing.chart import Style
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns
from deepeyes_env.tasks.worlds.reasoning.calculation import Calculation, apart, shown

SUBJECTS = (
    ("Wool sold", "bales"),
    ("Coal burnt", "tons"),
    ("Letters delivered", "sacks"),
    ("Fish landed", "crates"),
    ("Land under the plough", "acres"),
    ("Timber felled", "trunks"),
)
"""What is divided, and its unit."""

RADIUS = 228.0
"""Of the pie in pixels."""

RING = 0.72
"""Where the oracle walks round, in radii: inside the pie, outside a doughnut's hole."""

TOLERANCE = 0.04
"""Relative error that counts as right: a degree of the smallest slice is more than that."""

STOPS = 24
"""Places between its neighbours at which a cut is tried for a twin."""


@dataclass(frozen=True, slots=True)
class Pie:
    """A pie chart.

    Attributes:
        subject: One of `SUBJECTS`.
        towns: Names of the slices.
        cuts: Where slices end, in shares of the whole; the first begins at 0, the last ends at 1.
        total: The whole in the subject's unit.
        year: Of the title.
        turn: Where the first slice begins, in shares of a turn clockwise from the top.
        style: How it is printed.
    """

    subject: tuple[str, str]
    towns: tuple[str, ...]
    cuts: tuple[float, ...]
    total: int
    year: int
    turn: float
    style: Style

    @property
    def shares(self) -> list[float]:
        """Each slice's part of the whole."""
        return [end - start for start, end in itertools.pairwise((0.0, *self.cuts))]

    @property
    def middle(self) -> Point:
        """The pie's centre in pixels."""
        return (self.style.left + self.style.right) / 2, (self.style.top + self.style.bottom) / 2


def invent(rng: random.Random, world: World, slices: int, least: float) -> Pie:
    """A pie of so many slices, none of which is smaller than `least` (a share)."""
    parts = [rng.expovariate(1) for _ in range(slices)]
    spare = 1 - least * slices
    shares = [least + spare * part / sum(parts) for part in parts]
    cuts = [round(cut, 4) for cut in itertools.accumulate(shares)]
    return Pie(
        subject=rng.choice(SUBJECTS),
        towns=tuple(town.name for town in rng.sample(world.towns, slices)),
        cuts=(*cuts[:-1], 1.0),
        total=rng.randint(12, 980) * 10,
        year=rng.randint(1840, 1935),
        turn=round(rng.random(), 3),
        style=chart.choose_style(rng),
    )


def paint(pie: Pie, rng: random.Random) -> EncodedImage:
    """The chart as printed."""
    style, (x, y) = pie.style, pie.middle
    what, unit = pie.subject
    canvas = chart.page(style, f"{what}, {pie.year}", f"{pie.total:,} {unit} in all, by town", rng)
    chart.legend(canvas, style, pie.towns)
    cuts = [pie.turn, *(pie.turn + cut for cut in pie.cuts)]
    for (start, end), colour in zip(itertools.pairwise(cuts), style.palette, strict=False):
        canvas.polygon([(x, y), *_arc(x, y, RADIUS, start, end)], colour)
    for cut in cuts[1:]:
        canvas.line([(x, y), *_arc(x, y, RADIUS, cut, cut)], style.paper, 2.4)
    hole = rng.choice((0.0, 0.0, 0.36, 0.5))
    if hole:
        canvas.circle(x, y, RADIUS * hole, style.paper)
    _ticks(canvas, pie, rng)
    return chart.print_out(canvas, rng)


def _arc(x: float, y: float, radius: float, start: float, end: float) -> list[Point]:
    """Points of a circle; turns clockwise from the top."""
    steps = max(2, math.ceil((end - start) * 180))
    turns_ = [2 * math.pi * (start + (end - start) * step / (steps - 1)) for step in range(steps)]
    return [(x + radius * math.sin(turn), y - radius * math.cos(turn)) for turn in turns_]


def _ticks(canvas: Canvas, pie: Pie, rng: random.Random) -> None:
    """A thin rim, as on some printed pies."""
    if rng.random() < 0.4:
        canvas.circle(*pie.middle, RADIUS + 8, None, pie.style.pale, 1)


MEASURE = """
x, y, radius = {x} * image_1.width, {y} * image_1.height, {radius} * image_1.width
turn = np.arange(7200) * 2 * np.pi / 7200
rows = np.round(y - radius * np.cos(turn)).astype(int)
columns = np.round(x + radius * np.sin(turn)).astype(int)
seen = [int(mask_of(image_1, colour)[rows, columns].sum()) for colour in {colours}]
seam = (7200 - sum(seen)) / len(seen)
values = [(count + seam) / 7200 for count in seen]
print([round(100 * value, 1) for value in values])
print(round({formula}, 3))
"""
"""Walks round the pie and counts the steps in each colour; the legend was read before."""


class PieChart:
    """What share of the whole falls to A and B?"""

    name = "pie-chart"
    skills = frozenset({Skill.REASONING})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {
        "slices": Knob(3, 6, "slices of the pie"),
        "least": Knob(0.12, 0.05, "share of the smallest slice"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A pie and a calculation over its slices."""
        while True:
            pie = invent(rng, world, int(knobs["slices"]), knobs["least"])
            asked = rng.choice(CALCULATIONS)(pie, rng.sample(range(len(pie.towns)), 2))
            # Some pies cannot be given another answer by one cut: they would have no twin.
            if _is_clear(pie, asked) and next(_twins(pie, asked, knobs["least"], rng), None):
                return _plan(pie, asked, knobs["least"])

    def oracle(self, task: Task) -> Oracle:
        """Show title and legend, then walk round the pie and calculate."""
        seen = yield turns.code("Let me look at the title and the legend first.", "image_1.show()")
        if not seen.images:
            yield turns.answer("I cannot see the chart.", turns.UNKNOWN)
            return
        program = sight.MASK_OF + MEASURE.format(**task.metadata)
        seen = yield turns.code("Now measure the slices along a circle and calculate.", program)
        value = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"The calculation gives {value}.", value)


def _is_clear(pie: Pie, asked: Calculation) -> bool:
    """Whether the result, as a share of the whole, is not too small to be measured."""
    whole = pie.total if asked.unit == pie.subject[1] else {"%": 100, "degrees": 360}[str(asked.unit)]
    return asked.result(pie.shares) >= 0.05 * whole


def _twins(pie: Pie, asked: Calculation, least: float, rng: random.Random) -> Iterator[Pie]:
    """The pie with one cut elsewhere and another answer, in every way, in random order."""
    ways = list(itertools.product(range(len(pie.cuts) - 1), range(STOPS)))
    rng.shuffle(ways)
    result = asked.result(pie.shares)
    for moved, stop in ways:
        before, after = (0.0, *pie.cuts)[moved] + least, pie.cuts[moved + 1] - least
        cut = round(before + max(0.0, after - before) * (stop + rng.random()) / STOPS, 4)
        changed = replace(pie, cuts=(*pie.cuts[:moved], cut, *pie.cuts[moved + 1 :]))
        if _is_clear(changed, asked) and apart(result, asked.result(changed.shares), TOLERANCE):
            yield changed


def _plan(pie: Pie, asked: Calculation, least: float) -> Plan:
    result = asked.result(pie.shares)

    def twin(rng: random.Random) -> Plan:
        return _plan(next(_twins(pie, asked, least, rng), pie), asked, least)

    x, y = pie.middle
    return Plan(
        key=f"pie/{pie.subject[0]}/{pie.towns}/{pie.total}/{pie.turn}",
        question=asked.question,
        answer=Answer(shown(result), tolerance=TOLERANCE, unit=asked.unit),
        draw=lambda rng: (paint(pie, rng),),
        twin=twin,
        metadata={
            "x": x / chart.WIDTH,
            "y": y / chart.HEIGHT,
            "radius": RING * RADIUS / chart.WIDTH,
            "colours": "[" + ", ".join(map(sight.channels, pie.style.palette[: len(pie.towns)])) + "]",
            "formula": asked.formula,
        },
    )


def _percent(pie: Pie, places: Sequence[int]) -> Calculation:
    a, _ = places
    question = f"What share of the whole, in percent, has {pie.towns[a]} in the chart?"
    return Calculation(question, f"100 * values[{a}]", "%")


def _together(pie: Pie, places: Sequence[int]) -> Calculation:
    a, b = places
    question = f"How many {pie.subject[1]} fall to {pie.towns[a]} and {pie.towns[b]} together?"
    return Calculation(question, f"{pie.total} * (values[{a}] + values[{b}])", pie.subject[1])


def _amount(pie: Pie, places: Sequence[int]) -> Calculation:
    a, _ = places
    question = f"By its share of the pie and the total given, how many {pie.subject[1]} has {pie.towns[a]}?"
    return Calculation(question, f"{pie.total} * values[{a}]", pie.subject[1])


def _rest(pie: Pie, places: Sequence[int]) -> Calculation:
    a, b = places
    question = (
        f"How many {pie.subject[1]} would be left without those of {pie.towns[a]} and half of those of "
        f"{pie.towns[b]}?"
    )
    return Calculation(question, f"{pie.total} * (1 - values[{a}] - values[{b}] / 2)", pie.subject[1])


def _difference(pie: Pie, places: Sequence[int]) -> Calculation:
    a, b = places
    question = f"By how many {pie.subject[1]} do {pie.towns[a]} and {pie.towns[b]} differ?"
    return Calculation(question, f"{pie.total} * abs(values[{a}] - values[{b}])", pie.subject[1])


def _angle(pie: Pie, places: Sequence[int]) -> Calculation:
    a, _ = places
    question = f"How wide is the angle of the slice of {pie.towns[a]}, in degrees?"
    return Calculation(question, f"360 * values[{a}]", "degrees")


CALCULATIONS: Sequence[Callable[[Pie, Sequence[int]], Calculation]] = (
    _percent,
    _together,
    _amount,
    _rest,
    _difference,
    _angle,
)


PIE_CHART = PieChart()
