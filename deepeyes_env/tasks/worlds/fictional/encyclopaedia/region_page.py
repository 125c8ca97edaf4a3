"""Pages about regions, with their maps."""

from __future__ import annotations

import random
from functools import partial

from deepeyes_env.search.local.page import Page
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.pictures import map_picture
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.writing import listed, page
from deepeyes_env.tasks.worlds.fictional.world import World


def write(rng: random.Random, region: str, world: World) -> Page:
    """The page about a region."""
    towns = tuple(world.towns_in[region])
    rivers = sorted({town.river for town in towns})
    highest = max(towns, key=lambda town: town.elevation)
    sentences = [
        f"{region} is a region with {len(towns)} towns: {listed([town.name for town in towns])}.",
        f"Its rivers are the {listed(rivers)}.",
        f"The highest town is {highest.name}.",
        "The map covers a square of 100 km and was surveyed from its towers.",
        f"Its people, {sum(town.population for town in towns):,} in the towns alone, live by "
        "trade and by sheep.",
        f"A dialect dictionary of {rng.randint(1830, 1910)} has {rng.randint(3, 40)} thousand words.",
    ]
    return page(rng, f"Map of {region}", sentences, partial(map_picture, region, towns))
