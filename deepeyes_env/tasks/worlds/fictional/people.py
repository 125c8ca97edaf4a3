"""People: lives between two dates, with portraits, siblings and teachers."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date

from deepeyes_env.tasks.worlds.drawing.portrait import Portrait, draw_portrait_facts, sibling_of
from deepeyes_env.tasks.worlds.fictional import names
from deepeyes_env.tasks.worlds.fictional.dates import day_in
from deepeyes_env.tasks.worlds.fictional.towns import Town

PEOPLE = 140

SIBLINGS = 48
"""How many of them come in pairs of siblings: one family name, one birthplace, almost one face."""

UNRECORDED = 0.25
"""Share of facts of some kinds (graves, closures, weights, altitudes) that no record holds."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person.

    Attributes:
        name: Unique.
        woman: Whether pages say `she`.
        born_on: Day of birth.
        died_on: Day of death.
        birthplace: A town's name.
        profession: One of `names.PROFESSIONS`.
        portrait: How a painter saw them.
        sibling: Name of a brother or sister, or None.
        teacher: Name of an older person who taught them, or None.
        burial: Town in which they are buried; None: not recorded.
    """

    name: str
    woman: bool
    born_on: date
    died_on: date
    birthplace: str
    profession: str
    portrait: Portrait
    sibling: str | None
    teacher: str | None
    burial: str | None

    @property
    def born(self) -> int:
        """Year of birth."""
        return self.born_on.year

    @property
    def died(self) -> int:
        """Year of death."""
        return self.died_on.year

    @property
    def family_name(self) -> str:
        """The last part of the name."""
        return self.name.split()[-1]


@dataclass(frozen=True, slots=True)
class _Birth:
    name: str
    woman: bool
    year: int
    birthplace: str
    portrait: Portrait
    sibling: str | None


def bear_people(rng: random.Random, towns: tuple[Town, ...]) -> tuple[Person, ...]:
    """All people."""
    births: dict[str, _Birth] = {}
    faces: set[Portrait] = set()
    while len(births) < PEOPLE:
        first = _birth(rng, towns, faces)
        if first.name in births:
            continue
        births[first.name] = first
        if len(births) < SIBLINGS:
            second = _sibling(rng, first, faces)
            while second.name in births:
                second = _sibling(rng, first, faces)
            births[second.name] = second
            births[first.name] = _Birth(
                first.name, first.woman, first.year, first.birthplace, first.portrait, second.name
            )
    elders = sorted(births.values(), key=lambda each: (each.year, each.name))
    people = []
    for birth in births.values():
        teachers = [each.name for each in elders if 20 <= birth.year - each.year <= 45]
        teachers = [name for name in teachers if name != birth.sibling]
        people.append(_life(rng, birth, towns, rng.choice(teachers) if teachers else None))
    rng.shuffle(people)
    return tuple(people)


def _birth(rng: random.Random, towns: tuple[Town, ...], faces: set[Portrait]) -> _Birth:
    woman = rng.random() < 0.5
    name = f"{names.first_name(rng, woman)} {names.surname(rng)}"
    portrait = draw_portrait_facts(rng, woman)
    while portrait in faces:
        portrait = draw_portrait_facts(rng, woman)
    faces.add(portrait)
    return _Birth(name, woman, rng.randint(1728, 1889), rng.choice(towns).name, portrait, None)


def _sibling(rng: random.Random, first: _Birth, faces: set[Portrait]) -> _Birth:
    others = [name for name in (names.WOMEN if first.woman else names.MEN) if name != first.name.split()[0]]
    portrait = sibling_of(first.portrait, rng)
    while portrait in faces:
        portrait = sibling_of(first.portrait, rng)
    faces.add(portrait)
    year = first.year + rng.randint(1, 12)
    name = f"{rng.choice(others)} {first.name.split()[-1]}"
    return _Birth(name, first.woman, year, first.birthplace, portrait, first.name)


def _life(rng: random.Random, birth: _Birth, towns: tuple[Town, ...], teacher: str | None) -> Person:
    return Person(
        name=birth.name,
        woman=birth.woman,
        born_on=day_in(rng, birth.year),
        died_on=day_in(rng, birth.year + rng.randint(51, 94)),
        birthplace=birth.birthplace,
        profession=rng.choice(names.PROFESSIONS),
        portrait=birth.portrait,
        sibling=birth.sibling,
        teacher=teacher if rng.random() < 0.8 else None,
        burial=None if rng.random() < UNRECORDED else rng.choice(towns).name,
    )
