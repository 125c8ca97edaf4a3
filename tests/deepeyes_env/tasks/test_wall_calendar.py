"""Public holidays as facts, and the calendars on which their days are circled."""

import calendar
import re
from collections import Counter
from datetime import date
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deepeyes_env.episode import Observation
from deepeyes_env.protocol import SearchText, parse_turn
from deepeyes_env.rewards.accuracy import grade_by_rule
from deepeyes_env.rewards.normalise import normalise
from deepeyes_env.task import Task
from deepeyes_env.tasks.worlds.drawing.canvas import text_width
from deepeyes_env.tasks.worlds.drawing.wall_calendar import INKS, Leaf, _week_number
from deepeyes_env.tasks.worlds.oracles import sight
from deepeyes_env.tasks.worlds.real.facts import the_facts
from deepeyes_env.tasks.worlds.real.holiday_names import same, wordings
from deepeyes_env.tasks.worlds.real.public_holidays import _LIEU, YEARS, Holiday, _table, public_holidays
from deepeyes_env.tasks.worlds.real.source import RealWorld
from deepeyes_env.tasks.worlds.real.wall_calendar import (
    DAYS,
    OFFICES,
    READ,
    WALL_CALENDAR,
    _cities,
    _months,
    _read_holiday,
)

FAMILY = "wall-calendar"
MOLDOVAN = "Victory Day and Commemoration of the heroes fallen for Independence of Fatherland"


def named(code: str, name: str) -> list[date]:
    """The days of a country's holiday."""
    return [one.day for one in the_facts().holidays[code] if one.name == name]


def test_holidays_that_everybody_knows() -> None:
    assert named("NO", "Constitution Day") == [date(year, 5, 17) for year in YEARS]
    assert date(2023, 11, 23) in named("US", "Thanksgiving Day")
    assert date(2020, 5, 8) in named("GB", "May Day"), "moved once, for the 75th VE Day"


def test_a_holiday_is_kept_every_year_and_alone_on_its_day() -> None:
    for code, holidays in the_facts().holidays.items():
        years: dict[str, set[int]] = {}
        for one in holidays:
            years.setdefault(one.name, set()).add(one.day.year)
            assert "estimated" not in one.name
            assert "observed" not in one.name
            # The page's own separators.
            assert not set(one.name) & set(";:")
        assert Counter(one.day for one in holidays).most_common(1)[0][1] == 1, code
        # Fewer than all of them where it fell on another holiday. Moldova has had two on 9 May since 2017.
        few = {name for name, found in years.items() if len(found) <= 3}
        assert few <= ({MOLDOVAN} if code == "MD" else set()), code


def test_a_holiday_of_some_years_only_makes_its_day_ambiguous() -> None:
    assert date(2015, 5, 9) in named("MD", MOLDOVAN)
    assert date(2023, 5, 9) not in named("MD", MOLDOVAN), "Europe Day, too"
    assert named("TH", "National Mother's Day") == [], "the queen's birthday, under two names"
    for code, holidays in the_facts().holidays.items():
        table = _table(code)
        for one in holidays:
            # One in lieu of another day's holiday leaves the day's own as the answer.
            names = {name for name in table[one.day].split("; ") if not _LIEU.search(name)}
            assert names <= {one.name}, (code, one)


def test_a_day_in_lieu_counts_only_where_the_day_itself_is_no_holiday() -> None:
    assert date(2017, 1, 9) in named("CO", "Epiphany"), "always kept on a Monday"
    assert [day for day in named("GB", "Christmas Day") if day.year == 2021] == [date(2021, 12, 25)]


@pytest.mark.parametrize("code", ["EG", "MA", "AN", "BV"])
def test_a_country_without_sure_dates_has_no_holidays(code: str) -> None:
    assert public_holidays(code) == ()


def test_years_are_past_so_that_no_government_moves_their_holidays() -> None:
    assert YEARS[-1] < 2025


def test_a_calendars_city_is_not_mistaken_for_another_one() -> None:
    names = [city.name for city in the_facts().unmistakable_cities]
    assert len(set(names)) == len(names)
    assert "Bergen" in names
    # In Spain and Venezuela; San Jose is in the United States; and a country.
    assert not {"Valencia", "San José", "Jamaica"} & set(names)


@pytest.mark.parametrize(
    ("name", "day", "right", "wrong"),
    [
        ("Labor Day", date(2019, 5, 1), ["Labour Day", "May Day", "workers' day"], ["Labor"]),
        ("Labor Day", date(2019, 9, 2), ["Labour Day"], ["May Day"]),
        ("Saint Stephen's Day", date(2019, 12, 26), ["St. Stephen's Day", "Boxing Day"], ["Saint Day"]),
        ("Liberation Day/Reunification Day", date(2019, 4, 30), ["Reunification Day"], ["Day"]),
        ("Epiphany (Three Kings' Day and Orthodox Christmas)", date(2019, 1, 6), ["Epiphany"], ["Christmas"]),
        ("Barthélemy Boganda Day", date(2020, 3, 29), ["Barthelemy Boganda Day"], ["Boganda"]),
        ("Benito Juárez's birthday", date(2020, 3, 16), ["Benito Juarez's Birthday"], ["Birthday"]),
        ("Randol Fawkes Labour Day", date(2020, 6, 5), ["Randol Fawkes Labor Day"], ["Labor Day"]),
        ("Labour Day", date(2020, 5, 1), ["Labor Day", "May Day"], ["Labour"]),
        (
            "Simchat Torah / Shemini Atzeret",
            date(2020, 10, 10),
            ["Simchat Torah", "Shemini Atzeret"],
            ["Simchat Torah Day", "Torah"],
        ),
        ("Africa/Heroes Day", date(2020, 5, 25), ["Africa Day", "Heroes Day"], ["Africa"]),
        ("Nowruz Holiday", date(2020, 3, 21), ["Nowruz"], ["Holiday"]),
        ("National Holiday", date(2020, 11, 15), ["National Holiday"], ["National", "Holiday"]),
        ("June Bank Holiday", date(2020, 6, 1), ["June Bank Holiday"], ["June Bank", "June"]),
        (
            "Prešeren's Day, the Slovenian Cultural Holiday",
            date(2020, 2, 8),
            ["Preseren's Day, the Slovenian Cultural Holiday"],
            ["Prešeren's Day, the Slovenian Cultural"],
        ),
    ],
)
def test_what_a_person_would_let_pass(name: str, day: date, right: list[str], wrong: list[str]) -> None:
    one = Holiday(day, name)
    assert wordings(one)[0] == name
    allowed = {text.casefold() for text in wordings(one)}
    assert {text.casefold() for text in right} <= allowed
    assert not {text.casefold() for text in wrong} & allowed


def test_only_days_of_one_festival_share_a_wording_in_a_country() -> None:
    for code, holidays in the_facts().holidays.items():
        named: dict[str, set[str]] = {}
        for one in holidays:
            festival = re.sub(r" \([^)]*\)| Holiday$", "", one.name)
            for text in wordings(one):
                named.setdefault(normalise(text), set()).add(festival)
        assert not {text: found for text, found in named.items() if len(found) > 1}, code


@pytest.mark.parametrize("shared", [40, 24, 8])
def test_month_and_year_alone_never_give_the_answer(shared: int) -> None:
    for months in _months(the_facts(), shared).values():
        for month in months:
            assert len({(one.day.year, one.day.month) for one in month}) == 1
            assert all(any(not same(one, other) for other in month) for one in month)


def test_every_holiday_of_a_year_is_read_off_the_first_page_that_is_found() -> None:
    facts, engine = the_facts(), RealWorld().search_engine()
    assert engine is not None
    asked = 0
    for code, months in _months(facts, 40).items():
        for one in (one for month in months for one in month if one.day.year == 2018):
            reading = _read_holiday(facts.countries[code].name, f"{one.day.day} {one.day:%B} 2018")
            call = parse_turn(next(reading))
            assert isinstance(call, SearchText)
            hit = engine.search_text(call.query).hits[0]
            page = f"1. [{hit.title}]({hit.url})\n{hit.snippet}\n</tool_response>"
            with pytest.raises(StopIteration) as read:
                reading.send(Observation(page))
            assert read.value.value == one.name
            asked += 1
    assert asked > 300


def test_an_imprint_fits_its_calendar() -> None:
    largest = WALL_CALENDAR.knobs["letters"].easy
    names = (city.name for cities in _cities(the_facts()).values() for city in cities)
    widest = max(text_width(name, largest, font) for name in names for font in ("sans", "serif"))
    office = max(text_width(f"{office}, ", largest, font) for office in OFFICES for font in ("sans", "serif"))
    assert widest + office < 460


def ring_of(task: Task) -> tuple[int, int, int, int]:
    """The ring's box as the oracle's program finds it, in pixels of the picture."""
    picture, part = task.images[0].decode().convert("RGB"), DAYS[task.metadata["layout"]]
    program = READ.format(days=part, ink=sight.channels(INKS[task.metadata["ink"]]))
    found: dict[str, Any] = {"image_1": picture}
    exec(sight.MASK_OF + sight.BLOBS_OF + sight.PART_OF + program, found)
    x, y = (round(share * side) for share, side in zip(part[:2], picture.size, strict=True))
    return found["left"] + x, found["top"] + y, found["right"] + x, found["bottom"] + y


@pytest.mark.parametrize("difficulty", [0.0, 1.0])
@pytest.mark.parametrize("index", range(8))
def test_a_twin_differs_in_its_ring_which_the_oracles_program_finds(
    difficulty: float, index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image.Image, "show", lambda image: None)
    source = RealWorld(3, (FAMILY,), difficulty=difficulty)
    task, twin = source.draw(index, "train"), source.twin(index, "train")
    one, other = (np.asarray(each.images[0].decode().convert("L"), dtype=int) for each in (task, twin))
    differs = np.abs(one - other) > 40
    assert differs.any()
    for each in (task, twin):
        left, top, right, bottom = ring_of(each)
        assert 30 < right - left < 90
        assert 30 < bottom - top < 70
        assert differs[top : bottom + 1, left : right + 1].any()
        differs[top - 4 : bottom + 5, left - 4 : right + 5] = False
    assert not differs.any(), "the rest is alike"


@pytest.mark.parametrize("first", [calendar.MONDAY, calendar.SATURDAY, calendar.SUNDAY])
def test_weeks_are_numbered_one_by_one(first: int) -> None:
    for month in (1, 2, 6, 12):
        leaf = Leaf(2020, month, 1, "red", (), "", 12, "")
        rows = calendar.Calendar(first).monthdatescalendar(2020, month)
        weeks = [[(day.day, (day.month - month + 6) % 12 - 6) for day in row] for row in rows]
        numbers = [_week_number(leaf, week, first) for week in weeks]
        thursdays = [next(day for day in row if day.weekday() == calendar.THURSDAY) for row in rows]
        assert numbers == [day.isocalendar().week for day in thursdays]
        assert len(set(numbers)) == len(numbers)


def test_another_wording_is_right_and_the_twins_answer_is_not() -> None:
    source = RealWorld(0, (FAMILY,))
    for index in range(40):
        plan, twin = source.plan(index, "train"), source.twin_plan(index, "train")
        for text in plan.answer.aliases:
            assert grade_by_rule(text, plan.answer).correct
        for text in (twin.answer.text, *twin.answer.aliases):
            assert not grade_by_rule(text, plan.answer).correct
        assert plan.key == twin.key == f"country/{plan.metadata['country']}"
