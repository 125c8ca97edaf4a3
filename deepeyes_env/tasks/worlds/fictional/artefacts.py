"""Artefacts: vessels in the museums of towns."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date

from deepeyes_env.tasks.worlds.drawing.artefact import Vessel, companion_of, draw_vessel_facts
from deepeyes_env.tasks.worlds.fictional import names
from deepeyes_env.tasks.worlds.fictional.dates import day_in
from deepeyes_env.tasks.worlds.fictional.people import UNRECORDED, Person
from deepeyes_env.tasks.worlds.fictional.towns import Town

ARTEFACTS = 80

COMPANION_SHARE = 0.35
"""Share of artefacts that are the near-duplicate of another: `Corvane Vase` and `Lesser Corvane Vase`."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """A museum object.

    Attributes:
        name: Unique.
        maker: Name of the person who made it.
        made: Year.
        acquired_on: The day on which the museum bought it.
        price: What the museum paid, in crowns.
        museum: The town whose museum holds it.
        height: Millimetres.
        inventory: Its inventory number, such as `KM 4711`.
        weight: Grams; None: not recorded.
        vessel: How it looks.
    """

    name: str
    maker: str
    made: int
    acquired_on: date
    price: int
    museum: str
    height: int
    inventory: str
    weight: int | None
    vessel: Vessel

    @property
    def acquired(self) -> int:
        """Year in which the museum bought it."""
        return self.acquired_on.year


def collect_artefacts(
    rng: random.Random, towns: tuple[Town, ...], people: tuple[Person, ...]
) -> tuple[Artefact, ...]:
    """All artefacts."""
    found: dict[str, Artefact] = {}
    drawn: set[Vessel] = set()
    numbers = rng.sample(range(1001, 9999), ARTEFACTS)
    while len(found) < ARTEFACTS:
        vessel = draw_vessel_facts(rng)
        name = f"{names.surname(rng)} {vessel.kind.capitalize()}"
        if found and rng.random() < COMPANION_SHARE:
            elder = rng.choice([each for each in found.values() if not each.name.startswith("Lesser")])
            name, vessel = f"Lesser {elder.name}", companion_of(elder.vessel, rng)
        if name in found or vessel in drawn:
            continue
        drawn.add(vessel)
        inventory = f"{rng.choice('ABCDEFGHKLM')}{rng.choice('ABCDEFGHKLM')} {numbers[len(found)]}"
        found[name] = _artefact(rng, name, inventory, vessel, rng.choice(towns), rng.choice(people))
    return tuple(found.values())


def _artefact(
    rng: random.Random, name: str, inventory: str, vessel: Vessel, town: Town, maker: Person
) -> Artefact:
    return Artefact(
        name=name,
        maker=maker.name,
        made=maker.born + rng.randint(21, 50),
        acquired_on=day_in(rng, maker.died + rng.randint(1, 60)),
        price=rng.randint(120, 9800),
        museum=town.name,
        height=rng.randint(96, 940),
        inventory=inventory,
        weight=None if rng.random() < UNRECORDED else rng.randint(310, 9900),
        vessel=vessel,
    )
