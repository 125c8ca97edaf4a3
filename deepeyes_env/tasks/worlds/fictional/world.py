"""The facts of a fictional world, all drawn from one seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TypeVar

from deepeyes_env.task import Split
from deepeyes_env.tasks.worlds.fictional.artefacts import Artefact, collect_artefacts
from deepeyes_env.tasks.worlds.fictional.companies import COMPANIES, Company, found_companies
from deepeyes_env.tasks.worlds.fictional.documents import Document, write_documents
from deepeyes_env.tasks.worlds.fictional.people import PEOPLE, Person, bear_people
from deepeyes_env.tasks.worlds.fictional.products import Product, launch_products
from deepeyes_env.tasks.worlds.fictional.species import Species, describe_species
from deepeyes_env.tasks.worlds.fictional.towns import TOWNS, Town, found_towns
from deepeyes_env.tasks.worlds.splits import deal

__all__ = [
    "COMPANIES",
    "PEOPLE",
    "TOWNS",
    "Artefact",
    "Company",
    "Document",
    "Person",
    "Product",
    "Species",
    "Town",
    "World",
    "make_world",
    "name_of",
]

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """Everything that is true in one fictional world.

    Attributes:
        seed: The number that names the world.
        towns: All towns.
        people: All people; every founder, maker and discoverer is among them.
        companies: All companies.
        species: All species.
        artefacts: All museum objects.
        products: All products that have a photograph.
        documents: All documents that have a page.
    """

    seed: int
    towns: tuple[Town, ...]
    people: tuple[Person, ...]
    companies: tuple[Company, ...]
    species: tuple[Species, ...]
    artefacts: tuple[Artefact, ...]
    products: tuple[Product, ...]
    documents: tuple[Document, ...]

    @cached_property
    def town_named(self) -> dict[str, Town]:
        """Towns by name."""
        return {town.name: town for town in self.towns}

    @cached_property
    def person_named(self) -> dict[str, Person]:
        """People by name."""
        return {person.name: person for person in self.people}

    @cached_property
    def company_named(self) -> dict[str, Company]:
        """Companies by name."""
        return {company.name: company for company in self.companies}

    @cached_property
    def named(self) -> dict[str, Town | Person | Company | Species | Artefact | Product]:
        """Everything that has a page of its own, by name; names are unique."""
        things = (self.towns, self.people, self.companies, self.species, self.artefacts, self.products)
        return {thing.name: thing for kind in things for thing in kind}

    @cached_property
    def splits(self) -> dict[str, Split]:
        """The split of every thing with a page of its own, by its plan key (`facts.key_of`)."""
        names = {
            "town": [town.name for town in self.towns],
            "person": [person.name for person in self.people],
            "company": [company.name for company in self.companies],
            "species": [species.name for species in self.species],
            "artefact": [artefact.name for artefact in self.artefacts],
            "product": [product.name for product in self.products],
        }
        dealt: dict[str, Split] = {}
        for kind, those in names.items():
            dealt |= deal(name_of(self.seed), (f"{kind}/{name}" for name in those))
        return dealt

    @cached_property
    def companies_of(self) -> dict[str, list[Company]]:
        """Companies by their founder's name."""
        return grouped(self.companies, lambda company: company.founder)

    @cached_property
    def namesakes_of(self) -> dict[str, list[Company]]:
        """Companies by the family name they bear."""
        return grouped(self.companies, lambda company: company.name.split()[0])

    @cached_property
    def mistakable(self) -> frozenset[str]:
        """Names of companies whose emblem differs from another's in charge or division alone."""
        without: list[Callable[[Company], str]] = [
            lambda company: repr(replace(company.emblem, charge="")),
            lambda company: repr(replace(company.emblem, division="")),
        ]
        groups = [group for rest in without for group in grouped(self.companies, rest).values()]
        return frozenset(company.name for group in groups if len(group) > 1 for company in group)

    @cached_property
    def companies_in(self) -> dict[str, list[Company]]:
        """Companies by the town of their works."""
        return grouped(self.companies, lambda company: company.town)

    @cached_property
    def natives_of(self) -> dict[str, list[Person]]:
        """People by birthplace."""
        return grouped(self.people, lambda person: person.birthplace)

    @cached_property
    def pupils_of(self) -> dict[str, list[Person]]:
        """People by teacher."""
        return grouped(
            (person for person in self.people if person.teacher), lambda person: str(person.teacher)
        )

    @cached_property
    def species_of(self) -> dict[str, list[Species]]:
        """Species by the person who described them."""
        return grouped(self.species, lambda species: species.described_by)

    @cached_property
    def artefacts_in(self) -> dict[str, list[Artefact]]:
        """Artefacts by the town of their museum."""
        return grouped(self.artefacts, lambda artefact: artefact.museum)

    @cached_property
    def towns_in(self) -> dict[str, list[Town]]:
        """Towns by region."""
        return grouped(self.towns, lambda town: town.region)


def name_of(seed: int) -> str:
    """The name of a world in task ids."""
    return f"fictional-{seed}"


def grouped(things: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    """Things by a key, in their order."""
    groups: dict[str, list[T]] = {}
    for thing in things:
        groups.setdefault(key(thing), []).append(thing)
    return groups


@lru_cache(maxsize=4)
def make_world(seed: int) -> World:
    """Generate the world called `seed`; the same one in every process."""
    rng = random.Random(f"world/{seed}")
    towns = found_towns(rng)
    people = bear_people(rng, towns)
    companies = found_companies(rng, towns, people)
    return World(
        seed=seed,
        towns=towns,
        people=people,
        companies=companies,
        species=describe_species(rng, towns, people),
        artefacts=collect_artefacts(rng, towns, people),
        products=launch_products(rng, companies),
        documents=write_documents(rng, towns, people, companies),
    )
