"""Species: butterflies, beetles and flowers, with who described them and where they were found."""

from __future__ import annotations

import random
from dataclasses import dataclass

from deepeyes_env.tasks.worlds.drawing.specimen import Specimen, draw_specimen_facts, related
from deepeyes_env.tasks.worlds.fictional import names
from deepeyes_env.tasks.worlds.fictional.people import UNRECORDED, Person
from deepeyes_env.tasks.worlds.fictional.towns import Town

SPECIES = 80

PLURALS = {"butterfly": "butterflies", "beetle": "beetles", "flower": "flowering plants"}
"""Kind -> what a survey counts."""

RELATED_SHARE = 0.35
"""Share of species that are the near-duplicate of another one of their genus."""


@dataclass(frozen=True, slots=True)
class Species:
    """A species.

    Attributes:
        name: Unique; genus and epithet.
        common: Its English name.
        kind: `butterfly`, `beetle` or `flower`.
        described_by: Name of the person who first described it.
        described: Year of the description.
        found_near: The town near which it was first found.
        size: Millimetres: wing span, length or height.
        counted: Animals or plants that the last survey counted.
        altitude: Metres of its highest find; None: not recorded.
        specimen: How its plate is drawn.
    """

    name: str
    common: str
    kind: str
    described_by: str
    described: int
    found_near: str
    size: int
    counted: int
    altitude: int | None
    specimen: Specimen


def describe_species(
    rng: random.Random, towns: tuple[Town, ...], people: tuple[Person, ...]
) -> tuple[Species, ...]:
    """All species."""
    found: dict[str, Species] = {}
    drawn: set[Specimen] = set()
    while len(found) < SPECIES:
        name, specimen = names.species(rng), draw_specimen_facts(rng)
        if found and rng.random() < RELATED_SHARE:
            near = rng.choice(list(found.values()))
            name, specimen = f"{near.name.split()[0]} {name.split()[1]}", related(near.specimen, rng)
        if name in found or specimen in drawn:
            continue
        drawn.add(specimen)
        found[name] = _species(rng, name, specimen, rng.choice(towns), rng.choice(people))
    return tuple(found.values())


def _species(rng: random.Random, name: str, specimen: Specimen, town: Town, person: Person) -> Species:
    common = f"{rng.choice(names.EPITHETS_OF_COMMON_NAMES)} {rng.choice(names.COMMON_NAMES[specimen.kind])}"
    return Species(
        name=name,
        common=common,
        kind=specimen.kind,
        described_by=person.name,
        described=person.born + rng.randint(24, 48),
        found_near=town.name,
        size=rng.randint(11, 148),
        counted=rng.randint(23, 9800),
        altitude=None if rng.random() < UNRECORDED else rng.randint(180, 2890),
        specimen=specimen,
    )
