"""Days of the invented calendar of facts: ours, written in words."""

from __future__ import annotations

import random
from datetime import date

from deepeyes_env.tasks.worlds.months import MONTHS


def day_in(rng: random.Random, year: int) -> date:
    """A day of `year` that every month has."""
    return date(year, rng.randint(1, 12), rng.randint(1, 28))


def written(day: date) -> str:
    """A day as every page and document writes it: `14 March 1823`."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def read(text: str) -> date:
    """The day that `written` wrote.

    Raises:
        ValueError: It is no such text.
    """
    day, month, year = text.split()
    return date(int(year), MONTHS.index(month) + 1, int(day))
