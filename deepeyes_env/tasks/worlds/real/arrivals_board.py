"""Search and reasoning: what time it is in another city, by the pages' hours and a calculation."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.canvas import Canvas, gradient, text_width
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.oracles import turns
from deepeyes_env.tasks.worlds.real.facts import YEAR, City, Facts
from deepeyes_env.tasks.worlds.real.lookup import look_up

WIDTH, HEIGHT = 1120, 448
FLAP, GAP, ROWS = 62, 6, (118, 222)
"""Height of a flap, the space between two, and the rows of the two cities, in pixels."""

DAY = 24 * 60
"""Minutes."""


@dataclass(frozen=True, slots=True)
class Board:
    """What the board shows: the time in `here`, in minutes after midnight, and a `there` without one."""

    here: City
    there: City
    minute: int
    summer: bool

    @property
    def answer(self) -> str:
        """The time in `there`."""
        here, there = (city.summer if self.summer else city.winter for city in (self.here, self.there))
        return clock((self.minute - here + there) % DAY)


def clock(minute: int) -> str:
    """A time of day as 09:05."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def photograph(board: Board, rng: random.Random) -> EncodedImage:
    """A split-flap board in a hall."""
    canvas = Canvas(WIDTH, HEIGHT, gradient(HEIGHT, "#51585f", "#2b2f34"))
    canvas.rectangle(28, 30, WIDTH - 28, HEIGHT - 30, "#15181b", "#6f777f", 5)
    canvas.text(64, 76, "DESTINATION", 22, "#e7c65a", "bold", align="left")
    canvas.text(WIDTH - 64, 76, "LOCAL TIME", 22, "#e7c65a", "bold", align="right")
    for row, city, time in zip(ROWS, (board.here, board.there), (clock(board.minute), "--:--"), strict=True):
        _flaps(canvas, 60, row, 820, f"{city.name}, {city.country}", rng)
        _flaps(canvas, 890, row, WIDTH - 60, time, rng)
    month = "July" if board.summer else "January"
    _flaps(canvas, 60, 330, 470, f"15 {month} {YEAR}", rng)
    canvas.polygon([(60, 30), (340, 30), (180, HEIGHT - 30), (28, HEIGHT - 30)], "white", alpha=0.04)
    return as_jpeg(daylight(canvas, rng, shade=0.2), rng.randint(78, 90))


def _flaps(canvas: Canvas, left: float, top: float, right: float, text: str, rng: random.Random) -> None:
    tint = rng.choice(("#24282c", "#262a30", "#212529"))
    canvas.rectangle(left, top, right, top + FLAP, tint, "#3b4147", 2)
    size = min(40.0, (right - left - 24) / max(text_width(text, 1.0, "bold"), 1e-6))
    canvas.text(left + 14, top + FLAP / 2, text, size, "#f4f1e4", "bold", align="left")
    canvas.rectangle(left, top + FLAP / 2 - 1, right, top + FLAP / 2 + 1, "#0c0e10")


CALCULATE = """
def minutes(text):
    hours, _, rest = text[1:].partition(":")
    return (-1 if text[0] == "-" else 1) * (int(hours) * 60 + int(rest))

time = ({minute} - minutes({here!r}) + minutes({there!r})) % 1440
print(f"{{time // 60:02d}}:{{time % 60:02d}}")
"""
"""From one city's hours ahead of UTC to another's."""


class ArrivalsBoard:
    """What time is it in the second city on the board?"""

    name = "arrivals-board"
    skills = frozenset({Skill.SEARCH, Skill.REASONING})
    tools = frozenset({"code", "search"})
    knobs: Mapping[str, Knob] = {
        "least": Knob(2_000_000, 100_000, "inhabitants of the smallest city on the board"),
    }

    def plan(self, rng: random.Random, world: Facts, knobs: Knobs) -> Plan:
        """Two cities in different time zones, a day and a time."""
        cities = _large(world, knobs["least"])
        here, there = rng.sample(cities, 2)
        while here.winter == there.winter or here.summer == there.summer:
            there = rng.choice(cities)
        return _plan(Board(here, there, rng.randrange(0, DAY, 5), rng.random() < 0.5))

    def oracle(self, task: Task) -> Oracle:
        """Look both cities up, then calculate."""
        season = "summer" if task.metadata["summer"] else "winter"
        hours: list[str] = []
        for place in task.metadata["cities"]:
            found = yield from look_up(f"{place} city time zone clocks", place, season)
            if found is None:
                yield turns.answer("One of the time zones is missing.", turns.UNKNOWN)
                return
            hours += found
        program = CALCULATE.format(minute=task.metadata["minute"], here=hours[0], there=hours[1])
        seen = yield turns.code(f"The cities are at UTC{hours[0]} and UTC{hours[1]}.", program)
        time = turns.printed(seen) or turns.UNKNOWN
        yield turns.answer(f"So it is {time}.", time)


@lru_cache(maxsize=8)
def _large(facts: Facts, least: float) -> tuple[City, ...]:
    return tuple(city for city in facts.cities if city.population >= least and len(city.name) <= 20)


def _plan(board: Board) -> Plan:
    places = [f"{city.name}, {city.country}" for city in (board.here, board.there)]
    text = board.answer
    return Plan(
        # Countries, not cities: a country's cities mostly share their hours.
        key=f"country/{board.here.country}",
        further_keys=(f"country/{board.there.country}",),
        question=(
            "The board shows the local time in its first city on the given day. What is the local time in "
            "its second city at that moment? Answer as HH:MM on a 24-hour clock."
        ),
        answer=Answer(text, aliases=(text[1:],) if text[0] == "0" else ()),
        draw=lambda rng: (photograph(board, rng),),
        twin=lambda rng: _plan(replace(board, minute=rng.randrange(0, DAY, 5))),
        metadata={"cities": places, "minute": board.minute, "summer": board.summer},
    )


ARRIVALS_BOARD = ArrivalsBoard()
