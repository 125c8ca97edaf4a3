"""Public holidays as they fell in past years: those that a country keeps nationwide every year."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from deepeyes_env.tasks.worlds.real.packages import package

YEARS = range(2015, 2025)
"""Years with pages: all past, so that no government can still move one of their holidays."""

_LIEU = re.compile(r" \((?:observed|in lieu|substitute day)\)$")
_ESTIMATE = "estimated"
_AND = "; "
"""How the package marks a day in lieu and a day that hangs on the moon, and joins holidays of one day."""


@dataclass(frozen=True, slots=True)
class Holiday:
    """One public holiday in one year; `name` in English."""

    day: date
    name: str


def public_holidays(code: str) -> tuple[Holiday, ...]:
    """A country's holidays of all `YEARS`, by day; none where they are not sure.

    A country is left out that the package does not know, whose holidays have no English names in it, or of
    which it only estimates a date. A holiday is left out that some of the years lack (elections, funerals,
    bridging days), or that shares its day with another one.

    Args:
        code: The country's ISO code.
    """
    table = _table(code)
    if any(_ESTIMATE in names for names in table.values()):
        return ()
    listed = [(day, name) for day, names in sorted(table.items()) for name in names.split(_AND)]
    own = {(day.year, name) for day, name in listed}
    # A day in lieu is the holiday's only where the holiday's own day is none.
    kept = [
        (day, plain)
        for day, name in listed
        if (plain := _LIEU.sub("", name)) == name or (day.year, plain) not in own
    ]
    years = Counter(name for _, name in {(day.year, name) for day, name in kept})
    yearly = [(day, name) for day, name in kept if years[name] == len(YEARS)]
    # A holiday of only some years makes its day ambiguous, too: it is as good an answer.
    on_day = Counter(day for day, _ in kept)
    return tuple(Holiday(day, name) for day, name in yearly if on_day[day] == 1)


def _table(code: str) -> dict[date, str]:
    if code not in _known_codes():
        return {}
    country: Any = getattr(package("holidays"), code)
    if "en_US" in country.supported_languages:
        return dict(country(years=YEARS, language="en_US"))
    # Without languages the package has one set of names, and these are English.
    return {} if country.default_language else dict(country(years=YEARS))


@lru_cache(maxsize=1)
def _known_codes() -> frozenset[str]:
    return frozenset(package("holidays").list_supported_countries(include_aliases=False))
