"""What can be asked about a thing: fact -> how its page words the value."""

from __future__ import annotations

from collections.abc import Sequence

from deepeyes_env.tasks.worlds.fictional.artefacts import Artefact
from deepeyes_env.tasks.worlds.fictional.companies import Company
from deepeyes_env.tasks.worlds.fictional.dates import written
from deepeyes_env.tasks.worlds.fictional.people import Person
from deepeyes_env.tasks.worlds.fictional.products import Product
from deepeyes_env.tasks.worlds.fictional.species import Species
from deepeyes_env.tasks.worlds.fictional.towns import Town
from deepeyes_env.tasks.worlds.fictional.world import World

Thing = Town | Person | Company | Species | Artefact | Product

NOT_RECORDED = "not recorded"
"""The value of a fact of which its page says that no record holds it."""


def facts_of(thing: Thing) -> dict[str, str]:
    """All facts of a thing, by the names that `oracles.lookup.FACTS` knows; numbers without commas."""
    match thing:
        case Town():
            facts = _of_town(thing)
        case Person():
            facts = _of_person(thing)
        case Company():
            facts = _of_company(thing)
        case Species():
            facts = _of_species(thing)
        case Artefact():
            facts = _of_artefact(thing)
        case Product():
            facts = _of_product(thing)
    return {name: str(value) for name, value in facts.items() if value is not None}


def key_of(thing: Thing) -> str:
    """The plan key of a question about a thing: the same in every family."""
    return f"{type(thing).__name__.lower()}/{thing.name}"


def followed(world: World, start: Thing, steps: Sequence[str]) -> str | None:
    """Where a trail of facts leads: each step is a fact of the thing that the step before it named.

    Returns:
        The last fact, or None where the trail breaks off (a founder without a teacher, a grave not recorded).
    """
    thing: Thing | None = start
    value: str | None = None
    for step in steps:
        value = None if thing is None else facts_of(thing).get(step)
        if value is None or value == NOT_RECORDED:
            return None
        thing = world.named.get(value)
    return value


_Values = dict[str, str | int | None]


def _of_town(town: Town) -> _Values:
    return {
        "region": town.region,
        "river": town.river,
        "elevation": town.elevation,
        "population": town.population,
        "chartered": town.chartered,
        "chartered_on": written(town.chartered_on),
        "landmark_height": town.landmark_height,
        "landmark_opened": town.landmark_opened,
        "landmark_opened_on": written(town.landmark_opened_on),
        "east": town.east,
        "north": town.north,
    }


def _of_person(person: Person) -> _Values:
    return {
        "birthplace": person.birthplace,
        "profession": person.profession,
        "born": person.born,
        "born_on": written(person.born_on),
        "died": person.died,
        "died_on": written(person.died_on),
        "sibling": person.sibling,
        "teacher": person.teacher,
        "burial": person.burial or NOT_RECORDED,
    }


def _of_company(company: Company) -> _Values:
    return {
        "founded": company.founded,
        "founded_on": written(company.founded_on),
        "founder": company.founder,
        "town": company.town,
        "workers": company.workers,
        "rival": company.rival,
        "closed": company.closed or NOT_RECORDED,
    }


def _of_species(species: Species) -> _Values:
    return {
        "common": species.common,
        "described_by": species.described_by,
        "described": species.described,
        "found_near": species.found_near,
        "size": species.size,
        "counted": species.counted,
        "altitude": species.altitude or NOT_RECORDED,
    }


def _of_artefact(artefact: Artefact) -> _Values:
    return {
        "maker": artefact.maker,
        "made": artefact.made,
        "acquired": artefact.acquired,
        "acquired_on": written(artefact.acquired_on),
        "price": artefact.price,
        "museum": artefact.museum,
        "height": artefact.height,
        "inventory": artefact.inventory,
        "weight": artefact.weight or NOT_RECORDED,
    }


def _of_product(product: Product) -> _Values:
    return {
        "company": product.company,
        "launched": product.launched,
        "launched_on": written(product.launched_on),
        "cost": product.price,
        "weighed": product.weight,
    }
