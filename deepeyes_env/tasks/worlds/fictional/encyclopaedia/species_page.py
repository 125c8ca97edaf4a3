"""Pages about species, with their plates."""

from __future__ import annotations

import random
from functools import partial

from deepeyes_env.search.local.page import Page
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.pictures import specimen_picture
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.writing import page, shuffled
from deepeyes_env.tasks.worlds.fictional.species import PLURALS
from deepeyes_env.tasks.worlds.fictional.world import Species, World


def write(rng: random.Random, species: Species, world: World) -> Page:
    """The page about a species."""
    opening = rng.choice(
        (
            f"{species.name}, the {species.common}, is a {species.kind} first described by "
            f"{species.described_by}"
            f" in {species.described}.",
            f"{species.name}, the {species.common}, is a {species.kind}. It was first described "
            f"in {species.described}"
            f" by {species.described_by}.",
        )
    )
    region = world.town_named[species.found_near].region
    facts = [
        rng.choice(
            (
                f"The first specimens were found near {species.found_near} in {region}.",
                f"It was first found near {species.found_near}.",
            )
        ),
        {
            "butterfly": f"Its wings span {species.size} mm.",
            "beetle": f"Grown beetles span {species.size} mm from head to tail.",
            "flower": f"Its blossoms span {species.size} mm.",
        }[species.kind],
        f"The last survey counted {species.counted:,} {PLURALS[species.kind]}.",
        _altitude(rng, species),
    ]
    sentences = [opening, *shuffled(rng, facts, _asides(rng, species, world), 6)]
    return page(rng, species.name, sentences, partial(specimen_picture, species.specimen))


def _altitude(rng: random.Random, species: Species) -> str:
    if species.altitude is None:
        return rng.choice(
            (
                "The altitude of its highest find is not recorded.",
                "At what altitude its highest find was made is not recorded.",
            )
        )
    return rng.choice(
        (
            f"Its highest find was made at an altitude of {species.altitude} m.",
            f"The highest find so far lies at an altitude of {species.altitude} m.",
        )
    )


def _asides(rng: random.Random, species: Species, world: World) -> list[str]:
    cousins = [
        each.name
        for each in world.species
        if each.name != species.name and each.name.split()[0] == species.name.split()[0]
    ]
    season = rng.choice(("May", "June", "July", "August"))
    sentences = [
        f"It is seen from {season} until the first frost, mostly on "
        f"{rng.choice(('limestone', 'moors', 'river banks', 'old walls'))}.",
        f"A coloured plate of it was printed in {species.described + rng.randint(3, 40)} in an "
        f"edition of {rng.randint(80, 900)}.",
        f"A collector in {rng.choice(world.towns).name} kept {rng.randint(3, 80)} specimens, "
        f"which were sold in {species.described + rng.randint(20, 60)}.",
        f"Farmers took it for a sign of rain, and {rng.randint(2, 9)} proverbs mention it.",
        f"It was put under protection in {rng.randint(1921, 1988)}.",
        f"An earlier drawing from {species.described - rng.randint(2, 30)} bears no name.",
    ]
    if cousins:
        sentences.append(f"It is easily mistaken for {rng.choice(cousins)}.")
    return sentences
