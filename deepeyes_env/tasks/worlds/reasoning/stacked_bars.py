"""Reasoning: measure the segments of stacked bars, and add them up along a bar or across all bars."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing import chart
from deepeyes_env.tasks.worlds.drawing.chart import Axis, Style
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional import names
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns
from deepeyes_env.tasks.worlds.reasoning.calculation import Calculation, apart, shown

UNITS = ("crates", "tons", "cartloads", "parcels")
STEPS = (10, 20, 50, 100, 200)

GRIDLINES = 6
STEP_PARTS = 5
"""Values are whole fifths of a gridline's step: about 16 pixels."""

HIGHEST = GRIDLINES * STEP_PARTS
"""Of a whole bar, in fifths of a step."""

LEAST = 2
"""Of a segment, in fifths of a step."""

TOLERANCE = 0.04
"""Relative error that counts as right: a pixel or two of the least result that is asked for."""


@dataclass(frozen=True, slots=True)
class Stacks:
    """Stacked bars: `levels[bar][series]` in fifths of `step`, the distance of gridlines in `unit`."""

    title: str
    unit: str
    labels: tuple[str, ...]
    towns: tuple[str, ...]
    levels: tuple[tuple[int, ...], ...]
    step: int
    style: Style

    @property
    def axis(self) -> Axis:
        """The upright axis."""
        return Axis(0, self.step * GRIDLINES, GRIDLINES)

    @property
    def values(self) -> list[list[int]]:
        """`[bar][series]` in the unit."""
        return [[level * self.step // STEP_PARTS for level in bar] for bar in self.levels]


def invent(rng: random.Random, world: World, bars: int, series: int) -> Stacks:
    """A chart of what so many towns sent, in so many kinds of goods."""
    most = HIGHEST // series
    return Stacks(
        title=f"Sent by {rng.choice(world.companies).name}, {rng.randint(1840, 1935)}",
        unit=rng.choice(UNITS),
        labels=tuple(rng.sample(names.ARTICLES, bars)),
        towns=tuple(town.name for town in rng.sample(world.towns, series)),
        levels=tuple(tuple(rng.randint(LEAST, most) for _ in range(series)) for _ in range(bars)),
        step=rng.choice(STEPS),
        style=chart.choose_style(rng),
    )


def paint(stacks: Stacks, rng: random.Random) -> EncodedImage:
    """The chart as printed."""
    style, axis = stacks.style, stacks.axis
    canvas = chart.page(style, stacks.title, f"{stacks.unit.capitalize()}, by article and by town", rng)
    chart.value_axis(canvas, style, axis)
    chart.legend(canvas, style, stacks.towns)
    pitch = (style.right - style.left) / len(stacks.labels)
    half = pitch * rng.uniform(0.5, 0.74) / 2
    for place, (label, bar) in enumerate(zip(stacks.labels, stacks.values, strict=True)):
        x, foot = style.left + pitch * (place + 0.5), 0
        for value, colour in zip(bar, style.palette, strict=False):
            low, high = chart.y_of(style, axis, foot), chart.y_of(style, axis, foot + value)
            canvas.rectangle(x - half, high, x + half, low, colour)
            foot += value
        canvas.text(x, style.bottom + 28, label, min(18.0, pitch / 6.4), style.ink, style.body)
    chart.axis_lines(canvas, style)
    return chart.print_out(canvas, rng)


MEASURE = """
plot = part_of(image_1, {box})
masks = [mask_of(plot, colour) for colour in {colours}]
values = []
for bar in range({bars}):
    column = round(plot.width * (bar + 0.5) / {bars})
    strip = slice(column - 8, column + 9)
    seen = [np.median(mask[:, strip].sum(0)) + 1 for mask in masks]
    values.append([float(rows / plot.height * {most}) for rows in seen])
    print([round(value, 1) for value in values[-1]])
print(round({formula}, 2))
"""
"""Measures every segment; a row is lost at each seam. Axis and legend were read before."""


class StackedBars:
    """What did town A send of all articles together?"""

    name = "stacked-bars"
    skills = frozenset({Skill.REASONING})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {
        "bars": Knob(3, 8, "bars in the chart"),
        "series": Knob(2, 5, "segments of a bar"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A chart and a calculation over its segments."""
        while True:
            stacks = invent(rng, world, int(knobs["bars"]), int(knobs["series"]))
            asked = rng.choice(CALCULATIONS)(stacks, rng)
            if _is_clear(stacks, asked):
                return _plan(stacks, asked)

    def oracle(self, task: Task) -> Oracle:
        """Show axis and legend, then measure the segments and calculate."""
        seen = yield turns.code("Let me look at the axis and the legend first.", "image_1.show()")
        if not seen.images:
            yield turns.answer("I cannot see the chart.", turns.UNKNOWN)
            return
        program = sight.MASK_OF + sight.PART_OF + MEASURE.format(**task.metadata)
        seen = yield turns.code("Now measure the segments in pixels and calculate.", program)
        value = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"The calculation gives {value}.", value)


def _is_clear(stacks: Stacks, asked: Calculation) -> bool:
    """Whether the result is not too small to be measured."""
    return asked.result(stacks.values) >= (10 if asked.unit else 1.2 * stacks.step)


def _plan(stacks: Stacks, asked: Calculation) -> Plan:
    result = asked.result(stacks.values)

    def twin(rng: random.Random) -> Plan:
        place, series = rng.randrange(len(stacks.labels)), rng.randrange(len(stacks.towns))
        bar = list(stacks.levels[place])
        bar[series] = rng.randint(LEAST, max(LEAST, HIGHEST - sum(bar) + bar[series]))
        levels = (*stacks.levels[:place], tuple(bar), *stacks.levels[place + 1 :])
        changed = replace(stacks, levels=levels)
        good = _is_clear(changed, asked) and apart(result, asked.result(changed.values), TOLERANCE)
        return _plan(changed if good else stacks, asked)

    return Plan(
        key=f"stacks/{stacks.title}/{stacks.labels}/{stacks.towns}",
        question=asked.question,
        answer=Answer(shown(result), tolerance=TOLERANCE, unit=asked.unit or stacks.unit),
        draw=lambda rng: (paint(stacks, rng),),
        twin=twin,
        metadata={
            "box": stacks.style.box,
            "colours": "[" + ", ".join(map(sight.channels, stacks.style.palette[: len(stacks.towns)])) + "]",
            "bars": len(stacks.labels),
            "most": stacks.axis.high,
            "formula": asked.formula,
        },
    )


def _series_total(stacks: Stacks, rng: random.Random) -> Calculation:
    town = rng.randrange(len(stacks.towns))
    question = f"How many {stacks.unit} did {stacks.towns[town]} send, all articles together?"
    return Calculation(question, f"sum([bar[{town}] for bar in values])")


def _series_share(stacks: Stacks, rng: random.Random) -> Calculation:
    town = rng.randrange(len(stacks.towns))
    question = f"What percentage of all {stacks.unit} in the chart came from {stacks.towns[town]}?"
    return Calculation(
        question, f"100 * sum([bar[{town}] for bar in values]) / sum([sum(bar) for bar in values])", "%"
    )


def _share_of_bar(stacks: Stacks, rng: random.Random) -> Calculation:
    town, place = rng.randrange(len(stacks.towns)), rng.randrange(len(stacks.labels))
    question = f"What percentage of the {stacks.labels[place]} in the chart came from {stacks.towns[town]}?"
    return Calculation(question, f"100 * values[{place}][{town}] / sum(values[{place}])", "%")


def _two_bars(stacks: Stacks, rng: random.Random) -> Calculation:
    a, b = rng.sample(range(len(stacks.labels)), 2)
    question = (
        f"How many {stacks.unit} of {stacks.labels[a]} and {stacks.labels[b]} did all towns send together?"
    )
    return Calculation(question, f"sum(values[{a}]) + sum(values[{b}])")


def _difference(stacks: Stacks, rng: random.Random) -> Calculation:
    a, b = rng.sample(range(len(stacks.towns)), 2)
    question = (
        f"By how many {stacks.unit} do {stacks.towns[a]} and {stacks.towns[b]} differ over all articles of "
        "the chart?"
    )
    return Calculation(question, f"abs(sum([bar[{a}] - bar[{b}] for bar in values]))")


CALCULATIONS: Sequence[Callable[[Stacks, random.Random], Calculation]] = (
    _series_total,
    _series_share,
    _share_of_bar,
    _two_bars,
    _difference,
)


STACKED_BARS = StackedBars()
