"""Pages that tell apart what shares a name."""

from __future__ import annotations

import random

from deepeyes_env.search.local.page import Page
from deepeyes_env.tasks.worlds.fictional.encyclopaedia.writing import listed, page
from deepeyes_env.tasks.worlds.fictional.world import World, grouped


def write_all(rng: random.Random, world: World) -> list[Page]:
    """One page for each name that several companies share."""
    companies = world.namesakes_of
    families = grouped(world.people, lambda person: person.family_name)
    artefacts = grouped(world.artefacts, lambda artefact: artefact.name.split()[-2])
    pages = []
    for stem in sorted(stem for stem, group in companies.items() if len(group) > 1):
        sentences = [
            f"{stem} may refer to several companies: {listed([each.name for each in companies[stem]])}."
        ]
        if people := families.get(stem):
            sentences.append(f"It is also a family name: {listed([each.name for each in people])}.")
        if things := artefacts.get(stem):
            sentences.append(f"Museum objects of that name: {listed([each.name for each in things])}.")
        pages.append(page(rng, f"{stem} (disambiguation)", sentences))
    return pages
