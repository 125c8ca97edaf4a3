"""Reasoning: measure bars that carry no numbers, and calculate with them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing import chart
from deepeyes_env.tasks.worlds.drawing.canvas import mix
from deepeyes_env.tasks.worlds.drawing.chart import Axis, Style
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional import names
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns
from deepeyes_env.tasks.worlds.reasoning.calculation import Calculation, apart, shown

UNITS = ("articles sold", "crates shipped", "orders received", "hours of work")
STEPS = (10, 20, 25, 50, 100, 200)

STEP_PARTS = 5
"""Values are whole fifths of a gridline's step: about 20 pixels, so that they can be measured."""

GRIDLINES = 5

LEAST = 0.8
"""Smallest result that is asked for, in steps."""

TOLERANCE = 0.03
"""Relative error that counts as right: two pixels of the least result."""


@dataclass(frozen=True, slots=True)
class Bars:
    """A bar chart; `step` is the distance of gridlines in the unit of the values."""

    title: str
    unit: str
    labels: tuple[str, ...]
    values: tuple[int, ...]
    step: int
    style: Style

    @property
    def axis(self) -> Axis:
        """The upright axis."""
        return Axis(0, self.step * GRIDLINES, GRIDLINES)


def invent(rng: random.Random, world: World, count: int) -> Bars:
    """A chart of a company's trade in `count` articles."""
    step = rng.choice(STEPS)
    return Bars(
        title=f"{rng.choice(world.companies).name}, {rng.randint(1840, 1935)}",
        unit=rng.choice(UNITS),
        labels=tuple(rng.sample(names.ARTICLES, count)),
        values=tuple(step // STEP_PARTS * level for level in rng.sample(_LEVELS, count)),
        step=step,
        style=chart.choose_style(rng, legend=False),
    )


_LEVELS = range(2, GRIDLINES * STEP_PARTS)


def paint(bars: Bars, rng: random.Random) -> EncodedImage:
    """The chart as printed."""
    style = bars.style
    canvas = chart.page(style, bars.title, f"{bars.unit.capitalize()}, by article", rng)
    chart.value_axis(canvas, style, bars.axis)
    pitch = (style.right - style.left) / len(bars.labels)
    half, outlined = pitch * rng.uniform(0.5, 0.72) / 2, rng.random() < 0.4
    for place, (label, value) in enumerate(zip(bars.labels, bars.values, strict=True)):
        x, top = style.left + pitch * (place + 0.5), chart.y_of(style, bars.axis, value)
        outline = mix(style.palette[0], style.ink, 0.6) if outlined else None
        canvas.rectangle(x - half, top, x + half, style.bottom, style.palette[0], outline, 1.2)
        canvas.text(x, style.bottom + 28, label, min(18.0, pitch / 6.4), style.ink, style.body)
    chart.axis_lines(canvas, style)
    return chart.print_out(canvas, rng)


MEASURE = """
plot = part_of(image_1, {box})
bars = mask_of(plot, {ink})
columns = np.flatnonzero(bars.sum(0) > 5)
groups = np.split(columns, np.flatnonzero(np.diff(columns) > 5) + 1)
heights = [np.median(bars[:, group].sum(0)) for group in groups]
values = [float(height / plot.height * {most}) for height in heights]
print([round(value, 1) for value in values])
print(round({formula}, 2))
"""
"""Measures every bar; the axis' top value was read before."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A calculation; `third` is the bar, if any, that is named beside the tallest and the shortest one."""

    calculation: Calculation
    third: int | None = None


class BarChart:
    """By how much do the bars of A and B together exceed that of C?"""

    name = "bar-chart"
    skills = frozenset({Skill.REASONING})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {
        "bars": Knob(6, 11, "bars in the chart"),
        "terms": Knob(2, 5, "bars that enter the calculation"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A chart and a calculation over some of its bars."""
        while True:
            bars = invent(rng, world, int(knobs["bars"]))
            terms = sorted(rng.sample(range(len(bars.labels)), int(knobs["terms"])))
            asked = rng.choice(CALCULATIONS)(bars, terms)
            if is_clear(bars, asked):
                return _plan(bars, asked)

    def oracle(self, task: Task) -> Oracle:
        """Show the axis, then measure the bars and calculate."""
        look = sight.show_crop("(0, 0, image_1.width * 0.2, image_1.height)", zoom=1)
        seen = yield turns.code("The bars carry no numbers. Let me read the axis first.", look)
        if not seen.images:
            yield turns.answer("I cannot see the axis.", turns.UNKNOWN)
            return
        program = sight.MASK_OF + sight.PART_OF + MEASURE.format(**task.metadata)
        seen = yield turns.code("Now measure the bars in pixels and calculate.", program)
        value = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"The calculation gives {value}.", value)


def is_clear(bars: Bars, asked: Asked) -> bool:
    """Whether the result is not too small to be measured, and no bar is named twice in two ways."""
    calculation = asked.calculation
    big = calculation.unit == "%" or calculation.result(bars.values) >= LEAST * bars.step
    extremes = max(bars.values), min(bars.values)
    return big and (asked.third is None or bars.values[asked.third] not in extremes)


def _plan(bars: Bars, asked: Asked) -> Plan:
    calculation = asked.calculation
    result = calculation.result(bars.values)

    def twin(rng: random.Random) -> Plan:
        place, level = rng.randrange(len(bars.values)), rng.choice(_LEVELS)
        values = list(bars.values)
        values[place] = level * bars.step // STEP_PARTS
        changed = replace(bars, values=tuple(values))
        is_another = apart(result, calculation.result(values), TOLERANCE)
        good = len({*values}) == len(values) and is_another and is_clear(changed, asked)
        return _plan(changed if good else bars, asked)

    return Plan(
        # Without the values: a twin must have the key of its original, for few values would fit another.
        key=f"chart/{bars.title}/{bars.labels}/{bars.step}",
        question=calculation.question,
        answer=_answer(shown(result), calculation.unit, bars.unit),
        draw=lambda rng: (paint(bars, rng),),
        twin=twin,
        metadata={
            "ink": sight.channels(bars.style.palette[0]),
            "box": bars.style.box,
            "most": bars.axis.high,
            "formula": calculation.formula,
        },
    )


def _answer(value: str, unit: str | None, named: str) -> Answer:
    """In the calculation's own unit, or in what the question names in brackets, in one word or in all."""
    if unit:
        return Answer(value, tolerance=TOLERANCE, unit=unit)
    return Answer(value, aliases=(f"{value} {named}",), tolerance=TOLERANCE, unit=named.split()[0])


def _total(bars: Bars, terms: list[int]) -> Asked:
    question = f"What is the total of {_listed(bars, terms)} in the chart ({bars.unit})?"
    return Asked(Calculation(question, _sum(terms)))


def _mean(bars: Bars, terms: list[int]) -> Asked:
    question = f"What is the average of {_listed(bars, terms)} in the chart ({bars.unit})?"
    return Asked(Calculation(question, f"({_sum(terms)}) / {len(terms)}"))


def _excess(bars: Bars, terms: list[int]) -> Asked:
    low, *rest = sorted(terms, key=bars.values.__getitem__)
    verb = ("do", "together exceed") if len(rest) > 1 else ("does", "exceed")
    question = (
        f"By how much {verb[0]} {_listed(bars, sorted(rest))} {verb[1]} {bars.labels[low]} in the chart "
        f"({bars.unit})?"
    )
    return Asked(Calculation(question, f"{_sum(sorted(rest))} - values[{low}]"))


def _share(bars: Bars, terms: list[int]) -> Asked:
    question = f"What share of all {bars.unit} in the chart falls to {_listed(bars, terms)}, in percent?"
    return Asked(Calculation(question, f"100 * ({_sum(terms)}) / sum(values)", "%"))


def _others(bars: Bars, terms: list[int]) -> Asked:
    question = f"What do all bars of the chart but {_listed(bars, terms)} add up to ({bars.unit})?"
    return Asked(Calculation(question, f"sum(values) - ({_sum(terms)})"))


def _extremes(bars: Bars, terms: list[int]) -> Asked:
    question = (
        f"What do the chart's tallest bar, its shortest bar and the bar of {bars.labels[terms[0]]} add up to "
        f"({bars.unit})?"
    )
    return Asked(Calculation(question, f"max(values) + min(values) + values[{terms[0]}]"), third=terms[0])


CALCULATIONS = (_total, _mean, _excess, _share, _others, _extremes)


def _sum(terms: list[int]) -> str:
    return " + ".join(f"values[{place}]" for place in terms)


def _listed(bars: Bars, places: list[int]) -> str:
    *most, last = (bars.labels[place] for place in places)
    return f"{', '.join(most)} and {last}" if most else last


BAR_CHART = BarChart()
