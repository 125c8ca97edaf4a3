"""Reasoning: measure the dots of a scatter plot and calculate over a group of them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing import chart
from deepeyes_env.tasks.worlds.drawing.canvas import Point
from deepeyes_env.tasks.worlds.drawing.chart import Axis, Style
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns
from deepeyes_env.tasks.worlds.reasoning.calculation import Calculation, apart, shown

AXES = (
    ("Depth of the well in metres", "Water drawn in buckets a day", "wells"),
    ("Age of the tree in years", "Girth in centimetres", "trees"),
    ("Length of the boat in feet", "Crates carried", "boats"),
    ("Distance from the coast in miles", "Rain in millimetres", "stations"),
    ("Hands in the workshop", "Pieces made in a week", "workshops"),
)
"""Title of the level axis, of the upright axis, and what a dot is."""

UNITS = {
    "Water drawn in buckets a day": "buckets",
    "Girth in centimetres": "cm",
    "Crates carried": "crates",
    "Rain in millimetres": "mm",
    "Pieces made in a week": "pieces",
}
"""Title of the upright axis -> the unit that an answer may carry."""

WHOLES = (20, 40, 50, 80, 100, 200, 400, 500)
"""Length of an axis in its unit."""

RADIUS = 7.0
"""Of a dot in pixels."""

APART = 17.0
"""Least distance of two dots' centres in pixels: no two touch."""

CLEAR = 12.0
"""Least distance in pixels of a dot from a line it is compared with."""

TRIES = 100
"""Moves that are tried before a plot counts as one without a twin."""

TOLERANCE = 0.03
"""Relative error that counts as right: a pixel or two."""


@dataclass(frozen=True, slots=True)
class Scatter:
    """A scatter plot.

    Attributes:
        axes: One of `AXES`.
        towns: Names of the groups.
        groups: Each group's dots in shares of the plot, from the lower left corner.
        wide: Value at the level axis' end.
        high: Value at the upright axis' end.
        line: Shares at which the dashed line begins at the left and ends at the right.
        style: How it is printed.
    """

    axes: tuple[str, str, str]
    towns: tuple[str, ...]
    groups: tuple[tuple[Point, ...], ...]
    wide: int
    high: int
    line: tuple[float, float]
    style: Style

    @property
    def values(self) -> list[list[Point]]:
        """Each group's dots in the units of the axes, sorted."""
        return [sorted((x * self.wide, y * self.high) for x, y in group) for group in self.groups]


def invent(rng: random.Random, world: World, dots: int, groups: int) -> Scatter:
    """A plot of so many dots in each of so many groups."""
    style = chart.choose_style(rng)
    line = (rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8))
    taken: list[Point] = []
    clouds = []
    for _ in range(groups):
        cloud = _cloud(rng, dots, taken, line, style)
        taken.extend(cloud)
        clouds.append(tuple(cloud))
    return Scatter(
        axes=rng.choice(AXES),
        towns=tuple(town.name for town in rng.sample(world.towns, groups)),
        groups=tuple(clouds),
        wide=rng.choice(WHOLES),
        high=rng.choice(WHOLES),
        line=line,
        style=style,
    )


def _cloud(
    rng: random.Random, dots: int, taken: Sequence[Point], line: tuple[float, float], style: Style
) -> list[Point]:
    """Dots about a trend of their own."""
    start, end, spread = rng.uniform(0.15, 0.85), rng.uniform(0.15, 0.85), rng.uniform(0.06, 0.18)
    cloud: list[Point] = []
    while len(cloud) < dots:
        x = rng.uniform(0.04, 0.96)
        place = (round(x, 4), round(start + (end - start) * x + rng.gauss(0, spread), 4))
        if _has_room(place, [*taken, *cloud], line, style):
            cloud.append(place)
    return cloud


def _has_room(place: Point, others: Sequence[Point], line: tuple[float, float], style: Style) -> bool:
    wide, high = style.right - style.left, style.bottom - style.top
    x, y = place
    if not (0.04 < x < 0.96 and 0.04 < y < 0.96):
        return False
    rise = (line[1] - line[0]) * high / wide
    gap = abs(y - line[0] - (line[1] - line[0]) * x) * high / math.hypot(1, rise)
    return gap > CLEAR and all(math.hypot((x - a) * wide, (y - b) * high) > APART for a, b in others)


def paint(scatter: Scatter, rng: random.Random) -> EncodedImage:
    """The plot as printed."""
    style = scatter.style
    level, upright, dots = scatter.axes
    canvas = chart.page(
        style, f"{sum(map(len, scatter.groups))} {dots}", f"{upright} against {level.lower()}", rng
    )
    wide, high = Axis(0, scatter.wide, 5), Axis(0, scatter.high, 5)
    chart.value_axis(canvas, style, high, upright)
    chart.level_axis(canvas, style, wide, level)
    chart.axis_lines(canvas, style)
    chart.legend(canvas, style, scatter.towns)
    start, end = (chart.y_of(style, high, share * scatter.high) for share in scatter.line)
    chart.dashed(canvas, (style.left, start), (style.right, end), style.ink, 2)
    for group, colour in zip(scatter.groups, style.palette, strict=False):
        for x, y in group:
            column, row = chart.x_of(style, wide, x * scatter.wide), chart.y_of(style, high, y * scatter.high)
            canvas.circle(column, row, RADIUS, colour)
    return chart.print_out(canvas, rng)


MEASURE = """
plot = part_of(image_1, {box})
values = []
for colour in {colours}:
    centres = [blob.mean(0) for blob in blobs_of(mask_of(plot, colour), least=50)]
    group = [((c + 0.5) / plot.width * {wide}, (1 - (r + 0.5) / plot.height) * {high}) for r, c in centres]
    values.append(sorted((float(x), float(y)) for x, y in group))
print([len(group) for group in values])
print(round({formula}, 6))
"""
"""Finds the dots of each colour; the axes and the legend were read before."""


class ScatterPlot:
    """How many of A's dots lie above the dashed line?"""

    name = "scatter-plot"
    skills = frozenset({Skill.REASONING})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {
        "dots": Knob(11, 25, "dots in a group"),
        "groups": Knob(1, 3, "groups of dots"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A plot and a calculation over one of its groups."""
        while True:
            scatter = invent(rng, world, int(knobs["dots"]), int(knobs["groups"]))
            asked = rng.choice(CALCULATIONS)(scatter, rng.randrange(len(scatter.groups)))
            # Some plots cannot be given another answer by one dot: they would have no twin.
            if _is_clear(scatter, asked) and any(
                _is_twin(scatter, _move_one(scatter, asked, rng), asked) for _ in range(TRIES)
            ):
                return _plan(scatter, asked)

    def oracle(self, task: Task) -> Oracle:
        """Show axes and legend, then measure the dots and calculate."""
        seen = yield turns.code("Let me look at the axes and the legend first.", "image_1.show()")
        if not seen.images:
            yield turns.answer("I cannot see the plot.", turns.UNKNOWN)
            return
        program = sight.MASK_OF + sight.BLOBS_OF + sight.PART_OF + MEASURE.format(**task.metadata)
        seen = yield turns.code("Now find the dots by their colour and calculate.", program)
        value = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"The calculation gives {value}.", value)


@dataclass(frozen=True, slots=True)
class Asked:
    """A calculation over the dots of `group` in `unit`; `least` is the least result that can be measured."""

    calculation: Calculation
    group: int
    least: float
    unit: str | None
    is_count: bool = False


def _is_clear(scatter: Scatter, asked: Asked) -> bool:
    return abs(asked.calculation.result(scatter.values)) >= asked.least


def _move_one(scatter: Scatter, asked: Asked, rng: random.Random) -> Scatter:
    """The plot with one dot of the group elsewhere, or as it is where there is no room."""
    group = scatter.groups[asked.group]
    moved = rng.randrange(len(group))
    place = (round(rng.uniform(0.04, 0.96), 4), round(rng.uniform(0.04, 0.96), 4))
    others = [dot for each in scatter.groups for dot in each if dot is not group[moved]]
    if not _has_room(place, others, scatter.line, scatter.style):
        return scatter
    cloud = (*group[:moved], place, *group[moved + 1 :])
    return replace(
        scatter, groups=(*scatter.groups[: asked.group], cloud, *scatter.groups[asked.group + 1 :])
    )


def _is_twin(scatter: Scatter, changed: Scatter, asked: Asked) -> bool:
    """Whether the changed plot has another answer, which can be measured."""
    before, after = (asked.calculation.result(each.values) for each in (scatter, changed))
    return _is_clear(changed, asked) and apart(before, after, 0.0 if asked.is_count else TOLERANCE)


def _plan(scatter: Scatter, asked: Asked) -> Plan:
    calculation, tolerance = asked.calculation, 0.0 if asked.is_count else TOLERANCE
    result = calculation.result(scatter.values)

    def twin(rng: random.Random) -> Plan:
        moves = (_move_one(scatter, asked, rng) for _ in range(TRIES))
        return _plan(next((each for each in moves if _is_twin(scatter, each, asked)), scatter), asked)

    return Plan(
        key=f"scatter/{scatter.towns}/{scatter.wide}/{scatter.high}/{scatter.line}",
        question=calculation.question,
        answer=Answer(
            shown(result, 6 if result < 1 else 3 if result < 20 else 1), tolerance=tolerance, unit=asked.unit
        ),
        draw=lambda rng: (paint(scatter, rng),),
        twin=twin,
        metadata={
            "box": scatter.style.box,
            "colours": "["
            + ", ".join(map(sight.channels, scatter.style.palette[: len(scatter.groups)]))
            + "]",
            "wide": scatter.wide,
            "high": scatter.high,
            "formula": calculation.formula,
        },
    )


def _above(scatter: Scatter, group: int) -> Asked:
    start, end = (share * scatter.high for share in scatter.line)
    question = f"How many {scatter.axes[2]} of {scatter.towns[group]} lie above the dashed line?"
    formula = f"sum([y > {start!r} + ({end!r} - {start!r}) * x / {scatter.wide} for x, y in values[{group}]])"
    return Asked(Calculation(question, formula), group, 1, scatter.axes[2], is_count=True)


def _greatest(scatter: Scatter, group: int) -> Asked:
    question = (
        f'What do the three greatest values of "{scatter.axes[1]}" among the {scatter.axes[2]} of '
        f"{scatter.towns[group]} add up to?"
    )
    formula = f"sum(sorted([y for x, y in values[{group}]])[-3:])"
    return Asked(Calculation(question, formula), group, 0.3 * scatter.high, UNITS[scatter.axes[1]])


def _spread(scatter: Scatter, group: int) -> Asked:
    question = (
        f'By how much do the greatest and the least "{scatter.axes[1]}" among the {scatter.axes[2]} of '
        f"{scatter.towns[group]} differ?"
    )
    formula = f"max([y for x, y in values[{group}]]) - min([y for x, y in values[{group}]])"
    return Asked(Calculation(question, formula), group, 0.3 * scatter.high, UNITS[scatter.axes[1]])


def _utmost(scatter: Scatter, group: int) -> Asked:
    question = (
        f"Of the {scatter.axes[2]} of {scatter.towns[group]}, take the one furthest to the right and the one "
        f'furthest to the left. What do their values of "{scatter.axes[1]}" add up to?'
    )
    return Asked(
        Calculation(question, f"values[{group}][-1][1] + values[{group}][0][1]"),
        group,
        0.3 * scatter.high,
        UNITS[scatter.axes[1]],
    )


def _slope(scatter: Scatter, group: int) -> Asked:
    question = (
        f"Fit a straight line to the {scatter.axes[2]} of {scatter.towns[group]} by least squares, the "
        "upright axis over the level one. What is its slope, in the units of the axes, without its sign?"
    )
    many = f"len(values[{group}])"
    sums = {
        "x": f"sum([x for x, y in values[{group}]])",
        "y": f"sum([y for x, y in values[{group}]])",
        "xy": f"sum([x * y for x, y in values[{group}]])",
        "xx": f"sum([x * x for x, y in values[{group}]])",
    }
    formula = (
        f"abs(({many} * {sums['xy']} - {sums['x']} * {sums['y']}) "
        f"/ ({many} * {sums['xx']} - {sums['x']} ** 2))"
    )
    return Asked(Calculation(question, formula), group, 0.25 * scatter.high / scatter.wide, None)


CALCULATIONS: Sequence[Callable[[Scatter, int], Asked]] = (
    _above,
    _greatest,
    _spread,
    _utmost,
    _slope,
)


SCATTER_PLOT = ScatterPlot()
