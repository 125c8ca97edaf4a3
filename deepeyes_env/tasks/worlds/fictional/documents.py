"""Documents: letters, deeds and newspaper cuttings, with what they say word for word."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date
from typing import Literal

from deepeyes_env.tasks.worlds.fictional.companies import Company
from deepeyes_env.tasks.worlds.fictional.dates import day_in, written
from deepeyes_env.tasks.worlds.fictional.people import Person
from deepeyes_env.tasks.worlds.fictional.towns import Town

DOCUMENTS = 36

DocumentKind = Literal["letter", "deed", "cutting"]


@dataclass(frozen=True, slots=True)
class Document:
    """A document.

    Attributes:
        name: Unique title of its page.
        kind: What it is.
        dated: The date it bears.
        person: Name of the person who wrote it, sold by it or is reported about.
        company: Name of the company it is about.
        town: Name of the town it is about.
        heading: Its first line.
        paragraphs: What follows.
        signature: Its last line.
    """

    name: str
    kind: DocumentKind
    dated: date
    person: str
    company: str
    town: str
    heading: str
    paragraphs: tuple[str, ...]
    signature: str


def write_documents(
    rng: random.Random, towns: tuple[Town, ...], people: tuple[Person, ...], companies: tuple[Company, ...]
) -> tuple[Document, ...]:
    """All documents; no two are about the same company."""
    by_name = {person.name: person for person in people}
    chosen = rng.sample(companies, DOCUMENTS)
    return tuple(
        write_document(rng, kind, rng.choice(towns), by_name[company.founder], company)
        for company, kind in zip(chosen, _KINDS * DOCUMENTS, strict=False)
    )


def write_document(
    rng: random.Random, kind: DocumentKind, town: Town, person: Person, company: Company
) -> Document:
    """One document about a person, a company and a town."""
    day = day_in(rng, min(company.founded + rng.randint(1, 9), person.died - 1))
    heading, paragraphs, signature = {"letter": _letter, "deed": _deed, "cutting": _cutting}[kind](
        rng, town, person, company, day
    )
    titles = {
        "letter": f"Letter of {person.name} to {company.name}",
        "deed": f"Deed of {company.name} at {town.name}",
        "cutting": f"Cutting about {company.name} at {town.name}",
    }
    return Document(
        titles[kind], kind, day, person.name, company.name, town.name, heading, paragraphs, signature
    )


_KINDS: tuple[DocumentKind, ...] = ("letter", "deed", "cutting")


def _letter(
    rng: random.Random, town: Town, person: Person, company: Company, day: date
) -> tuple[str, tuple[str, ...], str]:
    goods = rng.choice(("two crates", "four dozen", "a cart-load", "six cases"))
    return (
        f"{town.name}, {written(day)}",
        (
            f"To the foremen of {company.name}",
            f"I write to you from {town.name}, where I have sold {goods} of our {company.product} "
            "before noon.",
            f"Send {rng.randint(3, 40)} more by the next carrier, and see that none is scratched.",
            rng.choice(
                (
                    "The road was bad and the inn was worse, but the market is worth the trouble.",
                    "It has rained for nine days, and still they come to look at our stall.",
                    "The mayor himself has asked for our list of prices.",
                )
            ),
        ),
        f"Your obedient {person.name}",
    )


def _deed(
    rng: random.Random, town: Town, person: Person, company: Company, day: date
) -> tuple[str, tuple[str, ...], str]:
    acres, rent = rng.randint(2, 48), rng.randint(11, 96)
    return (
        "THIS DEED",
        (
            f"made on {written(day)} between the council of {town.name} and {person.name} on behalf of "
            f"{company.name}, witnesses:",
            f"That the council lets to {company.name} a yard of {acres} acres beside the {town.landmark} of "
            f"{town.name}, with all sheds that stand upon it,",
            f"at a rent of {rent} crowns a year, to be paid on the first market day of every spring.",
        ),
        f"Signed: {person.name}",
    )


def _cutting(
    rng: random.Random, town: Town, person: Person, company: Company, day: date
) -> tuple[str, tuple[str, ...], str]:
    return (
        rng.choice(("A STALL WORTH SEEING", "GOLD FOR LOCAL MAKERS", "CROWDS AT THE SUMMER FAIR")),
        (
            f"{town.name}, {written(day)}. At the fair beside the {town.landmark} the first prize went "
            f"to {company.name}, makers of {company.product}.",
            f"{person.name} received the medal before a crowd of {rng.randint(4, 60)} hundred and "
            "spoke briefly.",
            f"The fair closes on Saturday. Admission is {rng.randint(2, 9)} pence; children go free.",
        ),
        f"The {town.name} Courier",
    )
