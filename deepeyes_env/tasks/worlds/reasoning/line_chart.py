"""Reasoning: follow several lines through the years, and calculate with what their markers stand at."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing import chart
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, regular
from deepeyes_env.tasks.worlds.drawing.chart import Axis, Style
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import sight, turns
from deepeyes_env.tasks.worlds.reasoning.calculation import Calculation, apart, shown

SUBJECTS = ("barrels landed", "letters posted", "passengers carried", "bales woven", "permits granted")
STEPS = (10, 20, 50, 100, 200, 500)

GRIDLINES = 5
STEP_PARTS = 5
"""Values are whole fifths of a gridline's step: about 19 pixels, more than a marker is high."""

LEVELS = range(2, GRIDLINES * STEP_PARTS)

STRIDE = 7
"""Largest change from one year to the next in levels: steeper lines would run along a marker."""

TRIES = 300
"""Changes that are looked at before a chart counts as one without a twin."""

LEAST = 0.8
"""Smallest result that is asked for, in steps."""

TOLERANCE = 0.03
"""Relative error that counts as right: two pixels of the least result."""

Values = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """A line chart: `values[series][year]`, in the unit of the axis, whose gridlines are `step` apart."""

    subject: str
    towns: tuple[str, ...]
    first: int
    values: Values
    step: int
    style: Style

    @property
    def axis(self) -> Axis:
        """The upright axis."""
        return Axis(0, self.step * GRIDLINES, GRIDLINES)

    @property
    def years(self) -> range:
        """The years along the level axis."""
        return range(self.first, self.first + len(self.values[0]))


def invent(rng: random.Random, world: World, series: int, years: int) -> Lines:
    """A chart of `series` towns over so many years."""
    walks: list[list[int]] = [[] for _ in range(series)]
    for year in range(years):
        taken: list[int] = []
        for walk in walks:
            near = [n for n in LEVELS if n not in taken and (not year or abs(n - walk[-1]) <= STRIDE)]
            taken.append(rng.choice(near))
            walk.append(taken[-1])
    step = rng.choice(STEPS)
    return Lines(
        subject=rng.choice(SUBJECTS),
        towns=tuple(town.name for town in rng.sample(world.towns, series)),
        first=rng.randint(1840, 1935),
        values=tuple(tuple(level * step // STEP_PARTS for level in walk) for walk in walks),
        step=step,
        style=chart.choose_style(rng),
    )


def paint(lines: Lines, rng: random.Random) -> EncodedImage:
    """The chart as printed."""
    style, axis = lines.style, lines.axis
    title = f"{lines.subject.capitalize()}, {lines.years[0]} to {lines.years[-1]}"
    canvas = chart.page(style, title, "Yearly figures", rng)
    chart.value_axis(canvas, style, axis)
    pitch = (style.right - style.left) / len(lines.years)
    columns = [style.left + pitch * (place + 0.5) for place in range(len(lines.years))]
    for column, year in zip(columns, lines.years, strict=True):
        canvas.line([(column, style.bottom), (column, style.bottom + 6)], style.ink, 1.2)
        canvas.text(column, style.bottom + 24, str(year), 16 if pitch > 56 else 14, style.ink, style.body)
    chart.axis_lines(canvas, style)
    chart.legend(canvas, style, lines.towns)
    width = rng.uniform(2.0, 3.2)
    rows = [[chart.y_of(style, axis, value) for value in series] for series in lines.values]
    for series, colour in zip(rows, style.palette, strict=False):
        canvas.line(list(zip(columns, series, strict=True)), colour, width)
    # Markers lie over all lines, so that each is whole.
    for form, series, colour in zip(_forms(rng), rows, style.palette, strict=False):
        for column, row in zip(columns, series, strict=True):
            form(canvas, column, row, colour)
    return chart.print_out(canvas, rng)


def _forms(rng: random.Random) -> list[Callable[[Canvas, float, float, str], None]]:
    forms = [_disc, _box, _lozenge]
    return rng.sample([*forms, *forms], 5)


def _disc(canvas: Canvas, x: float, y: float, colour: str) -> None:
    canvas.circle(x, y, 7, colour)


def _box(canvas: Canvas, x: float, y: float, colour: str) -> None:
    canvas.rectangle(x - 6.5, y - 6.5, x + 6.5, y + 6.5, colour)


def _lozenge(canvas: Canvas, x: float, y: float, colour: str) -> None:
    canvas.polygon(regular(x, y, 8.5, 4), colour)


MEASURE = """
plot = part_of(image_1, {box})
values = []
for colour in {colours}:
    mask, series = mask_of(plot, colour), []
    for year in range({years}):
        column = round(plot.width * (year + 0.5) / {years})
        strip = mask[:, column - 5:column + 6].sum(1).astype(float)
        marker = np.convolve(strip, np.hanning(15), "same")
        row = int(marker.argmax())
        near = np.arange(max(0, row - 8), min(plot.height, row + 9))
        row = (near * strip[near] ** 2).sum() / (strip[near] ** 2).sum()
        series.append(float((1 - (row + 0.5) / plot.height) * {most}))
    values.append(series)
    print([round(value, 1) for value in series])
first = {first}
print(round({formula}, 2))
"""
"""Finds each line's marker in every year's column; the axes and the legend were read before."""


class LineChart:
    """By how much did the figure of A change between two years?"""

    name = "line-chart"
    skills = frozenset({Skill.REASONING})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {
        "series": Knob(2, 5, "lines in the chart"),
        "years": Knob(7, 14, "years along the axis"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A chart and a calculation over it."""
        while True:
            lines = invent(rng, world, int(knobs["series"]), int(knobs["years"]))
            asked = rng.choice(CALCULATIONS)(lines, rng)
            # Some charts cannot be given another answer by one marker: they would have no twin.
            changes = itertools.islice(_changes(lines, rng), TRIES)
            if _is_clear(lines, asked) and any(_is_twin(lines, changed, asked) for changed in changes):
                return _plan(lines, asked)

    def oracle(self, task: Task) -> Oracle:
        """Show axes and legend, then measure the markers and calculate."""
        seen = yield turns.code("Let me look at the axes and the legend first.", "image_1.show()")
        if not seen.images:
            yield turns.answer("I cannot see the chart.", turns.UNKNOWN)
            return
        program = sight.MASK_OF + sight.PART_OF + MEASURE.format(**task.metadata)
        seen = yield turns.code("Now measure the markers in pixels and calculate.", program)
        value = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"The calculation gives {value}.", value)


@dataclass(frozen=True, slots=True)
class Asked:
    """A calculation; `is_year` where the answer is a year, which must stand out."""

    calculation: Calculation
    is_year: bool = False
    places: tuple[int, ...] = ()


def _plan(lines: Lines, asked: Asked) -> Plan:
    calculation = asked.calculation
    result = calculation.result(lines.values)

    def twin(rng: random.Random) -> Plan:
        # All changes are looked at if need be: in some charts few of them give another answer.
        twins = (changed for changed in _changes(lines, rng) if _is_twin(lines, changed, asked))
        return _plan(next(twins, lines), asked)

    answer = str(lines.first + int(result)) if asked.is_year else shown(result)
    return Plan(
        key=f"lines/{lines.subject}/{lines.towns}/{lines.first}/{lines.step}",
        question=calculation.question,
        answer=Answer(answer) if asked.is_year else _answer(answer, lines),
        draw=lambda rng: (paint(lines, rng),),
        twin=twin,
        metadata={
            "box": lines.style.box,
            "colours": "[" + ", ".join(map(sight.channels, lines.style.palette[: len(lines.towns)])) + "]",
            "years": len(lines.years),
            "most": lines.axis.high,
            "first": lines.first,
            "formula": f"first + {calculation.formula}" if asked.is_year else calculation.formula,
        },
    )


def _changes(lines: Lines, rng: random.Random) -> Iterator[Lines]:
    """The chart with one marker elsewhere, in every way, in random order."""
    ways = list(itertools.product(range(len(lines.towns)), range(len(lines.years)), LEVELS))
    rng.shuffle(ways)
    for series, year, level in ways:
        row = list(lines.values[series])
        row[year] = level * lines.step // STEP_PARTS
        yield replace(lines, values=(*lines.values[:series], tuple(row), *lines.values[series + 1 :]))


def _is_twin(lines: Lines, changed: Lines, asked: Asked) -> bool:
    """Whether the changed chart can be drawn and has another answer."""
    # The cheapest question first: most changes leave the answer as it is.
    before, after = asked.calculation.result(lines.values), asked.calculation.result(changed.values)
    is_another = apart(before, after, 0.0 if asked.is_year else TOLERANCE)
    return is_another and _is_clear(changed, asked) and _is_drawable(changed)


def _is_drawable(lines: Lines) -> bool:
    """Whether no marker hides another and no line is too steep."""
    apart_each_year = all(len({*year}) == len(year) for year in zip(*lines.values, strict=True))
    stride = STRIDE * lines.step // STEP_PARTS
    return apart_each_year and all(
        abs(a - b) <= stride for series in lines.values for a, b in itertools.pairwise(series)
    )


def _is_clear(lines: Lines, asked: Asked) -> bool:
    """Whether the answer can be measured: no tiny difference, and no second year that does as well."""
    if not asked.is_year:
        return abs(asked.calculation.result(lines.values)) >= LEAST * lines.step
    best = _ranked(lines.values, asked.places)
    return best[0] - best[1] >= lines.step // STEP_PARTS


def _ranked(values: Values, places: tuple[int, ...]) -> list[int]:
    """What competes for the year that is asked for, greatest first."""
    series = [values[place] for place in places]
    if len(series) == 1:
        return sorted((b - a for a, b in itertools.pairwise(series[0])), reverse=True)
    return sorted((abs(a - b) for a, b in zip(*series, strict=True)), reverse=True)


def _change(lines: Lines, rng: random.Random) -> Asked:
    town = rng.randrange(len(lines.towns))
    a, b = sorted(rng.sample(range(len(lines.years)), 2))
    question = (
        f"By how many {_noun(lines)} did the yearly figure of {lines.towns[town]} change from "
        f"{lines.years[a]} to {lines.years[b]}, up or down?"
    )
    return Asked(Calculation(question, f"abs(values[{town}][{b}] - values[{town}][{a}])"))


def _span(lines: Lines, rng: random.Random) -> Asked:
    town, length = rng.randrange(len(lines.towns)), rng.randint(3, 5)
    start = rng.randrange(len(lines.years) - length + 1)
    verb, formula = rng.choice((("total", "sum({0})"), ("average of the yearly figures", "sum({0}) / {1}")))
    part = f"values[{town}][{start}:{start + length}]"
    question = (
        f"What is the {verb} of {lines.towns[town]} in the years {lines.years[start]} to "
        f"{lines.years[start + length - 1]} ({lines.subject})?"
    )
    return Asked(Calculation(question, formula.format(part, length)))


def _together(lines: Lines, rng: random.Random) -> Asked:
    year = rng.randrange(len(lines.years))
    question = f"How many {_noun(lines)} did all towns of the chart count together in {lines.years[year]}?"
    return Asked(Calculation(question, f"sum([series[{year}] for series in values])"))


def _greatest_rise(lines: Lines, rng: random.Random) -> Asked:
    town = rng.randrange(len(lines.towns))
    question = (
        f"How large is the greatest rise of {lines.towns[town]} from one year to the next ({lines.subject})?"
    )
    return Asked(Calculation(question, f"max([b - a for a, b in zip(values[{town}], values[{town}][1:])])"))


def _lead(lines: Lines, rng: random.Random) -> Asked:
    a, b = rng.sample(range(len(lines.towns)), 2)
    question = (
        f"Over all years of the chart, by how much do the totals of {lines.towns[a]} and {lines.towns[b]} "
        f"differ ({lines.subject})?"
    )
    return Asked(Calculation(question, f"abs(sum(values[{a}]) - sum(values[{b}]))"))


def _year_of_rise(lines: Lines, rng: random.Random) -> Asked:
    town = rng.randrange(len(lines.towns))
    question = f"In which year did {lines.towns[town]} gain most over the year before?"
    rises = f"[b - a for a, b in zip(values[{town}], values[{town}][1:])]"
    return Asked(Calculation(question, _place_of_most(rises, 1)), is_year=True, places=(town,))


def _year_of_gap(lines: Lines, rng: random.Random) -> Asked:
    a, b = rng.sample(range(len(lines.towns)), 2)
    question = f"In which year were {lines.towns[a]} and {lines.towns[b]} furthest apart?"
    gaps = f"[abs(a - b) for a, b in zip(values[{a}], values[{b}])]"
    return Asked(Calculation(question, _place_of_most(gaps, 0)), is_year=True, places=(a, b))


def _place_of_most(numbers: str, offset: int) -> str:
    return f"max(zip({numbers}, range({offset}, len(values[0]))))[1]"


def _answer(value: str, lines: Lines) -> Answer:
    """In what the question names, in one word or in all."""
    return Answer(value, aliases=(f"{value} {lines.subject}",), tolerance=TOLERANCE, unit=_noun(lines))


def _noun(lines: Lines) -> str:
    return lines.subject.split()[0]


CALCULATIONS: Sequence[Callable[[Lines, random.Random], Asked]] = (
    _change,
    _span,
    _together,
    _greatest_rise,
    _lead,
    _year_of_rise,
    _year_of_gap,
)


LINE_CHART = LineChart()
