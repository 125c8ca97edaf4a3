"""Reasoning: sums and differences of bars whose values are not written anywhere."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, mix
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional import names
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns

WIDTH, HEIGHT = 1120, 784
LEFT, RIGHT, TOP, BOTTOM = 130, 1060, 150, 650
"""The plot's box in pixels."""

INKS = ("#3b6fb6", "#c4573a", "#4c9a6a", "#8a5ca8", "#d19a2b", "#2f9aa0")
UNITS = ("articles sold", "crates shipped", "orders received", "hours of work")
STEPS = (10, 20, 25, 50, 100, 200)

STEP_PARTS = 5
"""Values are whole fifths of a gridline's step: 20 pixels, so that they can be measured."""

GRIDLINES = 5

TOLERANCE = 0.03
"""Relative error that counts as right: about two pixels of the tallest bar."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A bar chart; `step` is the distance of gridlines in the unit of the values."""

    title: str
    unit: str
    labels: tuple[str, ...]
    values: tuple[int, ...]
    step: int
    ink: str


def invent(rng: random.Random, world: World) -> Chart:
    """A chart of a company's trade."""
    count, step = rng.randint(5, 8), rng.choice(STEPS)
    part = step // STEP_PARTS
    return Chart(
        title=f"{rng.choice(world.companies).name}, {rng.randint(1840, 1935)}",
        unit=rng.choice(UNITS),
        labels=tuple(rng.sample(names.ARTICLES, count)),
        values=tuple(part * level for level in rng.sample(range(2, GRIDLINES * STEP_PARTS), count)),
        step=step,
        ink=rng.choice(INKS),
    )


def paint(chart: Chart, rng: random.Random) -> EncodedImage:
    """The chart as printed."""
    paper = rng.choice(("#ffffff", "#fbf7ee", "#f4f6f8"))
    canvas = Canvas(WIDTH, HEIGHT, paper)
    serif = rng.random() < 0.5
    body, bold = ("serif", "serif-bold") if serif else ("sans", "bold")
    canvas.text(LEFT, 62, chart.title, 32, "#22262b", bold, align="left")
    canvas.text(LEFT, 104, f"{chart.unit.capitalize()}, by article", 21, "#5a6068", body, align="left")
    for line in range(GRIDLINES + 1):
        y = BOTTOM - (BOTTOM - TOP) * line / GRIDLINES
        canvas.line([(LEFT, y), (RIGHT, y)], "#22262b" if line == 0 else "#c3c8ce", 2 if line == 0 else 1)
        canvas.text(LEFT - 16, y, f"{line * chart.step:,}", 18, "#5a6068", body, align="right")
    pitch = (RIGHT - LEFT) / len(chart.labels)
    share = rng.uniform(0.5, 0.72)
    for place, (label, value) in enumerate(zip(chart.labels, chart.values, strict=True)):
        x = LEFT + pitch * (place + 0.5)
        top = BOTTOM - (BOTTOM - TOP) * value / (chart.step * GRIDLINES)
        canvas.rectangle(x - pitch * share / 2, top, x + pitch * share / 2, BOTTOM - 1, chart.ink)
        canvas.text(x, BOTTOM + 30, label, min(19.0, pitch / 6.2), "#22262b", body)
    canvas.text(
        LEFT,
        HEIGHT - 38,
        "Source: the company's own books.",
        15,
        mix(paper, "black", 0.5),
        body,
        align="left",
    )
    return as_jpeg(canvas.finish(), rng.randint(88, 95))


MEASURE = """
bars = mask_of(image_1, {ink})
columns = np.flatnonzero(bars.sum(0) > 3)
groups = np.split(columns, np.flatnonzero(np.diff(columns) > 5) + 1)
height = image_1.height
base = np.flatnonzero(bars[:, columns].any(1))[-1] + 1
tops = [np.argmax(bars[:, int(np.median(group))]) for group in groups]
scale = {most} / (height * {plot_share})
values = [float((base - top) * scale) for top in tops]
print([round(value, 1) for value in values])
"""
"""Measures every bar; the plot's height and its top value were read off the axis."""


class BarChart:
    """By how much do the bars of A and B together exceed that of C?"""

    name = "bar-chart"
    skills = frozenset({Skill.REASONING})
    tools = frozenset({"code"})

    knobs: Mapping[str, Knob] = {}

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A chart and a calculation over some of its bars."""
        chart = invent(rng, world)
        question, formula, value = rng.choice((_total, _excess, _range))(chart, rng)
        return Plan(
            key=f"chart/{chart.title}/{chart.values}",
            question=question,
            answer=Answer(str(value), tolerance=TOLERANCE),
            draw=lambda rng: (paint(chart, rng),),
            metadata={"ink": chart.ink, "most": chart.step * GRIDLINES, "formula": formula},
        )

    def oracle(self, task: Task) -> Oracle:
        """Show the axis, then measure the bars and calculate."""
        look = sight.show_crop("(0, 0, image_1.width * 0.2, image_1.height)", zoom=1)
        seen = yield turns.code("The bars carry no numbers. Let me read the axis first.", look)
        if not seen.images:
            yield turns.answer("I cannot see the axis.", turns.UNKNOWN)
            return
        program = sight.MASK_OF + MEASURE.format(
            ink=sight.channels(task.metadata["ink"]),
            most=task.metadata["most"],
            plot_share=(BOTTOM - TOP) / HEIGHT,
        )
        program += f"print(round({task.metadata['formula']}))"
        seen = yield turns.code("Now measure the bars in pixels and calculate.", program)
        value = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"The calculation gives {value}.", value)


def _total(chart: Chart, rng: random.Random) -> tuple[str, str, int]:
    first, second, third = sorted(rng.sample(range(len(chart.labels)), 3))
    a, b, c = (chart.labels[place] for place in (first, second, third))
    question = f"What is the total of {a}, {b} and {c} in the chart ({chart.unit})?"
    value = chart.values[first] + chart.values[second] + chart.values[third]
    return question, f"values[{first}] + values[{second}] + values[{third}]", value


def _excess(chart: Chart, rng: random.Random) -> tuple[str, str, int]:
    low, *_, middle, high = sorted(range(len(chart.labels)), key=chart.values.__getitem__)
    question = (
        f"By how much do {chart.labels[middle]} and {chart.labels[high]} together exceed "
        f"{chart.labels[low]} in the chart ({chart.unit})?"
    )
    value = chart.values[middle] + chart.values[high] - chart.values[low]
    return question, f"values[{middle}] + values[{high}] - values[{low}]", value


def _range(chart: Chart, rng: random.Random) -> tuple[str, str, int]:
    question = f"What do the tallest and the shortest bar of the chart add up to ({chart.unit})?"
    return question, "max(values) + min(values)", max(chart.values) + min(chart.values)


BAR_CHART = BarChart()
