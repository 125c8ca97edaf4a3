"""Perception and search: a day circled on a calendar, and the holiday that its country keeps on it."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from deepeyes_env.images import EncodedImage
from deepeyes_env.task import Answer, Skill, Task
from deepeyes_env.tasks.worlds.drawing.photograph import as_jpeg, daylight
from deepeyes_env.tasks.worlds.drawing.wall_calendar import INKS, MARKS, SIZES, Leaf, hang
from deepeyes_env.tasks.worlds.family import Oracle, Plan
from deepeyes_env.tasks.worlds.knobs import Knob, Knobs
from deepeyes_env.tasks.worlds.months import MONTHS
from deepeyes_env.tasks.worlds.oracles import sight, turns
from deepeyes_env.tasks.worlds.real.facts import City, Facts
from deepeyes_env.tasks.worlds.real.holiday_names import same, wordings
from deepeyes_env.tasks.worlds.real.lookup import look_up
from deepeyes_env.tasks.worlds.real.public_holidays import Holiday

if TYPE_CHECKING:
    from deepeyes_env.episode import Observation

OFFICES = ("Records Office", "Land Registry", "Post Office", "Survey Office", "Library Board", "Water Works")
"""Whose calendar it is; such an office is in every city."""

LONGEST = 20
"""Letters of the longest name of a city: a longer one might run over the calendar's edge."""

Month = tuple[Holiday, ...]
"""The holidays of one country, year and month that may be asked about."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A calendar in a city, and the holiday whose day is circled.

    Attributes:
        city: Where it hangs.
        month: The holidays of its month; the twin's is another one of them.
        holiday: The one whose day is circled.
        leaf: What is drawn.
    """

    city: City
    month: Month
    holiday: Holiday
    leaf: Leaf


def photograph(leaf: Leaf, rng: random.Random) -> EncodedImage:
    """The calendar as a photograph."""
    canvas = hang(leaf, rng)
    return as_jpeg(daylight(canvas, rng, shade=rng.uniform(0.1, 0.22)), rng.randint(84, 92), fine_colour=True)


DAYS = {"tall": (0.0, 0.42, 1.0, 1.0), "wide": (0.46, 0.0, 1.0, 1.0)}
"""Layout -> the part of the picture with the month and its days: shares of its sides."""

READ = """
days = part_of(image_1, {days})
ring = max(blobs_of(mask_of(days, {ink}, tolerance=0.07, brightest=1.8), least=30), key=len)
(top, left), (bottom, right) = ring.min(0).tolist(), ring.max(0).tolist()
days.crop((0, 0, days.width, round(days.height * 0.25))).show()
circled = days.crop((left - 8, top - 8, right + 8, bottom + 8))
circled.resize((circled.width * 3, circled.height * 3)).show()
foot = days.crop((0, round(days.height * 0.8), days.width, days.height))
foot.resize((foot.width * 2, foot.height * 2)).show()
"""
"""Shows the month, the ring, which it finds by its ink, and the imprint."""


class WallCalendar:
    """Which public holiday falls on the circled day?"""

    name = "wall-calendar"
    skills = frozenset({Skill.PERCEPTION, Skill.SEARCH})
    tools = frozenset({"code", "search"})
    knobs: Mapping[str, Knob] = {
        "shared": Knob(40, 8, "countries that at most keep a holiday of that name"),
        "marks": Knob(1, 6, "other days that are ticked, crossed out, underlined or dotted"),
        "letters": Knob(17, 11, "height of the imprint in pixels per em"),
    }

    def plan(self, rng: random.Random, world: Facts, knobs: Knobs) -> Plan:
        """A country, a month with two of its holidays or more, a city, and a calendar there."""
        months = _months(world, knobs["shared"])
        code = rng.choice(sorted(months))
        month, city = rng.choice(months[code]), rng.choice(_cities(world)[code])
        holiday = rng.choice(month)
        # Marks keep off all holidays, so that they tell nothing and the twin's are the same.
        kept = {one.day for one in world.holidays[code]}
        free = [day for day in range(1, 29) if holiday.day.replace(day=day) not in kept]
        leaf = Leaf(
            holiday.day.year,
            holiday.day.month,
            holiday.day.day,
            rng.choice(list(INKS)),
            tuple((day, rng.choice(MARKS)) for day in sorted(rng.sample(free, int(knobs["marks"])))),
            f"{rng.choice(OFFICES)}, {city.name}",
            knobs["letters"],
            rng.choice(list(SIZES)),
        )
        return _plan(Shown(city, month, holiday, leaf))

    def oracle(self, task: Task) -> Oracle:
        """Enlarge month, ring and imprint, then look up the city and the holidays of its country."""
        shown = task.metadata
        program = READ.format(days=DAYS[shown["layout"]], ink=sight.channels(INKS[shown["ink"]]))
        seen = yield turns.code(
            "I have to read the month, the circled day and the imprint. Let me enlarge them.",
            sight.MASK_OF + sight.BLOBS_OF + sight.PART_OF + program,
        )
        if not seen.images:
            yield turns.answer("I cannot read the calendar.", turns.UNKNOWN)
            return
        city = shown["city"]
        page = f"{city}, {shown['country']} {city} is a city in"
        found = yield from look_up(f"{city} city inhabitants", page, "country")
        name = (yield from _read_holiday(found[0], shown["day"])) if found else None
        yield turns.answer("The page of that year says so.", name or turns.UNKNOWN)


def _read_holiday(country: str, day: str) -> Generator[str, Observation, str | None]:
    """Search for a country's holidays and read the one of a day written as `17 May 2017`."""
    date, _, year = day.rpartition(" ")
    title = f"Public holidays in {country} in {year}"
    seen = yield turns.search(f"Now the holidays of {country}.", f"{title} {date}")
    listed = re.split("[;:] ", turns.passages(seen).get(title, ""))
    names = [found[1] for one in listed if (found := re.match(rf"(.+?) on {date}\b", one))]
    return names[0] if names else None


@lru_cache(maxsize=2)
def _cities(facts: Facts) -> dict[str, list[City]]:
    """Country code -> the cities that a calendar can name."""
    codes = {country.name: code for code, country in facts.countries.items()}
    found: dict[str, list[City]] = {}
    for city in facts.unmistakable_cities:
        if len(city.name) <= LONGEST:
            found.setdefault(codes[city.country], []).append(city)
    return found


@lru_cache(maxsize=8)
def _months(facts: Facts, shared: float) -> dict[str, list[Month]]:
    """Country code -> months with holidays that few countries keep, so many that the day has to be read."""
    countries = _countries_by_wording(facts)
    found: dict[str, list[Month]] = {}
    for code in facts.holidays.keys() & _cities(facts).keys():
        rare = [
            one for one in facts.holidays[code] if max(countries[text] for text in wordings(one)) <= shared
        ]
        for _, of_month in groupby(rare, key=lambda one: (one.day.year, one.day.month)):
            month = tuple(of_month)
            if told_apart := tuple(one for one in month if _others(month, one)):
                found.setdefault(code, []).append(told_apart)
    return found


@lru_cache(maxsize=2)
def _countries_by_wording(facts: Facts) -> Counter[str]:
    return Counter(
        text
        for holidays in facts.holidays.values()
        for text in {text for one in holidays for text in wordings(one)}
    )


def _others(month: Month, holiday: Holiday) -> list[Holiday]:
    """Holidays of the month that nobody would call by the same name."""
    return [one for one in month if not same(one, holiday)]


def _plan(shown: Shown) -> Plan:
    first, *others = wordings(shown.holiday)
    day = shown.holiday.day

    def twin(rng: random.Random) -> Plan:
        other = rng.choice(_others(shown.month, shown.holiday))
        return _plan(replace(shown, holiday=other, leaf=replace(shown.leaf, circled=other.day.day)))

    return Plan(
        # The country, not the city: its cities share their holidays.
        key=f"country/{shown.city.country}",
        question=(
            "One day is circled on the calendar. Which public holiday is that day in the country of the city "
            "that the line at the calendar's foot names? Answer with the holiday's English name."
        ),
        answer=Answer(first, aliases=tuple(others)),
        draw=lambda rng: (photograph(shown.leaf, rng),),
        twin=twin,
        metadata={
            "city": shown.city.name,
            "country": shown.city.country,
            "day": f"{day.day} {MONTHS[day.month - 1]} {day.year}",
            "ink": shown.leaf.ink,
            "layout": shown.leaf.layout,
        },
    )


WALL_CALENDAR = WallCalendar()
