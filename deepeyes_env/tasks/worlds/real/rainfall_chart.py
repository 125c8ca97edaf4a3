"""Reasoning: sums over a chart of measured rain whose values are not written anywhere."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, mix
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.months import MONTHS
from deepeyes_env.tasks.worlds.oracles import sight, turns
from deepeyes_env.tasks.worlds.real.facts import Facts

WIDTH, HEIGHT = 1120, 728
LEFT, RIGHT, TOP, BOTTOM = 120, 1060, 150, 620
"""The plot's box in pixels."""


MOST, STEP = 300, 50
"""Millimetres at the top of the axis, and between two of its lines."""

INKS = ("#2f6fb0", "#1f8a8a", "#7a4fa3", "#c2562f")

LEAST = 60
"""Millimetres that the months asked about have together in every year: less could not be measured."""

TOLERANCE = 0.04
"""Relative error that counts as right: two or three pixels of each of three months."""


@dataclass(frozen=True, slots=True)
class Rain:
    """A year of rain in millimetres a month, and the months that are asked about (0 is January)."""

    year: int
    months: tuple[float, ...]
    asked: tuple[int, ...]


def paint(rain: Rain, rng: random.Random) -> EncodedImage:
    """A printed chart: a stem and a drop for each month."""
    ink, paper = rng.choice(INKS), rng.choice(("#ffffff", "#fbf7ee", "#f3f6f8"))
    font, bold = rng.choice((("sans", "bold"), ("serif", "serif-bold")))
    canvas = Canvas(WIDTH, HEIGHT, paper)
    canvas.text(LEFT - 60, 56, f"Rain in Seattle, {rain.year}", 32, "#22262b", bold, align="left")
    canvas.text(LEFT - 60, 98, "Millimetres a month", 20, "#5a6068", font, align="left")
    for line in range(0, MOST + 1, STEP):
        y = height_of(line)
        canvas.line([(LEFT, y), (RIGHT, y)], mix(paper, "black", 0.7 if line == 0 else 0.16), 1.5)
        canvas.text(LEFT - 16, y, str(line), 17, "#5a6068", font, align="right")
    pitch = (RIGHT - LEFT) / len(MONTHS)
    for place, (month, value) in enumerate(zip(MONTHS, rain.months, strict=True)):
        x, y = LEFT + pitch * (place + 0.5), height_of(value)
        canvas.line([(x, BOTTOM), (x, y)], mix(ink, paper, 0.6), 9)
        canvas.circle(x, y, 12, ink)
        canvas.text(x, BOTTOM + 28, month[:3], 18, "#22262b", font)
    source = "Source: NOAA, daily records of the weather station at Seattle-Tacoma airport"
    canvas.text(LEFT - 60, HEIGHT - 34, source, 14, mix(paper, "black", 0.5), font, align="left")
    return as_jpeg(canvas.finish(), rng.randint(88, 95))


def height_of(value: float) -> float:
    """Row of a value on the axis."""
    return BOTTOM - (BOTTOM - TOP) * value / MOST


MEASURE = """
dots = sorted((blob.mean(0)[::-1] for blob in blobs_of(drops, least=60)), key=lambda dot: dot[0])
height = image_1.height
values = [float(({bottom} * height - dot[1]) / ({plot} * height) * {most}) for dot in dots]
print([round(value, 1) for value in values])
print(round(sum(values[month] for month in {asked}), 1))
"""
"""Measures the drop of every month; the axis was read off before."""

FIND = """
pixels = np.asarray(image_1.convert("RGB"), dtype=int)
spread = pixels.max(-1) - pixels.min(-1)
colours = pixels[spread > 90]
ink = tuple(int(v) for v in np.median(colours, 0))
drops = (np.abs(pixels - ink).max(-1) < 40)
"""
"""Finds the drops: the only strong colour on the page."""


class RainfallChart:
    """How much rain fell in March, June and July together?"""

    name = "rainfall-chart"
    skills = frozenset({Skill.REASONING})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {"asked": Knob(2, 5, "months to be added up")}

    def plan(self, rng: random.Random, world: Facts, knobs: Knobs) -> Plan:
        """A year and some of its months."""
        year = rng.choice(sorted(world.rainfall))
        asked: tuple[int, ...] = ()
        while min(sum(months[month] for month in asked) for months in world.rainfall.values()) < LEAST:
            asked = tuple(sorted(rng.sample(range(len(MONTHS)), int(knobs["asked"]))))
        return _plan(Rain(year, world.rainfall[year], asked), world)

    def oracle(self, task: Task) -> Oracle:
        """Show the axis, then measure the drops and add up."""
        look = sight.show_crop("(0, 0, image_1.width * 0.2, image_1.height)", zoom=1)
        seen = yield turns.code("The chart carries no numbers. Let me read the axis first.", look)
        if not seen.images:
            yield turns.answer("I cannot see the axis.", turns.UNKNOWN)
            return
        program = (
            sight.MASK_OF
            + sight.BLOBS_OF
            + FIND
            + MEASURE.format(
                bottom=BOTTOM / HEIGHT, plot=(BOTTOM - TOP) / HEIGHT, most=MOST, asked=task.metadata["asked"]
            )
        )
        seen = yield turns.code("Now measure every month.", program)
        value = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"Together they are {value} mm.", value)


def _plan(rain: Rain, world: Facts) -> Plan:
    *first, last = (MONTHS[month] for month in rain.asked)

    def twin(rng: random.Random) -> Plan:
        year = rng.choice([year for year in sorted(world.rainfall) if year != rain.year])
        return _plan(replace(rain, year=year, months=world.rainfall[year]), world)

    return Plan(
        key=f"rain/{rain.asked}",
        question=(
            f"By the chart, how many millimetres of rain fell in {', '.join(first)} and {last} together?"
        ),
        answer=Answer(
            f"{sum(rain.months[month] for month in rain.asked):.1f}", tolerance=TOLERANCE, unit="mm"
        ),
        draw=lambda rng: (paint(rain, rng),),
        twin=twin,
        metadata={"asked": list(rain.asked), "year": rain.year},
    )


RAINFALL_CHART = RainfallChart()
