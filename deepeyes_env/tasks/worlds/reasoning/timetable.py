"""Reasoning: calculate with the times of a printed railway timetable."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing import paper
from deepeyes_env.tasks.worlds.drawing.canvas import mix, text_width
from deepeyes_env.tasks.worlds.drawing.paper import Sheet
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.fictional.world import World
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import turns
from deepeyes_env.tasks.worlds.reasoning.calculation import Calculation, apart, shown

WIDTH, HEIGHT = 1064, 784

LETTERS = 22.0
"""Of a time in pixels per em, where the table is not too large for it."""

ROUNDING = 0.005
"""Relative error that counts as right for an average that is not whole."""

SHIFTS = tuple(minutes for minutes in range(-14, 15) if abs(minutes) >= 2)
"""Minutes by which a twin's train calls earlier or later."""

Times = tuple[int | None, ...]
"""Minutes after midnight at each station, None where the train does not call."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """A timetable; trains are in the order of their first departure and never overtake."""

    line: str
    stations: tuple[str, ...]
    numbers: tuple[int, ...]
    trains: tuple[Times, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A calculation over `values[train][station]`; `is_clock` where its result is a time of day."""

    calculation: Calculation
    is_clock: bool = False


def draw_facts(rng: random.Random, world: World, stations: int, trains: int) -> Timetable:
    """A line of so many stations with so many trains a day."""
    names = tuple(town.name for town in rng.sample(world.towns, stations))
    legs = [rng.randint(6, 26) for _ in range(stations - 1)]
    start, runs = rng.randint(300, 420), []
    for _ in range(trains):
        clock, run = start, [start]
        for leg in legs:
            clock += leg + rng.randint(0, 9)
            run.append(clock)
        # A train passes some stations between the ends without stopping.
        passed = [place for place in range(1, stations - 1) if rng.random() < 0.16]
        runs.append(tuple(None if place in passed else clock for place, clock in enumerate(run)))
        start += rng.randint(34, 66)
    return Timetable(
        line=f"{names[0]} to {names[-1]}",
        stations=names,
        numbers=tuple(sorted(rng.sample(range(11, 99), trains))),
        trains=tuple(runs),
    )


def clock(minutes: float) -> str:
    """A time of day as printed; no train runs past midnight."""
    return f"{int(minutes) // 60}:{int(minutes) % 60:02d}"


def paint(table: Timetable, rng: random.Random) -> EncodedImage:
    """The timetable, pinned to a board."""
    canvas = paper.table_top(WIDTH, HEIGHT, rng)
    colour = rng.choice(("#f7f4ea", "#fbfaf5", "#f2ead6", "#eaf0ee"))
    ink, accent = rng.choice((("#23262d", "#8c2f28"), ("#25304f", "#25304f"), ("#33291f", "#2f5a46")))
    size = min(LETTERS, 960 / (len(table.trains) * 3.9 + 15), 650 / (len(table.stations) * 1.9 + 8.5))
    name_wide, step, pitch = size * 13, size * 3.9, size * 1.9
    wide = name_wide + step * len(table.trains) + size * 2
    high = size * 8.5 + pitch * len(table.stations)
    sheet = Sheet(WIDTH / 2, HEIGHT / 2, wide, high, rng.uniform(-2.5, 2.5), colour)
    paper.lay(canvas, sheet, rng)
    body, bold = rng.choice((("sans", "bold"), ("serif", "serif-bold"), ("mono", "bold")))
    title = min(size * 1.5, (wide - size * 3) / text_width(table.line, 1, bold))
    paper.write(canvas, sheet, size * 1.3, size * 2, table.line, title, accent, bold)
    note = rng.choice(("Weekdays", "Summer service", "Winter service", "Daily"))
    paper.write(canvas, sheet, size * 1.3, size * 4, note, size * 0.95, mix(ink, colour, 0.3), body)
    head = size * 6.6
    banded = rng.random() < 0.6
    for place in range(len(table.stations)):
        row = head + pitch * (place + 1)
        if banded and place % 2 == 0:
            band = sheet.box(size * 0.8, row - pitch / 2, wide - size * 0.8, row + pitch / 2)
            canvas.polygon(band, mix(colour, accent, 0.09))
        elif not banded:
            paper.rule(canvas, sheet, row + pitch / 2, size, wide - size, mix(colour, ink, 0.35), 0.8)
    paper.rule(canvas, sheet, head + pitch * 0.5, size, wide - size, accent, 1.6)
    for column, (number, run) in enumerate(zip(table.numbers, table.trains, strict=True)):
        across = name_wide + step * (column + 0.9)
        paper.write(canvas, sheet, across, head, f"No. {number}", size * 0.82, accent, bold, "right")
        for place, minutes in enumerate(run):
            text = "|" if minutes is None else clock(minutes)
            row = head + pitch * (place + 1)
            paper.write(canvas, sheet, across, row, text, size, ink, body, "right")
    for place, station in enumerate(table.stations):
        paper.write(canvas, sheet, size * 1.3, head + pitch * (place + 1), station, size, ink, bold)
    for x, y in sheet.box(10, 10, wide - 10, high - 10):
        canvas.circle(x + 2, y + 3, 6, "black", alpha=0.3)
        canvas.circle(x, y, 6, "#c9a24a", "#8a6a24", 1)
    return as_jpeg(daylight(canvas, rng, shade=0.14), rng.randint(86, 93))


CALCULATE = """
values = {values}
result = {formula}
print({printed})
"""


class TimetableSum:
    """How many minutes does the fastest train take from A to D?"""

    name = "timetable"
    skills = frozenset({Skill.REASONING, Skill.PERCEPTION})
    tools = frozenset({"code"})
    knobs: Mapping[str, Knob] = {
        "stations": Knob(4, 12, "stations of the line"),
        "trains": Knob(4, 10, "trains of a day"),
    }

    def plan(self, rng: random.Random, world: World, knobs: Knobs) -> Plan:
        """A timetable and a calculation over it."""
        while True:
            table = draw_facts(rng, world, int(knobs["stations"]), int(knobs["trains"]))
            a, b = sorted(rng.sample(range(len(table.stations)), 2))
            if not (_is_possible(table) and len(_between(table, a, b)) >= 3):
                continue
            asked = rng.choice(CALCULATIONS)(table, a, b, rng)
            # Some timetables cannot be given another answer by one call: they would have no twin.
            if next(_twins(table, asked, (a, b), rng), None):
                return _plan(table, asked, (a, b))

    def oracle(self, task: Task) -> Oracle:
        """Read the timetable, then calculate."""
        seen = yield turns.code("Let me look at the timetable first.", "image_1.show()")
        if not seen.images:
            yield turns.answer("I cannot read the timetable.", turns.UNKNOWN)
            return
        printed = 'f"{result // 60}:{result % 60:02d}"' if task.metadata["is_clock"] else "round(result, 2)"
        program = CALCULATE.format(
            values=task.metadata["trains"], formula=task.metadata["formula"], printed=printed
        )
        seen = yield turns.code("Now with the times in minutes.", program)
        found = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"That makes {found}.", found)


def _between(table: Timetable, a: int, b: int) -> list[int]:
    """The trains that call at both stations."""
    return [place for place, run in enumerate(table.trains) if run[a] is not None and run[b] is not None]


def _plan(table: Timetable, asked: Asked, ends: tuple[int, int]) -> Plan:
    calculation = asked.calculation
    result = calculation.result(table.trains)

    def twin(rng: random.Random) -> Plan:
        return _plan(next(_twins(table, asked, ends, rng), table), asked, ends)

    answer = clock(result) if asked.is_clock else shown(result)
    return Plan(
        key=f"timetable/{table.stations}/{table.numbers}",
        question=calculation.question,
        answer=Answer(
            answer,
            aliases=(answer.replace(":", "."), answer.zfill(len("00:00"))) if asked.is_clock else (),
            tolerance=_tolerance(result),
            unit=calculation.unit,
        ),
        draw=lambda rng: (paint(table, rng),),
        twin=twin,
        metadata={
            "trains": [list(run) for run in table.trains],
            "formula": calculation.formula,
            "is_clock": asked.is_clock,
        },
    )


def _tolerance(result: float) -> float:
    return 0.0 if result == int(result) else ROUNDING


def _twins(table: Timetable, asked: Asked, ends: tuple[int, int], rng: random.Random) -> Iterator[Timetable]:
    """The timetable with one call at another time and another answer, in every way, in random order."""
    result = asked.calculation.result(table.trains)
    ways = list(itertools.product(ends, range(len(table.trains)), SHIFTS))
    rng.shuffle(ways)
    for station, train, shift in ways:
        run = list(table.trains[train])
        if (minutes := run[station]) is None:
            continue
        run[station] = minutes + shift
        trains = (*table.trains[:train], tuple(run), *table.trains[train + 1 :])
        changed = replace(table, trains=trains)
        if _is_possible(changed) and apart(result, asked.calculation.result(trains), _tolerance(result)):
            yield changed


def _is_possible(table: Timetable) -> bool:
    """Whether every train runs forwards, and none overtakes another."""
    runs = [[minutes for minutes in run if minutes is not None] for run in table.trains]
    calls = [
        [minutes for minutes in station if minutes is not None] for station in zip(*table.trains, strict=True)
    ]
    return all(early < late for times in (*runs, *calls) for early, late in itertools.pairwise(times))


def _ride(table: Timetable, a: int, b: int) -> str:
    return f"from {table.stations[a]} to {table.stations[b]}"


def _rides(a: int, b: int) -> str:
    return f"[run[{b}] - run[{a}] for run in values if run[{a}] and run[{b}]]"


def _fastest(table: Timetable, a: int, b: int, rng: random.Random) -> Asked:
    question = f"How many minutes does the fastest train take {_ride(table, a, b)}?"
    return Asked(Calculation(question, f"min({_rides(a, b)})", "min"))


def _slowest(table: Timetable, a: int, b: int, rng: random.Random) -> Asked:
    question = f"How many minutes does the slowest train take that calls at both, {_ride(table, a, b)}?"
    return Asked(Calculation(question, f"max({_rides(a, b)})", "min"))


def _average(table: Timetable, a: int, b: int, rng: random.Random) -> Asked:
    question = (
        f"What is the average journey {_ride(table, a, b)} of the trains that call at both, in minutes? Give "
        "one decimal."
    )
    return Asked(Calculation(question, f"sum({_rides(a, b)}) / len({_rides(a, b)})", "min"))


def _wait(table: Timetable, a: int, b: int, rng: random.Random) -> Asked:
    question = (
        f"What is the longest time between two trains that follow each other at {table.stations[a]}, in "
        "minutes?"
    )
    calls = f"[run[{a}] for run in values if run[{a}]]"
    return Asked(
        Calculation(question, f"max([late - early for early, late in zip({calls}, {calls}[1:])])", "min")
    )


def _arrival(table: Timetable, a: int, b: int, rng: random.Random) -> Asked:
    *_, second_last, _last = _between(table, a, b)
    latest = table.trains[second_last][a] or 0
    ready = rng.randrange(table.trains[0][0] or 0, latest - 15) if rng.random() < 0.8 else latest - 20
    question = (
        f"A traveller is ready at {table.stations[a]} at {clock(ready)}. At what time can she be at "
        f"{table.stations[b]} at the earliest, without changing trains?"
    )
    formula = f"min([run[{b}] for run in values if run[{a}] and run[{b}] and run[{a}] >= {ready}])"
    return Asked(Calculation(question, formula), is_clock=True)


CALCULATIONS: Sequence[Callable[[Timetable, int, int, random.Random], Asked]] = (
    _fastest,
    _slowest,
    _average,
    _wait,
    _arrival,
)


TIMETABLE = TimetableSum()
