"""The facts of a fictional world, all drawn from one seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property, lru_cache

from deepeyes_env.tasks.worlds.drawing.emblem import Emblem, draw_emblem_facts, near_duplicate
from deepeyes_env.tasks.worlds.fictional import names

TOWNS = 48
PEOPLE = 140
COMPANIES = 120

TWIN_SHARE = 0.4
"""Share of companies that come as a pair of near-duplicates: same family name, almost the same emblem."""


@dataclass(frozen=True, slots=True)
class Town:
    """A town.

    Attributes:
        name: Unique.
        region: One of `names.REGIONS`.
        river: The river it lies on.
        chartered: Year of its charter.
        population: Inhabitants.
        elevation: Metres above the sea.
        landmark: Its tower, with height in metres and year of opening.
    """

    name: str
    region: str
    river: str
    chartered: int
    population: int
    elevation: int
    landmark: str
    landmark_height: int
    landmark_opened: int


@dataclass(frozen=True, slots=True)
class Person:
    """A person; `born` and `died` are years, `birthplace` is a town's name."""

    name: str
    born: int
    died: int
    birthplace: str
    profession: str


@dataclass(frozen=True, slots=True)
class Company:
    """A company; `founder` is a person's name, `town` a town's, `workers` its staff in the year `peak`."""

    name: str
    product: str
    founded: int
    founder: str
    town: str
    workers: int
    peak: int
    emblem: Emblem


@dataclass(frozen=True)
class World:
    """Everything that is true in one fictional world.

    Attributes:
        seed: The number that names the world.
        towns: All towns.
        people: All people; every founder is among them.
        companies: All companies.
    """

    seed: int
    towns: tuple[Town, ...]
    people: tuple[Person, ...]
    companies: tuple[Company, ...]

    @cached_property
    def town_named(self) -> dict[str, Town]:
        """Towns by name."""
        return {town.name: town for town in self.towns}

    @cached_property
    def person_named(self) -> dict[str, Person]:
        """People by name."""
        return {person.name: person for person in self.people}


@lru_cache(maxsize=4)
def make_world(seed: int) -> World:
    """Generate the world called `seed`; the same one in every process."""
    rng = random.Random(f"world/{seed}")
    towns = _towns(rng)
    people = _people(rng, towns)
    return World(seed, towns, people, _companies(rng, towns, people))


def _towns(rng: random.Random) -> tuple[Town, ...]:
    plain = names.distinct(TOWNS - 8, lambda: names.town(rng))
    doubles = [f"{rng.choice(('Upper', 'Nether', 'Old'))} {name}" for name in rng.sample(plain, 8)]
    return tuple(_town(rng, name) for name in [*plain, *doubles])


def _town(rng: random.Random, name: str) -> Town:
    chartered = rng.randint(1080, 1590)
    return Town(
        name=name,
        region=rng.choice(names.REGIONS),
        river=rng.choice(names.RIVER_STEMS),
        chartered=chartered,
        population=rng.randint(21, 980) * 100 + rng.randint(1, 99),
        elevation=rng.randint(2, 640),
        landmark=rng.choice(("Watch Tower", "Lighthouse", "Bell Tower", "Water Tower")),
        landmark_height=rng.randint(23, 118),
        landmark_opened=rng.randint(1610, 1890),
    )


def _people(rng: random.Random, towns: tuple[Town, ...]) -> tuple[Person, ...]:
    full_names = names.distinct(PEOPLE, lambda: f"{rng.choice(names.FIRST_NAMES)} {names.surname(rng)}")
    return tuple(_person(rng, name, towns) for name in full_names)


def _person(rng: random.Random, name: str, towns: tuple[Town, ...]) -> Person:
    born = rng.randint(1728, 1889)
    return Person(
        name=name,
        born=born,
        died=born + rng.randint(51, 94),
        birthplace=rng.choice(towns).name,
        profession=rng.choice(names.PROFESSIONS),
    )


def _companies(
    rng: random.Random, towns: tuple[Town, ...], people: tuple[Person, ...]
) -> tuple[Company, ...]:
    companies: dict[str, Company] = {}
    singles: list[Company] = []
    emblems: set[Emblem] = set()
    for founder in rng.sample(people, PEOPLE):
        stem, emblem = founder.name.split()[-1], draw_emblem_facts(rng)
        elder = rng.choice(singles) if singles and rng.random() < TWIN_SHARE else None
        if elder is not None:
            stem, emblem = elder.name.split()[0], near_duplicate(elder.emblem, rng)
        trades = [trade for trade in names.TRADES if f"{stem} {trade}" not in companies]
        if not trades:
            continue
        while emblem in emblems:
            emblem = near_duplicate(emblem, rng)
        emblems.add(emblem)
        trade = rng.choice(trades)
        company = _company(rng, f"{stem} {trade}", trade, founder, rng.choice(towns), emblem)
        companies[company.name] = company
        if elder is None:
            singles.append(company)
        else:
            singles.remove(elder)
        if len(companies) == COMPANIES:
            break
    return tuple(companies.values())


def _company(
    rng: random.Random, name: str, trade: str, founder: Person, town: Town, emblem: Emblem
) -> Company:
    founded = founder.born + rng.randint(22, 47)
    return Company(
        name=name,
        product=names.TRADES[trade],
        founded=founded,
        founder=founder.name,
        town=town.name,
        workers=rng.randint(14, 960),
        peak=founded + rng.randint(12, 60),
        emblem=emblem,
    )
