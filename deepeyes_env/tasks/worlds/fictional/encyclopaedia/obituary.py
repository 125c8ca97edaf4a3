"""Obituaries: pages about people that repeat other dates than those asked for."""

from __future__ import annotations

import random
from datetime import timedelta

from deepeyes_env.search.local.page import Page
from deepeyes_env.tasks.worlds.fictional.dates import day_in, written
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.writing import page
from deepeyes_env.tasks.worlds.fictional.world import Person, World

OBITUARIES = 40


def write_all(rng: random.Random, world: World) -> list[Page]:
    """Obituaries of some people."""
    return [_write(rng, person, world) for person in rng.sample(world.people, OBITUARIES)]


def _write(rng: random.Random, person: Person, world: World) -> Page:
    paper = rng.choice(world.towns).name
    sentences = [
        f"The {paper} Courier printed this obituary on "
        f"{written(person.died_on + timedelta(days=rng.randint(2, 9)))}.",
        f"The news of the death of {person.family_name} reached us late, it says, and the whole "
        "trade is in mourning.",
        f"It praises a {person.profession} who rose at {rng.choice(('four', 'five'))} and never "
        "raised a voice.",
        f"The memorial was unveiled on {written(day_in(rng, person.died + rng.randint(1, 5)))} "
        f"before {rng.randint(2, 40)} hundred people.",
    ]
    sentences += [
        f"{company.name}, it adds, was turned into a partnership on {written(day_in(rng, person.died + 1))} "
        f"and moved its office to {rng.choice(world.towns).name}."
        for company in world.companies_of.get(person.name, [])
    ]
    return page(rng, f"Obituary of {person.name}", sentences)
