"""Companies: founders, works, emblems and rivals."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import date

from deepeyes_env.tasks.worlds.drawing.emblem import Emblem, draw_emblem_facts, near_duplicate, visible
from deepeyes_env.tasks.worlds.fictional import names
from deepeyes_env.tasks.worlds.fictional.dates import day_in
from deepeyes_env.tasks.worlds.fictional.people import UNRECORDED, Person
from deepeyes_env.tasks.worlds.fictional.towns import Town

COMPANIES = 120

TWIN_SHARE = 0.4
"""Share of companies that come as a pair of near-duplicates: same family name, almost the same emblem."""


@dataclass(frozen=True, slots=True)
class Company:
    """A company.

    Attributes:
        name: Unique; a family name and a trade.
        product: What it made.
        founded_on: Day of its founding.
        founder: A person's name.
        town: Where its works stood.
        workers: Its staff in the year `peak`.
        peak: The year of its largest staff.
        emblem: Its coat of arms.
        rival: Name of the company it competed with, or None.
        closed: Year in which its works closed; None: not recorded.
    """

    name: str
    product: str
    founded_on: date
    founder: str
    town: str
    workers: int
    peak: int
    emblem: Emblem
    rival: str | None
    closed: int | None

    @property
    def founded(self) -> int:
        """Year of its founding."""
        return self.founded_on.year

    @property
    def trade(self) -> str:
        """The last part of its name: a key of `names.TRADES`."""
        return self.name.partition(" ")[2]


def found_companies(
    rng: random.Random, towns: tuple[Town, ...], people: tuple[Person, ...]
) -> tuple[Company, ...]:
    """All companies; no two emblems look the same."""
    companies: dict[str, Company] = {}
    singles: list[Company] = []
    emblems: set[Emblem] = set()
    for founder in rng.sample(people, len(people)):
        stem, emblem = founder.family_name, draw_emblem_facts(rng)
        elder = rng.choice(singles) if singles and rng.random() < TWIN_SHARE else None
        if elder is not None:
            stem, emblem = elder.name.split()[0], near_duplicate(elder.emblem, rng)
        trades = [trade for trade in names.TRADES if f"{stem} {trade}" not in companies]
        if not trades:
            continue
        while visible(emblem) in emblems:
            emblem = near_duplicate(emblem, rng)
        emblems.add(visible(emblem))
        trade = rng.choice(trades)
        company = _company(rng, f"{stem} {trade}", trade, founder, rng.choice(towns), emblem)
        companies[company.name] = company
        if elder is None:
            singles.append(company)
        else:
            singles.remove(elder)
        if len(companies) == COMPANIES:
            break
    return _with_rivals(rng, list(companies.values()))


def _company(
    rng: random.Random, name: str, trade: str, founder: Person, town: Town, emblem: Emblem
) -> Company:
    founded = founder.born + rng.randint(22, 47)
    peak = founded + rng.randint(12, 60)
    return Company(
        name=name,
        product=names.TRADES[trade],
        founded_on=day_in(rng, founded),
        founder=founder.name,
        town=town.name,
        workers=rng.randint(14, 960),
        peak=peak,
        emblem=emblem,
        rival=None,
        closed=None if rng.random() < UNRECORDED else peak + rng.randint(3, 40),
    )


def _with_rivals(rng: random.Random, companies: list[Company]) -> tuple[Company, ...]:
    order = rng.sample(range(len(companies)), len(companies) // 4 * 3 // 2 * 2)
    for one, other in zip(order[::2], order[1::2], strict=True):
        first, second = companies[one], companies[other]
        companies[one], companies[other] = (
            replace(first, rival=second.name),
            replace(second, rival=first.name),
        )
    return tuple(companies)
