"""Pages about companies."""

from __future__ import annotations

import random

from deepeyes_env.search.local.page import Page
from deepeyes_env.tasks.worlds.fictional.dates import day_in, written
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.writing import page, shuffled
from deepeyes_env.tasks.worlds.fictional.world import Company, World


def write(rng: random.Random, company: Company, world: World) -> Page:
    """The page about a company."""
    region = world.town_named[company.town].region
    opening = rng.choice(
        (
            f"{company.name} was a maker of {company.product} in {company.town}, {region}.",
            f"{company.name} of {company.town}, {region}, made {company.product}.",
        )
    )
    facts = [_staff(rng, company), _end(rng, company)]
    if company.rival:
        rival = world.company_named[company.rival]
        facts.append(
            rng.choice(
                (
                    f"Its great rival was {rival.name}.",
                    f"For decades it competed with {rival.name} of {rival.town}.",
                )
            )
        )
    sentences = [opening, _founding(rng, company), *shuffled(rng, facts, _asides(rng, company, world), 6)]
    return page(rng, company.name, sentences)


def _founding(rng: random.Random, company: Company) -> str:
    day = written(company.founded_on)
    return rng.choice(
        (
            f"It was founded on {day} by {company.founder}.",
            f"{company.founder} founded the company on {day}.",
            f"The company was founded by {company.founder} on {day}.",
            f"On {day} it was founded in a rented shed by {company.founder}.",
        )
    )


def _staff(rng: random.Random, company: Company) -> str:
    return rng.choice(
        (
            f"At its height in {company.peak} it employed {company.workers} workers.",
            f"In {company.peak}, its best year, {company.workers} workers were on its books.",
        )
    )


def _end(rng: random.Random, company: Company) -> str:
    if company.closed is None:
        return rng.choice(
            (
                "The year in which the works closed is not recorded.",
                "When the works closed is not recorded, since the last ledgers were burnt.",
            )
        )
    return rng.choice((f"The works closed in {company.closed}.", f"It closed its doors in {company.closed}."))


def _asides(rng: random.Random, company: Company, world: World) -> list[str]:
    town = world.town_named[company.town]
    later = company.founded + rng.randint(2, 9)
    return [
        f"The firm was entered in the trade register on {written(day_in(rng, later))}.",
        "After a fire the workshops were rebuilt, and the firm was registered anew on "
        f"{written(day_in(rng, later + 8))}.",
        f"Its works stood beside the {town.landmark}, which had been opened in {town.landmark_opened}.",
        f"A catalogue of {company.founded + rng.randint(5, 30)} lists {rng.randint(20, 300)} articles.",
        f"A second shop in {rng.choice(world.towns).name} was given up after {rng.randint(2, 9)} years.",
        f"At the trade fair of {company.founded + rng.randint(10, 40)} it won {rng.randint(1, 5)} medals.",
        f"Apprentices stayed for {rng.randint(3, 7)} years and were paid {rng.randint(2, 9)} pence a day.",
        f"Its carts, {rng.randint(3, 40)} of them, were painted "
        f"{rng.choice(('red', 'green', 'blue', 'yellow'))} and known all over {town.region}.",
    ]
